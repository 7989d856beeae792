"""Makes events of what happens: ids, times and hashes around the facts.

The fields are those of `POST /v1/events`. Nothing here is code: lengths, names of languages and
editors, and hashes under a key that dies with the process. Knows nothing of documents.
"""

import hashlib
import hmac
import re
import secrets
import time
import uuid
from collections.abc import Callable, Mapping

__all__ = ["EventMaker", "as_name"]

SCHEMA_VERSION = 1
MAX_NAME_CHARS = 64
HASH_CHARS = 32

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._:/@+#-]+")
_NAMES = ("language", "editor", "editor_version", "client", "client_version", "model", "error_code")


def as_name(text: str) -> str | None:
    """Return a name as events have them, or None where nothing is left of it."""
    name = _NOT_IN_NAMES.sub("-", text).strip("-._:/@+#")[:MAX_NAME_CHARS]
    return name or None


class EventMaker:
    """Makes events and hands them on.

    Args:
        emit: Takes an event; called with each.
        common: What all events of this process say, such as the editor's name.
        now_ms: Unix time in milliseconds.
    """

    def __init__(
        self,
        emit: Callable[[Mapping[str, object]], None],
        common: Mapping[str, object],
        now_ms: Callable[[], float] = lambda: time.time() * 1000.0,
    ) -> None:
        self._emit = emit
        self._common = dict(common)
        self._now_ms = now_ms
        self._key = secrets.token_bytes(32)
        self._session_hash = secrets.token_hex(HASH_CHARS // 2)

    def hash_of(self, text: str) -> str:
        """Return a hash that stands for text in this process only."""
        digest = hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return digest.hexdigest()[:HASH_CHARS]

    def record(self, kind: str, completion_id: str | None, **facts: object) -> None:
        """Make an event and hand it on; one about an id that no event may have is left out.

        Args:
            kind: Type of the event.
            completion_id: The suggestion it is about.
            **facts: Further fields; None is the same as absent.
        """
        if completion_id is not None and not _ID.fullmatch(completion_id):
            return
        fields = {
            **self._common,
            **facts,
            "schema_version": SCHEMA_VERSION,
            "id": f"lsp-{uuid.uuid4().hex}",
            "type": kind,
            "at_ms": int(self._now_ms()),
            "session_hash": self._session_hash,
            "completion_id": completion_id,
        }
        for name in _NAMES:
            if isinstance(value := fields.get(name), str):
                fields[name] = as_name(value)
        self._emit({name: value for name, value in fields.items() if value is not None})
