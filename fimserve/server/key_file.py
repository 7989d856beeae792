"""The file that API keys are kept in: JSON that only its owner may read, replaced as a whole.

A reader sees the old file or the new one, never half of one; two writers wait for each other.
"""

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from fimserve.server.api_key import SCOPES, ApiKey

__all__ = ["FileState", "KeyFile", "KeyFileError"]

VERSION = 1
HASH = "hmac-sha256"
OWNER_ONLY = 0o600

Change: TypeAlias = Callable[[tuple[ApiKey, ...]], Sequence[ApiKey]]


class KeyFileError(Exception):
    """The file is missing, not to be trusted, or not what it should be."""


class FileState(NamedTuple):
    """What differs when a file was replaced or rewritten, or lets others read it."""

    inode: int
    size_bytes: int
    mtime_ns: int
    mode: int


class KeyFile:
    """Reads and replaces one file of keys.

    Args:
        path: Where it is; need not exist before the first change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def state(self) -> FileState | None:
        """Return what tells this version of the file from others; None where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return FileState(found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)

    def read(self) -> tuple[ApiKey, ...]:
        """Return the keys that the file holds.

        Returns:
            The keys, oldest first.

        Raises:
            KeyFileError: If the file cannot be read, others than its owner could, or its content
                is not what `change` writes.
        """
        try:
            with self.path.open(encoding="utf-8") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read()
        except FileNotFoundError:
            raise KeyFileError(
                f"{self.path} does not exist; `fimserve keys create` makes it"
            ) from None
        except OSError as error:
            raise KeyFileError(f"cannot read {self.path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise KeyFileError(f"{self.path} is no file of keys: not UTF-8") from None
        if mode & ~OWNER_ONLY:
            raise KeyFileError(
                f"{self.path} has mode {mode:04o}: others could read or change it; "
                f"chmod 600 {self.path}"
            )
        return _parse(text, self.path)

    def change(self, change: Change) -> None:
        """Replace the keys by what a function makes of them; makes the file where there is none.

        Args:
            change: Gets the keys, returns those that shall be kept; may raise to keep all.

        Raises:
            KeyFileError: If the file cannot be read or replaced.
        """
        try:
            with self._locked():
                keys = self.read() if self.path.exists() else ()
                self._replace(_render(change(keys)))
        except OSError as error:
            raise KeyFileError(f"cannot write {self.path}: {error.strerror}") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # A file of its own: the key file itself is another one after each change.
        descriptor = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR, OWNER_ONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _replace(self, text: str) -> None:
        directory = self.path.parent
        # mkstemp makes it readable for its owner alone, before a byte is in it.
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=directory)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise
        _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _render(keys: Sequence[ApiKey]) -> str:
    entries = [
        {
            "id": key.id,
            "name": key.name,
            "tenant": key.tenant,
            "scopes": [scope for scope in SCOPES if scope in key.scopes],
            "created": key.created_at.isoformat(),
            "expires": key.expires_at.isoformat() if key.expires_at else None,
            "salt": key.salt.hex(),
            "digest": key.digest.hex(),
        }
        for key in keys
    ]
    return json.dumps({"version": VERSION, "hash": HASH, "keys": entries}, indent=2) + "\n"


def _parse(text: str, path: Path) -> tuple[ApiKey, ...]:
    try:
        content = json.loads(text)
        if content["version"] != VERSION or content["hash"] != HASH:
            raise KeyFileError(f"{path} was written by another version of fimserve")
        return tuple(_parse_entry(entry) for entry in content["keys"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise KeyFileError(f"{path} is no file of keys: {type(error).__name__}") from None


def _parse_entry(entry: dict[str, Any]) -> ApiKey:
    expires = entry["expires"]
    scopes = frozenset(entry["scopes"])
    if not scopes <= set(SCOPES):
        raise ValueError("unknown scope")
    return ApiKey(
        id=str(entry["id"]),
        name=str(entry["name"]),
        tenant=str(entry["tenant"]),
        scopes=scopes,
        salt=bytes.fromhex(entry["salt"]),
        digest=bytes.fromhex(entry["digest"]),
        created_at=_parse_time(entry["created"]),
        expires_at=None if expires is None else _parse_time(expires),
    )


def _parse_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without its zone")
    return time
