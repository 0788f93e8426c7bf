"""API keys: a file of them, hashed; what a key may do; and which key a token is.

A token is ``ea_<id>_<secret>``: the id is public and names the key in lists and logs, the secret is
256 random bits. SHA-256 of such a secret can't be searched, so nothing slow (bcrypt, argon2) is
wanted: that is for passwords that people choose.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from schemas.clock import isoformat, now_us
from schemas.errors import ConfigurationError
from schemas.logs import get_logger

Scope = Literal["read", "ack", "debug"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MOST_BYTES = 1 << 20
LOOK_SECONDS = 1.0
"""How often the file is looked at for changes."""
_TOKEN = re.compile(r"ea_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
log = get_logger("echoarb.api.keys")


Time = Annotated[
    str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$")
]
"""Of one form, so that times compare as texts: another would make a key that never expires."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key as the file has it. Times are RFC 3339, UTC."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}$")]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: list[Scope]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    created: Time
    expires: Time | None = None
    revoked: Time | None = None

    def state(self, now: str) -> str:
        """Return ``valid``, ``expired`` or ``revoked`` at a time of the same form."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


class KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    keys: list[Key] = []


def make(name: str, scopes: list[Scope], created: str, expires: str | None) -> tuple[Key, str]:
    """Return a new key and its token, which nothing else will ever tell."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return Key(key_id, name, scopes, _hash(secret), created, expires), f"ea_{key_id}_{secret}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def read(path: Path) -> KeyFile:
    """Return the file's keys. Raises ConfigurationError if it can't be read or is no such file."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigurationError(f"the key file {path} is larger than {MOST_BYTES} bytes")
        found = msgspec.json.decode(data, type=KeyFile)
    except OSError as error:
        raise ConfigurationError(f"the key file {path}: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"the key file {path} is no list of keys: {error}") from error
    ids = [key.id for key in found.keys]
    if len(set(ids)) < len(ids):
        raise ConfigurationError(f"the key file {path} has two keys of one id")
    return found


@contextmanager
def changing(path: Path) -> Iterator[KeyFile]:
    """Give the file's keys to be changed, and write them back: whole or not at all, one at a time.

    A file that isn't there is made. Raises ConfigurationError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise ConfigurationError(f"the key file {path}: {error.strerror or error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = read(path) if path.exists() else KeyFile()
        yield found
        text = msgspec.json.format(msgspec.json.encode(found), indent=2)
        if len(text) >= MOST_BYTES:
            raise ConfigurationError(f"the key file {path} would be larger than {MOST_BYTES} bytes")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # made with 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(f"the key file {path}: {error.strerror or error}") from error
    finally:
        os.close(lock)


def utc_now() -> str:
    """Return the time in the file's form."""
    return isoformat(now_us())


@dataclass(slots=True)
class Seen:
    """What a file looked like when it was read."""

    modified_ns: int = -1
    size: int = -1
    inode: int = -1


class Keyring:
    """The keys of a file, read again when it changes. A broken file leaves the last good keys."""

    def __init__(self, path: Path, now: Callable[[], str] = utc_now) -> None:
        """``now`` gives the time in the file's form. Raises ConfigurationError."""
        self._path = path
        self._now = now
        self._seen = Seen()
        self._looked_at = time.monotonic()
        self._keys: dict[str, Key] = {}
        self.problem: str | None = None
        """Why the file could not be read again; None while all is well."""
        self._read(first=True)

    def _read(self, *, first: bool = False) -> None:
        try:
            status = self._path.stat()
            seen = Seen(status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            self._keys = {key.id: key for key in read(self._path).keys}
            self._seen, self.problem = seen, None
        except (OSError, ConfigurationError) as error:
            problem = str(error) if isinstance(error, ConfigurationError) else "can't be read"
            if first:
                raise ConfigurationError(
                    f"ECHOARB_API_KEYS_FILE: {problem}; `echoarb keys add` makes one"
                ) from error
            if self.problem is None:
                log.error("the key file is broken; the last good keys hold", detail=problem)
            self.problem = "the key file can't be read; the last good keys hold"

    def look(self) -> None:
        """Read the file again if it has changed; not more often than every LOOK_SECONDS."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._read()

    def valid(self, key_id: str) -> bool:
        """Return whether the key is there and neither expired nor revoked."""
        self.look()
        key = self._keys.get(key_id)
        return key is not None and key.state(self._now()) == "valid"

    def find(self, token: str) -> Key | None:
        """Return the valid key that a token is, None for any other text."""
        match = _TOKEN.fullmatch(token)
        if match is None or not self.valid(match[1]):
            return None
        key = self._keys[match[1]]
        return key if hmac.compare_digest(_hash(match[2]), key.sha256) else None
