"""Search terms of texts and queries, the same for every store.

A term is a word in a normalised spelling (``folded``), a symbol such as an emoji,
or two adjacent characters of a script written without spaces. Not here: a database's
own definition of a word. Characters that it would take for an operator are dropped.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from chat_core.model.limits import TERM_LENGTH_MAX, TERMS_SOUGHT_MAX

_PLAIN: Final = re.compile(r"[a-z0-9]+")
# Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic, variation selectors.
_UNSPOKEN: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670"
    "\u20e3\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# Thai, Lao, Myanmar, Khmer; kana, Han and related scripts; not Hangul, which has spaces.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3040-\u312f\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]+"
)


def terms_of(text: str) -> Sequence[str]:
    """The distinct terms of a text, in order. None contains a space, a quote or a control character."""
    return tuple(dict.fromkeys(_terms(text, as_sought=False)))


def sought(text: str) -> Sequence[str]:
    """The terms of a query, at most ``TERMS_SOUGHT_MAX``. A query without terms finds nothing."""
    return tuple(dict.fromkeys(_terms(text, as_sought=True)))[:TERMS_SOUGHT_MAX]


def found(looked_for: Sequence[str], there: Sequence[str]) -> bool:
    """Whether each term of the query is a prefix of a term of the text."""
    return bool(looked_for) and all(any(term.startswith(part) for term in there) for part in looked_for)


def folded(text: str) -> str:
    """Normalises the spelling: case, width, ligatures, accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", _UNSPOKEN.sub("", apart))


def _terms(text: str, *, as_sought: bool) -> Iterator[str]:
    text = folded(text)
    if text.isascii():
        yield from (word[:TERM_LENGTH_MAX] for word in _PLAIN.findall(text))
        return
    for word in "".join(map(_spaced, text)).split(" "):
        start = 0
        for run in _UNSPACED.finditer(word):
            yield from _cut(word[start : run.start()])
            yield from _neighbours(run.group(), as_sought=as_sought)
            start = run.end()
        yield from _cut(word[start:])


def _spaced(character: str) -> str:
    """The character of a word, a symbol between spaces, or a space."""
    kind = unicodedata.category(character)
    if kind[0] in "LNM":
        return character
    # Sk: an emoji's skin tone. ASCII symbols are not searchable on their own.
    if kind[0] == "S" and kind != "Sk" and character > "\x7f":
        return f" {character} "
    return " "


def _cut(word: str) -> Iterator[str]:
    if word:
        yield word[:TERM_LENGTH_MAX]


def _neighbours(run: str, *, as_sought: bool) -> Iterator[str]:
    """Each character with the next one. The last of a text is also a term alone, so that it can be found."""
    last = len(run) - 1 if as_sought and len(run) > 1 else len(run)
    for at in range(last):
        yield run[at : at + 2]
