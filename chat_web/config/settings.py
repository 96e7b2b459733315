"""Every setting of Parley: its variable, default, allowed values, and the source of its value.

Values come from the environment, then from ``.env`` in the working directory, then
from the defaults below. Parsed durations are in seconds, whatever the unit of their
variable. An invalid value, or an unknown name in ``.env``, raises a ``SettingsError``
of one line, and the server does not start.

Not here: parsing of texts (``parsers``), and the generated signing key (``key_files``).
"""

import difflib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

import attrs
import environ
from dotenv.parser import Binding, parse_stream

from chat_web.config import parsers
from chat_web.config.variables import Reader, SettingsError, var

__all__ = ["Settings", "load", "problems", "shown"]

_YEAR_S: Final = 365 * 86400.0
_DAY_S: Final = 86400.0
DATA_FOLDER: Final = Path("./data")  # if the database is not a file


_seconds = parsers.number
NEW_KEY: Final = '"$(openssl rand -base64 32)"'


@attrs.frozen(kw_only=True)
class Settings:
    """The effective configuration, made by ``load``. Tests make it directly, from parsed values."""

    _prefix: ClassVar[str] = ""  # environ-config: the variables have no common prefix

    host: str = var("HOST", "127.0.0.1", parsers.host, "the address to listen on")
    port: int = var("PORT", "8000", parsers.whole(0, 65535), "the port; 0 takes a free one")
    database_url: str = var(
        "DATABASE_URL",
        "sqlite:///./data/parley.db",
        parsers.database,
        "sqlite:///path, postgresql://user:password@host/name or memory://",
    )
    backplane_url: str = var("BACKPLANE_URL", "", parsers.backplane, "empty: one node")

    jwt_secret_key: str = var(
        "JWT_SECRET_KEY",
        "",
        parsers.secret,
        "signs tokens, at least 32 bytes; empty: generated once and kept in the data folder",
        example=NEW_KEY,
        is_secret=True,
    )
    jwt_algorithm: str = var(
        "JWT_ALGORITHM", "HS256", parsers.choice("HS256", "EdDSA"), "how tokens are signed"
    )
    jwt_private_key_file: Path | None = var(
        "JWT_PRIVATE_KEY_FILE",
        "",
        parsers.optional_folder,
        "for EdDSA: the PEM file of an Ed25519 key",
        example="./data/ed25519.pem",
    )
    jwt_previous_keys: tuple[str, ...] = var(
        "JWT_PREVIOUS_KEYS",
        "",
        parsers.secrets_or_files,
        "previous signing keys: secrets, or file:PATH of Ed25519 keys, separated by commas",
        example=NEW_KEY,
        is_secret=True,
    )
    access_token_s: float = var(
        "JWT_ACCESS_TOKEN_EXPIRE_MINUTES",
        "30",
        parsers.number(0, 1440, above=True, scale=60.0),
        "how long an access token is valid",
    )
    refresh_token_s: float = var(
        "REFRESH_TOKEN_EXPIRE_DAYS",
        "14",
        parsers.number(0, 30, above=True, scale=_DAY_S),
        "how long an unused refresh token is valid; a session ends after 30 days",
    )
    token_grace_s: float = var(
        "TOKEN_GRACE_SECONDS", "25", _seconds(0, 3600), "how long a live socket may outlive its token"
    )

    message_keys: tuple[str, ...] = var(
        "MESSAGE_KEYS",
        "",
        parsers.secrets,
        "encrypts texts and e-mail addresses: keys separated by commas; the first encrypts, all decrypt",
        example=NEW_KEY,
        is_secret=True,
    )

    debug: bool = var("DEBUG", "false", parsers.flag, "verbose logs, and `/demo` for everybody")
    allowed_origins: tuple[str, ...] = var(
        "ALLOWED_ORIGINS",
        "",
        parsers.origins,
        "other sites that may use this server, separated by commas",
        example="https://chat.example.org",
    )
    trusted_proxies: tuple[parsers.Network, ...] = var(
        "TRUSTED_PROXIES",
        "",
        parsers.networks,
        "proxies whose X-Forwarded-For is trusted, separated by commas",
        example="127.0.0.1,10.0.0.0/8",
    )
    login_creates_account: bool = var(
        "LOGIN_CREATES_ACCOUNT", "false", parsers.flag, "a login with an unknown name creates an account"
    )
    admin_users: tuple[str, ...] = var(
        "ADMIN_USERS", "", parsers.users, "users who may open /admin, separated by commas", example="ann,bob"
    )
    metrics_token: str = var(
        "METRICS_TOKEN",
        "",
        parsers.secret,
        "allows /metrics from other machines",
        example=NEW_KEY,
        is_secret=True,
    )

    default_channels: tuple[str, ...] = var(
        "DEFAULT_CHANNELS", "general,random", parsers.channels, "created at start if missing"
    )
    open_channels: bool = var(
        "OPEN_CHANNELS", "false", parsers.flag, "anyone may create any channel (development only)"
    )
    guests_may_post: bool = var(
        "GUESTS_MAY_POST", "false", parsers.flag, "guests may join and post in public channels"
    )
    matcher: str = var(
        "MATCHER", "first_come", parsers.choice("first_come", "random"), "the timed lobby's matcher"
    )
    countdown_s: float = var(
        "COUNTDOWN_SECONDS", "300", _seconds(0, _YEAR_S, above=True), "how long a timed room counts down"
    )
    notification_s: float = var(
        "NOTIFICATION_SECONDS", "30", _seconds(0, _YEAR_S, above=True), "how long its members may decide"
    )
    resume_s: float = var(
        "RESUME_SECONDS", "10", _seconds(0, 3600), "how long a place is kept after the connection is lost"
    )
    rematch_after_s: float = var(
        "REMATCH_AFTER_SECONDS",
        "5",
        _seconds(0, _DAY_S),
        "how long two people who just parted are not paired again",
    )

    durability: str = var(
        "DURABILITY",
        "full",
        parsers.choice("full", "relaxed"),
        "relaxed: acknowledges before data is on disk",
    )
    retention_s: float = var(
        "RETENTION_DAYS",
        "0",
        parsers.number(0, 36500, scale=_DAY_S),
        "how long channels and kept rooms keep messages; 0: permanently",
    )
    messages_per_s: float = var(
        "MESSAGES_PER_SECOND",
        "2",
        parsers.number(0, 1e6, above=True),
        "messages per person and second, sustained",
    )
    messages_burst: int = var(
        "MESSAGES_BURST", "20", parsers.whole(1, 1_000_000), "messages per person, burst"
    )
    searches_per_minute: float = var(
        "SEARCHES_PER_MINUTE",
        "30",
        parsers.number(0, 1e6, above=True),
        "searches and skips per person and minute",
    )
    max_connections: int = var(
        "MAX_CONNECTIONS", "10000", parsers.whole(1, 1_000_000), "maximum number of sockets per node"
    )
    source_limits: str = var(
        "SOURCE_LIMITS",
        "auto",
        parsers.choice("auto", "on", "off"),
        "limits per address; auto: off only while only this machine can connect",
    )
    rate_limits: bool = var(
        "RATE_LIMITS",
        "on",
        parsers.flag,
        "off: no rate limits and no limits per address (development, load tests)",
    )
    flush_s: float = var(
        "FLUSH_MS",
        "3",
        parsers.number(0, 1000, scale=0.001),
        "how long a broadcast may wait to be batched, in milliseconds",
    )
    upload_dir: Path = var("UPLOAD_DIR", "./data/uploads", parsers.folder, "the folder for uploads")
    upload_bytes_max: int = var(
        "UPLOAD_MAX_BYTES", "8388608", parsers.whole(1, 1 << 30), "the largest upload"
    )

    log_level: str = var(
        "LOG_LEVEL",
        "INFO",
        parsers.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "the lowest level that is logged",
    )
    log_dir: Path | None = var(
        "LOG_DIR", "", parsers.optional_folder, "a folder for parley.log as well", example="./data/logs"
    )

    sources: Mapping[str, str] = attrs.field(factory=dict, repr=False, eq=False)
    """Variable -> ``environment`` or ``.env line 4``. A variable that is missing has its default."""

    def __attrs_post_init__(self) -> None:
        """Refuses values that are valid alone but not together."""
        if self.jwt_algorithm == "EdDSA" and self.jwt_private_key_file is None:
            raise SettingsError(
                "JWT_PRIVATE_KEY_FILE", "is required by JWT_ALGORITHM=EdDSA", example="./data/ed25519.pem"
            )
        if self.jwt_algorithm == "HS256" and self.jwt_private_key_file is not None:
            raise SettingsError("JWT_ALGORITHM", "must be EdDSA with JWT_PRIVATE_KEY_FILE", example="EdDSA")
        if self.open_channels and self.admin_users:
            raise SettingsError("OPEN_CHANNELS", "must be false if ADMIN_USERS is set", example="false")

    def __repr__(self) -> str:
        """Shows no value, so that a log or a traceback contains no secret."""
        return f"<Settings, {len(self.sources)} not default>"

    @property
    def database(self) -> Path | str | None:
        """The database to open: a SQLite file, a PostgreSQL URL, or None for memory."""
        return self.database_url if parsers.is_postgres(self.database_url) else self._path

    @property
    def data_folder(self) -> Path | None:
        """The data folder next to the database; None in memory."""
        if parsers.is_postgres(self.database_url):
            return DATA_FOLDER
        return None if self._path is None else self._path.parent

    @property
    def _path(self) -> Path | None:
        return parsers.database_path(self.database_url)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return parsers.is_loopback(self.host)

    @property
    def is_for_development(self) -> bool:
        """Whether this is a development server: only this machine can connect, or DEBUG is on."""
        return self.debug or (self.is_loopback and not self.trusted_proxies)

    @property
    def source_limits_hold(self) -> bool:
        """Whether limits per source apply. ``auto``: unless only this machine can connect."""
        if not self.rate_limits or self.source_limits == "off":
            return False
        return self.source_limits == "on" or not self.is_loopback or bool(self.trusted_proxies)


def load(
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    *,
    without: Collection[str] = (),
) -> Settings:
    """The settings of this process. Reads ``.env`` in ``folder`` (the working directory).

    Ignores the variables in ``without``. Raises ``SettingsError`` for the first invalid value.
    """
    path = (folder or Path.cwd()) / ".env"
    given: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name, value, line in _env_file(path, without):
        given[name], sources[name] = value, f".env line {line}"
    for name in variables():
        if name in environment and name not in without:
            given[name], sources[name] = environment[name], "environment"
    try:
        return attrs.evolve(environ.to_config(Settings, given), sources=sources)
    except SettingsError as error:
        source = sources.get(error.variable, "")
        raise (error.at(source) if source else error) from None


def problems(
    environment: Mapping[str, str] = os.environ, folder: Path | None = None
) -> tuple[Sequence[SettingsError], Settings | None]:
    """Every error of ``load``, and the settings without invalid variables (None if ``.env`` is unusable)."""
    found: list[SettingsError] = []
    while True:
        wrong = [error.variable for error in found]
        try:
            return found, load(environment, folder, without=wrong)
        except SettingsError as error:
            found.append(error)
            if error.variable in wrong or error.variable == ".env":
                return found, None


def variables() -> dict[str, str]:
    """Variable -> attribute, in the order of definition."""
    return {reader.variable: name for name, reader in _readers()}


def shown(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """(variable, value, source) of every setting, with secrets masked."""
    for name, reader in _readers():
        source = settings.sources.get(reader.variable, "default")
        yield reader.variable, _masked(settings, name, reader), source


def _masked(settings: Settings, name: str, reader: Reader) -> str:
    value = getattr(settings, name)
    if reader.is_secret:
        keys = (value,) if isinstance(value, str) and value else tuple(value)
        return ", ".join(f"set ({len(key.encode())} bytes)" for key in keys) or "not set"
    match value:
        case str() if name == "database_url":
            return parsers.without_password(value)
        case bool() if name == "rate_limits":
            return "on" if value else "off"
        case bool():
            return "true" if value else "false"
        case tuple():
            return ",".join(str(item) for item in value)
        case float():
            return f"{value / _scale(reader):.10g}"
        case None:
            return ""
        case _:
            return str(value)


def _scale(reader: Reader) -> float:
    """Seconds in one unit of the variable."""
    one: float = reader.read("1")
    return one


def _readers() -> Iterator[tuple[str, Reader]]:
    for field in attrs.fields(Settings):
        converter: object = field.converter
        if isinstance(converter, Reader):
            yield field.name, converter


def _env_file(path: Path, without: Collection[str]) -> Iterator[tuple[str, str, int]]:
    """(name, value, line) of each binding. Values are literal: a ``$`` is not expanded."""
    try:
        with path.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(".env", f"cannot be read: {error}") from None
    known = variables()
    for binding in bindings:
        line = _line(binding)
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(".env", f"line {line} must read NAME=value; for example PORT=8000")
        if binding.key is None or binding.value is None or binding.key in without:
            continue
        if binding.key not in known:
            raise _unknown(binding.key, line, list(known))
        yield binding.key, binding.value, line


def _line(binding: Binding) -> int:
    """The line of the binding; the parser counts from the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + blank.count("\n")


def _unknown(name: str, line: int, known: list[str]) -> SettingsError:
    near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else "; parley config lists them all"
    return SettingsError(
        parsers.quoted(name).strip("'"), f"is not a setting{hint}", source=f".env line {line}"
    )
