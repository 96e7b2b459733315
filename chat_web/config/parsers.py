"""Parsers of settings: from text to a value, one per kind.

Every parser takes the text and returns the value, or raises ``ValueError`` with the
second half of a sentence that starts with the variable's name ("must be …").

Not here: which parser a variable has (``settings.py``).
"""

import functools
import ipaddress
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

SECRET_BYTES_MIN: Final = 32
_SECRET_SYMBOLS_MIN: Final = 8  # distinct characters: "aaaa…" is long, but easy to guess

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.?", re.ASCII)
_CHANNEL: Final = re.compile(r"[a-z0-9_-]{1,50}", re.ASCII)
_USER: Final = re.compile(r"[A-Za-z0-9_.-]{3,32}", re.ASCII)

# Placeholders that examples, tutorials and templates print for a secret (T-20).
_PLACEHOLDERS: Final = re.compile(
    r"change.?(me|this|it)|your.?(own.?|super.?|very.?|jwt.?)*(secret|key)|secret.?key|super.?secret"
    r"|place.?holder|example|insecure|replace.?(me|this|with)|not.?so.?secret|password|^secret$",
    re.IGNORECASE,
)


def quoted(text: str) -> str:
    """A value for an error message: on one line, and shortened if it is long."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def number(low: float, high: float, *, above: bool = False, scale: float = 1.0) -> Callable[[str], float]:
    """A number from ``low`` (or ``above`` it) to ``high``, fractions allowed, times ``scale``."""
    bounds = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
    words = f"must be a number {bounds}"

    def read(text: str) -> float:
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"{words}, not {quoted(text)}")
        value = float(text)
        if not math.isfinite(value) or not low <= value <= high or (above and value == low):
            raise ValueError(f"{words}, not {quoted(text)}")
        return value * scale

    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {quoted(text)}")
        return int(text)

    return read


def flag(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(f"must be true or false, not {quoted(text)}")


def choice(*names: str, fold: Callable[[str], str] = str.lower) -> Callable[[str], str]:
    """One of ``names``; upper and lower case are equal."""
    by_fold = {fold(name): name for name in names}

    def read(text: str) -> str:
        try:
            return by_fold[fold(text)]
        except KeyError:
            raise ValueError(f"must be one of {', '.join(names)}, not {quoted(text)}") from None

    return read


def host(text: str) -> str:
    """An address or a name to listen on, without scheme and port."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if len(text) > 253 or not _HOST.fullmatch(text) or _NUMBER.fullmatch(text.replace(".", "")):
            raise ValueError(f"must be an address or a host name alone, not {quoted(text)}") from None
        return text


def is_loopback(name: str) -> bool:
    """Whether only this machine can reach ``name``. False for every host name except localhost."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.rstrip(".").lower() == "localhost"


def optional_folder(text: str) -> Path | None:
    return folder(text) if text else None


def folder(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("must be a path")
    return Path(text)


def database(text: str) -> str:
    """``sqlite:///path`` (three slashes are relative, four absolute), ``postgresql://…`` or ``memory://``."""
    if text == "memory://":
        return text
    if is_postgres(text):
        return _postgres(text)
    if not text.startswith("sqlite:///"):
        wanted = "sqlite:///path, postgresql://user@host/name or memory://"
        raise ValueError(f"must be {wanted}, not {quoted(without_password(text))}")
    path = text.removeprefix("sqlite:///")
    if path == ":memory:":
        raise ValueError("must be memory:// for a database in memory")
    if not path.strip("/") or path.endswith("/") or not path.isprintable() or set(path) & set("?#"):
        raise ValueError(f"must name a file, without ? and #, not {quoted(text)}")
    return text


def is_postgres(url: str) -> bool:
    return url.startswith(("postgresql://", "postgres://"))


def _postgres(text: str) -> str:
    try:
        parts = urlsplit(text)
        if not text.isprintable() or " " in text or parts.fragment:
            raise ValueError
        # Without a name, PostgreSQL uses the user's name, so a typo could open another database.
        if not parts.path.strip("/") or "/" in parts.path.strip("/"):
            raise ValueError
        _ = parts.port if "," not in parts.netloc else None
    except ValueError:
        shown = quoted(without_password(text))
        raise ValueError(f"must be postgresql://user:password@host:port/name, not {shown}") from None
    return text


def database_path(url: str) -> Path | None:
    """The SQLite file of ``url``; None for another database."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def backplane(text: str) -> str:
    if text:
        raise ValueError("several nodes are not supported in this version; leave it empty")
    return text


def secret(text: str) -> str:
    """A key that is hard to guess, or empty. The error never shows it."""
    if not text:
        return text
    if _PLACEHOLDERS.search(text):
        raise ValueError("is a well-known placeholder; generate a key of your own")
    if len(text.encode("utf-8", "surrogateescape")) < SECRET_BYTES_MIN:
        raise ValueError(f"is shorter than {SECRET_BYTES_MIN} bytes")
    if len(set(text)) < _SECRET_SYMBOLS_MIN:
        raise ValueError("repeats a few characters; generate a random key")
    return text


def _items(text: str) -> list[str]:
    return list(dict.fromkeys(item for part in text.split(",") if (item := part.strip())))


def secrets(text: str) -> tuple[str, ...]:
    return tuple(secret(item) for item in _items(text))


def secrets_or_files(text: str) -> tuple[str, ...]:
    """Previous keys: secrets, or ``file:`` and the path of a PEM file."""
    for item in _items(text):
        if not item.startswith("file:"):
            secret(item)
        elif item == "file:":
            raise ValueError("has a file: without a path")
    return tuple(_items(text))


def channels(text: str) -> tuple[str, ...]:
    for name in _items(text):
        if not _CHANNEL.fullmatch(name):
            raise ValueError(f"must be names of 1-50 characters of a-z 0-9 _ -, not {quoted(name)}")
    return tuple(_items(text))


def users(text: str) -> tuple[str, ...]:
    for name in _items(text):
        if not _USER.fullmatch(name):
            raise ValueError(f"must be names of 3-32 characters of A-Z a-z 0-9 _ . -, not {quoted(name)}")
    return tuple(_items(text))


def networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks. A network that contains every address is refused (T-26)."""
    found = []
    for item in _items(text):
        try:
            network = ipaddress.ip_network(item)
        except ValueError:
            raise ValueError(f"must be addresses or networks, not {quoted(item)}") from None
        if network.prefixlen == 0:
            raise ValueError(f"would trust every address with {quoted(item)}")
        found.append(network)
    return tuple(found)


def origins(text: str) -> tuple[str, ...]:
    """Exact origins, as a browser writes them: lower case, without the scheme's own port."""
    return tuple(dict.fromkeys(origin(item) for item in _items(text)))


@functools.lru_cache(maxsize=1024)  # also called with the own origin for each request
def origin(text: str) -> str:
    if "*" in text:
        raise ValueError("must be exact origins; * would allow every site")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(_not_an_origin(text)) from None
    if not text.isascii() or not text.isprintable() or not _is_bare(text, parts):
        raise ValueError(_not_an_origin(text))
    name = parts.hostname or ""
    if ":" in name:
        name = f"[{name}]"
    if port is None or port == {"http": 80, "https": 443}[parts.scheme]:
        return f"{parts.scheme}://{name}"
    return f"{parts.scheme}://{name}:{port}"


def _is_bare(text: str, parts: SplitResult) -> bool:
    """Whether the text is exactly a scheme, a host and an optional port."""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    if text.lower() != f"{parts.scheme}://{parts.netloc}".lower():
        return False
    if "@" in parts.netloc or parts.netloc.endswith(":"):
        return False
    if ":" in parts.hostname:
        try:
            ipaddress.IPv6Address(parts.hostname)
        except ValueError:
            return False
        return True
    return _HOST.fullmatch(parts.hostname) is not None


def _not_an_origin(text: str) -> str:
    return f"must be exact origins, scheme://host or scheme://host:port, not {quoted(text)}"


def without_password(url: str) -> str:
    """The URL with the user name and the password masked, for people."""
    url = re.sub(r"//[^@/]*@", "//…@", url)
    return re.sub(r"(?<=[?&])((?:ssl)?password)=[^&]*", r"\1=…", url)
