"""Frames that were right once, or never: what a client sends that is broken or hostile."""

import random
from typing import Final

DIGITS: Final = "9" * 10_000


def noise(rng: random.Random, seeds: list[str]) -> str:
    """A frame that was right once, or never."""
    text = rng.choice(seeds)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(text) + 1)
        match rng.randrange(7):
            case 0:
                text = text[:at]
            case 1:
                text = text[:at] + rng.choice('{}[]",:\\\n\u0000é\U0001f600 ') + text[at:]
            case 2:
                text = text[:at] + text[at + rng.randrange(1, 5) :]
            case 3:
                text = text[:at] + rng.choice(["NaN", "1e999", DIGITS[:400], "null", "\\ud800"]) + text[at:]
            case 4:
                text = text[:at] + text[: rng.randrange(len(text) + 1)] + text[at:]
            case 5:
                text = text[:at] + rng.choice("[{") * rng.randrange(1, 200) + text[at:]
            case _:
                text = "".join(rng.sample(text, len(text)))
    return text[:60_000]
