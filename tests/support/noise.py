"""Frames that were right once, or never: what a client sends that is broken or hostile."""

import random
from typing import Final

DIGITS: Final = "9" * 10_000


def noise(chance: random.Random, seeds: list[str]) -> str:
    """A frame that was right once, or never."""
    text = chance.choice(seeds)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(7):
            case 0:
                text = text[:at]
            case 1:
                text = text[:at] + chance.choice('{}[]",:\\\n\u0000é\U0001f600 ') + text[at:]
            case 2:
                text = text[:at] + text[at + chance.randrange(1, 5) :]
            case 3:
                text = (
                    text[:at] + chance.choice(["NaN", "1e999", DIGITS[:400], "null", "\\ud800"]) + text[at:]
                )
            case 4:
                text = text[:at] + text[: chance.randrange(len(text) + 1)] + text[at:]
            case 5:
                text = text[:at] + chance.choice("[{") * chance.randrange(1, 200) + text[at:]
            case _:
                text = "".join(chance.sample(text, len(text)))
    return text[:60_000]
