"""Keys from settings and files, and the signing secret that is generated if none is configured.

The generated secret is written to a temporary file, which is then linked to its final name
in the data folder. If two processes start at once, one creates the key and both use it.

Not here: the use of keys (``chat_core.adapters.tokens``).
"""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from chat_web.config.settings import Settings
from chat_web.config.variables import SettingsError

__all__ = ["KEY_FILE", "signing_secret"]

KEY_FILE: Final = "jwt_secret.key"
_KEY_BYTES: Final = 48
_KEY_FILE_BYTES_MAX: Final = 4096
_VARIABLE: Final = "JWT_SECRET_KEY"
_FILE: Final = "file:"


def signing_secret(settings: Settings) -> bytes:
    """The HS256 key: configured, from the data folder, or a new one if the database is in memory."""
    if settings.jwt_secret_key:
        return settings.jwt_secret_key.encode("utf-8", "surrogateescape")
    folder = settings.data_folder
    if folder is None:
        return secrets.token_bytes(_KEY_BYTES)
    return _kept(folder / KEY_FILE)


def private_key(settings: Settings) -> bytes:
    """The PEM of the Ed25519 key that signs. Raises ``SettingsError`` if it cannot be read."""
    path = settings.jwt_private_key_file
    if path is None:
        raise SettingsError("JWT_PRIVATE_KEY_FILE", "is empty, but JWT_ALGORITHM is EdDSA")
    try:
        return path.read_bytes()
    except OSError as error:
        wrong = f"is {path}, which cannot be read: {error.strerror}"
        raise SettingsError("JWT_PRIVATE_KEY_FILE", wrong) from None


def message_keys(settings: Settings) -> tuple[bytes, ...]:
    """The keys of encrypted texts. The first one encrypts, all of them decrypt."""
    return tuple(key.encode("utf-8", "surrogateescape") for key in settings.message_keys)


def previous_keys(settings: Settings) -> list[bytes]:
    """The previous signing keys: secrets as configured, files by their content."""
    found = []
    for text in settings.jwt_previous_keys:
        if text.startswith(_FILE):
            path = Path(text.removeprefix(_FILE))
            try:
                found.append(path.read_bytes())
            except OSError as error:
                wrong = f"names {path}, which cannot be read: {error.strerror}"
                raise SettingsError("JWT_PREVIOUS_KEYS", wrong) from None
        else:
            found.append(text.encode("utf-8", "surrogateescape"))
    return found


def _kept(path: Path) -> bytes:
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path)
        return _read(path)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(_VARIABLE, f"is empty, and no key can be kept in {path}: {reason}") from None


def _make(path: Path) -> None:
    """Creates the key file, unless another process has already done so."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(_VARIABLE, f"is empty, and {path} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise SettingsError(
                _VARIABLE, f"is empty, and others may read {path}: chmod 600 it, or delete it"
            )
        key = file.read(_KEY_FILE_BYTES_MAX).strip()
    if len(key) < 32:
        raise SettingsError(_VARIABLE, f"is empty, and {path} is damaged: delete it for a new key")
    return key
