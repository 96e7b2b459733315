"""Settings: what is taken, what stops the start, and how the line that says so reads."""

import ipaddress
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from chat_web.config import key_files
from chat_web.config.settings import Settings, load, shown, variables
from chat_web.config.variables import SettingsError

KEY = "k3y-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_no_configuration_gives_the_defaults_of_the_contract(tmp_path: Path) -> None:
    settings = load({}, tmp_path)

    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database == Path("data/parley.db")
    assert settings.data_folder == Path("data")
    assert settings.access_token_s == 30 * 60
    assert settings.refresh_token_s == 14 * 86400
    assert (settings.countdown_s, settings.notification_s) == (300, 30)
    assert (settings.resume_s, settings.rematch_after_s, settings.token_grace_s) == (10, 5, 25)
    assert settings.default_channels == ("general", "random")
    assert settings.flush_s == pytest.approx(0.003)
    assert (settings.messages_per_s, settings.messages_burst) == (2, 20)
    assert settings.upload_bytes_max == 8388608
    assert settings.jwt_secret_key == ""
    assert settings == Settings()


def test_the_environment_wins_over_the_file_and_both_are_remembered(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ports\n\n\nPORT=9000\nexport HOST='::1'\nDEBUG=true # loud\n")

    settings = load({"PORT": "9001", "OTHER": "x"}, tmp_path)

    assert (settings.port, settings.host, settings.debug) == (9001, "::1", True)
    assert settings.sources == {"PORT": "environment", "HOST": ".env line 5", "DEBUG": ".env line 6"}
    rows = {name: (value, source) for name, value, source in shown(settings)}
    assert rows["HOST"] == ("::1", ".env line 5")
    assert rows["MATCHER"] == ("first_come", "default")


def test_a_dollar_sign_in_the_file_is_a_dollar_sign(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"JWT_SECRET_KEY={KEY}${{HOME}}\n")

    assert load({"HOME": "/root"}, tmp_path).jwt_secret_key == KEY + "${HOME}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("PROT=8000", "PROT (.env line 2) is not a setting; did you mean PORT?"),
        ("port=8000", "port (.env line 2) is not a setting; did you mean PORT?"),
        (
            "COUNTDOWN_SECOND=3",
            "COUNTDOWN_SECOND (.env line 2) is not a setting; did you mean COUNTDOWN_SECONDS?",
        ),
        ("QXZZY=1", "QXZZY (.env line 2) is not a setting; parley config lists them all"),
        ("PORT", ".env line 2 must read NAME=value; for example PORT=8000"),
        ("PORT='8000", ".env line 2 must read NAME=value; for example PORT=8000"),
        (
            "PORT=http",
            "PORT (.env line 2) must be a whole number from 0 to 65535, not 'http'; for example PORT=8000",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / ".env").write_text(f"HOST=localhost\n{line}\n")

    with pytest.raises(SettingsError) as caught:
        load({}, tmp_path)

    assert str(caught.value) == said


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"HOST=\xff\xfe\n")

    with pytest.raises(SettingsError, match=r"^\.env cannot be read: "):
        load({}, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("COUNTDOWN_SECONDS", "0.25", 0.25),
        ("COUNTDOWN_SECONDS", " 12 ", 12.0),
        ("NOTIFICATION_SECONDS", ".5", 0.5),
        ("JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "0.5", 30.0),
        ("REFRESH_TOKEN_EXPIRE_DAYS", "0.5", 43200.0),
        ("RETENTION_DAYS", "1.5", 129600.0),
        ("FLUSH_MS", "0.5", 0.0005),
        ("MESSAGES_PER_SECOND", "0.1", 0.1),
        ("SEARCHES_PER_MINUTE", "7.5", 7.5),
        ("RESUME_SECONDS", "0", 0.0),
        ("PORT", "0", 0),
        ("HOST", "chat.example.org", "chat.example.org"),
        ("HOST", "0.0.0.0", "0.0.0.0"),
        ("DEBUG", "YES", True),
        ("RATE_LIMITS", "off", False),
        ("MATCHER", "Random", "random"),
        ("LOG_LEVEL", "warning", "WARNING"),
        ("DURABILITY", "relaxed", "relaxed"),
        ("LOG_DIR", "", None),
        ("LOG_DIR", "logs", Path("logs")),
        ("DEFAULT_CHANNELS", " general , tea_time,, general ", ("general", "tea_time")),
        ("DEFAULT_CHANNELS", "", ()),
        ("ADMIN_USERS", "Ann,bob.b", ("Ann", "bob.b")),
        ("DATABASE_URL", "memory://", "memory://"),
        ("DATABASE_URL", "sqlite:////var/lib/p.db", "sqlite:////var/lib/p.db"),
        (
            "DATABASE_URL",
            "postgresql://a:b@h:1,i:2/d?sslmode=disable",
            "postgresql://a:b@h:1,i:2/d?sslmode=disable",
        ),
        ("DATABASE_URL", "postgres:///d?host=/run/postgresql", "postgres:///d?host=/run/postgresql"),
        ("TRUSTED_PROXIES", "10.0.0.0/8", (ipaddress.ip_network("10.0.0.0/8"),)),
        (
            "ALLOWED_ORIGINS",
            "HTTPS://Chat.Example.org:443,http://[::1]:3000",
            ("https://chat.example.org", "http://[::1]:3000"),
        ),
        ("JWT_SECRET_KEY", KEY, KEY),
        ("JWT_PREVIOUS_KEYS", f"{KEY},file:./old.pem", (KEY, "file:./old.pem")),
        ("BACKPLANE_URL", "", ""),
    ],
)
def test_values_are_read_in_their_units(tmp_path: Path, name: str, text: str, value: object) -> None:
    settings = load({name: text}, tmp_path)

    assert getattr(settings, variables()[name]) == value


def test_four_slashes_name_a_path_from_the_root_and_three_one_from_here() -> None:
    assert Settings(database_url="sqlite:////var/p.db").database == Path("/var/p.db")
    assert Settings(database_url="sqlite:///var/p.db").database == Path("var/p.db")
    assert Settings(database_url="memory://").database is None
    url = "postgresql://ann@db.example.org/parley"
    assert Settings(database_url=url).database == url


def test_what_belongs_to_the_database_is_kept_beside_it() -> None:
    assert Settings(database_url="sqlite:////var/p.db").data_folder == Path("/var")
    assert Settings(database_url="postgresql://h/d").data_folder == Path("data")
    assert Settings(database_url="memory://").data_folder is None


@pytest.mark.parametrize(
    "url", ["postgresql://ann:hunter2@h/d", "postgresql://h/d?user=ann&password=hunter2&sslmode=require"]
)
def test_the_password_of_a_database_is_not_shown(url: str) -> None:
    rows = {name: value for name, value, _ in shown(Settings(database_url=url))}
    assert rows["DATABASE_URL"].startswith("postgresql://")
    assert "hunter2" not in str(rows)


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("PORT", "65536", "whole number"),
        ("PORT", "-1", "whole number"),
        ("PORT", "", "whole number"),
        ("PORT", "80.0", "whole number"),
        ("PORT", "1_000", "whole number"),
        ("PORT", "٣", "whole number"),
        ("PORT", "9" * 5000, "whole number"),
        ("COUNTDOWN_SECONDS", "nan", "number above 0"),
        ("COUNTDOWN_SECONDS", "inf", "number above 0"),
        ("COUNTDOWN_SECONDS", "1e400", "number above 0"),
        ("COUNTDOWN_SECONDS", "0", "number above 0"),
        ("COUNTDOWN_SECONDS", "9" * 400, "number above 0"),
        ("COUNTDOWN_SECONDS", "5 minutes", "number above 0"),
        ("RESUME_SECONDS", "-1", "number from 0"),
        ("REFRESH_TOKEN_EXPIRE_DAYS", "31", "at most 30"),
        ("MESSAGES_PER_SECOND", "0", "number above 0"),
        ("DEBUG", "maybe", "true or false"),
        ("RATE_LIMITS", "", "true or false"),
        ("SOURCE_LIMITS", "never", "one of auto, on, off"),
        ("MATCHER", "compatible", "one of first_come, random"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG"),
        ("HOST", "http://127.0.0.1", "address or a host name"),
        ("HOST", "127.0.0.1:80", "address or a host name"),
        ("HOST", "999.1.1.1", "address or a host name"),
        ("HOST", "", "address or a host name"),
        ("DATABASE_URL", "postgresql://a:hunter2@h", "must be postgresql://user:password@host:port/name"),
        (
            "DATABASE_URL",
            "postgresql://a:hunter2@h:port/d",
            "must be postgresql://user:password@host:port/name",
        ),
        ("DATABASE_URL", "postgresql+asyncpg://a:hunter2@h/d", "postgresql://user@host/name or memory://"),
        ("DATABASE_URL", "mysql://a:hunter2@h/d", "sqlite:///path, postgresql://"),
        ("DATABASE_URL", "sqlite://", "sqlite:///path, postgresql://"),
        ("DATABASE_URL", "sqlite:///", "must name a file"),
        ("DATABASE_URL", "sqlite:///a.db?mode=ro", "must name a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "must be memory://"),
        ("BACKPLANE_URL", "redis://:hunter2@h", "several nodes are not supported"),
        ("DEFAULT_CHANNELS", "General", "names of 1-50"),
        ("DEFAULT_CHANNELS", "x" * 51, "names of 1-50"),
        ("ADMIN_USERS", "a b", "names of 3-32"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "addresses or networks"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "would trust every address"),
        ("TRUSTED_PROXIES", "proxy.local", "addresses or networks"),
        ("JWT_ALGORITHM", "none", "one of HS256, EdDSA"),
        ("JWT_ALGORITHM", "EdDSA", "is required by JWT_ALGORITHM=EdDSA"),
        ("JWT_PRIVATE_KEY_FILE", "key.pem", "must be EdDSA"),
        ("JWT_PREVIOUS_KEYS", f"{KEY},short-hunter2", "shorter than 32 bytes"),
        ("JWT_PREVIOUS_KEYS", "file:", "without a path"),
        ("METRICS_TOKEN", "hunter2", "shorter than 32 bytes"),
        ("UPLOAD_DIR", "", "must be a path"),
        ("UPLOAD_MAX_BYTES", "0", "whole number"),
        ("OPEN_CHANNELS", "perhaps", "true or false"),
    ],
)
def test_what_cannot_be_used_stops_the_start_with_one_line(
    tmp_path: Path, name: str, text: str, wrong: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: text}, tmp_path)

    line = str(caught.value)
    assert name in line
    assert wrong in line
    assert "hunter2" not in line
    assert len(line.splitlines()) == 1
    assert len(line) < 250


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*.example.org",
        "https://a.example.org/",
        "https://a.example.org/chat",
        "https://u@a.example.org",
        "https://a.example.org?x",
        "https://a.example.org#",
        "https://a.example.org:",
        "https://a.example.org:99999",
        "https://",
        "//a.example.org",
        "a.example.org",
        "ftp://a.example.org",
        "null",
        "https://bücher.example",
        "https://a.example.org\\@b",
        "http://[::1",
        "http://[zz]",
        "https://a b",
    ],
)
def test_an_origin_is_a_scheme_a_host_and_a_port_alone(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"^ALLOWED_ORIGINS \(environment\) must be exact origins"):
        load({"ALLOWED_ORIGINS": text}, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "secret",
        "changeme",
        "your-secret-key",
        "your-production-secret-key-0123456789-abcdef",
        "CHANGE_ME-0123456789-0123456789-abcdef",
        "replace-this-with-32-random-characters!",
        "0123456789abcdef0123456789abcde",
        "a" * 64,
        "abababababababababababababababababababab",
    ],
)
def test_known_and_weak_secrets_stop_the_start_and_are_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"JWT_SECRET_KEY": text}, tmp_path)

    assert str(caught.value).startswith("JWT_SECRET_KEY (environment) ")
    assert text not in str(caught.value).removeprefix("JWT_SECRET_KEY").replace("secret key", "")


def test_secrets_are_masked_where_the_configuration_is_shown() -> None:
    settings = Settings(
        jwt_secret_key=KEY, jwt_previous_keys=(KEY + "1", KEY + "22"), metrics_token=KEY + "3"
    )

    rows = {name: value for name, value, _ in shown(settings)}

    assert rows["JWT_SECRET_KEY"] == "set (41 bytes)"
    assert rows["JWT_PREVIOUS_KEYS"] == "set (42 bytes), set (43 bytes)"
    assert rows["METRICS_TOKEN"] == "set (42 bytes)"
    assert KEY not in repr(settings)
    assert {name: value for name, value, _ in shown(Settings())}["JWT_SECRET_KEY"] == "not set"


def test_what_is_shown_can_be_given_again(tmp_path: Path) -> None:
    given = {
        "JWT_ACCESS_TOKEN_EXPIRE_MINUTES": "0.5",
        "FLUSH_MS": "1.5",
        "RATE_LIMITS": "off",
        "ALLOWED_ORIGINS": "https://a.example.org,https://b.example.org",
        "RETENTION_DAYS": "2.5",
    }
    settings = load(given, tmp_path)

    rows = {name: value for name, value, _ in shown(settings) if value != "not set"}

    assert rows.items() >= given.items()
    assert load(rows, tmp_path) == settings


def test_open_channels_and_administrators_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must be false if ADMIN_USERS is set"):
        load({"OPEN_CHANNELS": "true", "ADMIN_USERS": "ann"}, tmp_path)


@pytest.mark.parametrize(
    ("given", "hold"),
    [
        ({}, False),
        ({"HOST": "localhost"}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": "0.0.0.0"}, True),
        ({"HOST": "somewhere"}, True),
        ({"TRUSTED_PROXIES": "127.0.0.1"}, True),
        ({"SOURCE_LIMITS": "on"}, True),
        ({"SOURCE_LIMITS": "off", "HOST": "0.0.0.0"}, False),
        ({"RATE_LIMITS": "off", "SOURCE_LIMITS": "on"}, False),
    ],
)
def test_limits_per_source_let_go_only_of_who_is_alone(
    tmp_path: Path, given: dict[str, str], hold: bool
) -> None:
    assert load(given, tmp_path).source_limits_hold is hold


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/data/parley.db")

    first = key_files.signing_secret(settings)

    path = tmp_path / "data" / key_files.KEY_FILE
    assert key_files.signing_secret(settings) == first
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_configured_key_is_used_and_none_is_kept(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/data/parley.db", jwt_secret_key=KEY)

    assert key_files.signing_secret(settings) == KEY.encode()
    assert not (tmp_path / "data").exists()


def test_without_a_database_file_each_start_has_a_key_of_its_own() -> None:
    settings = Settings(database_url="memory://")

    assert key_files.signing_secret(settings) != key_files.signing_secret(settings)


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    script = (
        "import sys; from chat_web.config import key_files; from chat_web.config.settings import Settings; "
        "settings = Settings(database_url=sys.argv[1]); print('ready', flush=True); sys.stdin.readline(); "
        "print(key_files.signing_secret(settings).hex())"
    )
    command = [sys.executable, "-c", script, f"sqlite:///{tmp_path}/data/parley.db"]
    starts = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for start in starts:
        assert start.stdout is not None
        assert start.stdout.readline() == "ready\n"
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("go\n")
        start.stdin.flush()

    made = {start.communicate(timeout=60)[0] for start in starts}

    assert len(made) == 1
    assert len(bytes.fromhex(made.pop())) >= 32


@pytest.mark.parametrize(
    ("content", "mode", "wrong"),
    [(b"x" * 64, 0o644, "chmod 600 it"), (b"short", 0o600, "is damaged"), (b"", 0o600, "is damaged")],
)
def test_a_key_that_others_may_read_or_that_is_damaged_stops_the_start(
    tmp_path: Path, content: bytes, mode: int, wrong: str
) -> None:
    path = tmp_path / key_files.KEY_FILE
    path.write_bytes(content)
    path.chmod(mode)

    with pytest.raises(SettingsError, match=wrong):
        key_files.signing_secret(Settings(database_url=f"sqlite:///{tmp_path}/parley.db"))


def test_a_link_is_not_followed_to_a_key(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x" * 64)
    os.symlink(tmp_path / "elsewhere", tmp_path / key_files.KEY_FILE)

    with pytest.raises(SettingsError, match="cannot be read"):
        key_files.signing_secret(Settings(database_url=f"sqlite:///{tmp_path}/parley.db"))


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SettingsError, match=r"file/data/jwt_secret\.key"):
        key_files.signing_secret(Settings(database_url=f"sqlite:///{tmp_path}/file/data/parley.db"))
