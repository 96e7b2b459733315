"""The contrast figures of the design tokens, computed again from ``static/css/tokens.css``."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "static" / "css" / "tokens.css").read_text(encoding="utf-8")
TEXT, OTHER = 4.5, 3.0  # WCAG 2.2: 1.4.3 and 1.4.11

PLAIN = ("bg", "surface", "surface-2")
# token: what it must have at least, on which surfaces it is used, and the figures on the worst of them
FIGURES = {
    "border-strong": (OTHER, (*PLAIN, "time-soft"), 3.61, 3.61),
    "text": (TEXT, (*PLAIN, "surface-3", "accent-soft"), 13.12, 10.54),
    "text-2": (TEXT, (*PLAIN, "surface-3"), 6.68, 7.67),
    "text-3": (TEXT, (*PLAIN, "surface-3", "accent-soft"), 5.05, 5.09),
    "accent": (TEXT, (*PLAIN, "surface-3", "accent-soft"), 5.07, 6.06),
    "accent-hover": (TEXT, (*PLAIN, "surface-3"), 6.82, 8.01),
    "on-accent": (TEXT, ("accent",), 6.27, 7.67),
    "on-accent-soft": (TEXT, ("accent-soft",), 10.02, 10.23),
    "time": (TEXT, (*PLAIN, "time-soft"), 6.40, 7.63),
    "on-time-soft": (TEXT, ("time-soft",), 8.64, 10.05),
    "danger": (TEXT, (*PLAIN, "danger-soft", "time-soft"), 5.80, 6.38),
    "on-danger": (TEXT, ("danger",), 6.84, 7.82),
    "on-danger-soft": (TEXT, ("danger-soft",), 8.84, 10.87),
    "success": (TEXT, PLAIN, 6.42, 8.69),
    "on-success-soft": (TEXT, ("success-soft",), 8.87, 10.90),
    "on-mention": (TEXT, ("mention-soft",), 9.90, 9.86),
    "focus": (OTHER, (*PLAIN, "surface-3", "accent-soft"), 5.16, 6.16),
    "online": (OTHER, PLAIN, 4.73, 7.81),
    "away": (OTHER, PLAIN, 5.10, 6.90),
}


def colours(selector: str) -> dict[str, str]:
    """The colour tokens that a rule sets, without their dashes."""
    found = re.search(re.escape(selector) + r" \{(.*?)\}", CSS, re.DOTALL)
    assert found is not None
    return dict(re.findall(r"--([\w-]+): (#[0-9A-F]{6});", found[1]))


LIGHT = colours(":root")
DARK = colours(":root[data-theme=dark]")


def luminance(colour: str) -> float:
    """WCAG's relative luminance of #RRGGBB."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_black_on_white_is_twenty_one() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


def test_the_system_s_dark_theme_is_the_chosen_one() -> None:
    assert colours(":root:not([data-theme])") == DARK
    assert LIGHT.keys() == DARK.keys()


@pytest.mark.parametrize("token", FIGURES)
def test_a_token_can_be_read_on_its_worst_surface(token: str) -> None:
    least, surfaces, light, dark = FIGURES[token]
    for theme, figure in ((LIGHT, light), (DARK, dark)):
        worst = min(contrast(theme[token], theme[surface]) for surface in surfaces)
        assert worst == pytest.approx(figure, abs=0.006)
        assert worst >= least


def test_every_colour_that_is_no_surface_has_a_figure() -> None:
    surfaces = {"bg", "surface", "surface-2", "surface-3"}
    surfaces |= {f"{name}-soft" for name in ("accent", "time", "danger", "success", "mention")}
    assert LIGHT.keys() - surfaces - {"border"} == FIGURES.keys()  # --border is decoration only
