"""The API keys that hold now: read again as soon as their file changes.

A file that is gone or broken lets nobody in: a revoked key must not come back by an accident.
"""

import logging
from datetime import datetime

from fimserve.server.api_key import ApiKey, read_key_id
from fimserve.server.key_file import KeyFile, KeyFileError

__all__ = ["KeyRing"]

logger = logging.getLogger(__name__)

NOBODY = ApiKey(
    "", "", "", frozenset(), b"\0" * 16, b"\0" * 32, datetime.fromisoformat("1970-01-01T00:00Z")
)
"""Compared with where the id is unknown, so that an unknown id takes as long as a wrong secret."""


class KeyRing:
    """Finds the key that a client presents.

    Args:
        file: Where the keys are kept; looked at before every answer. At the start it must be
            readable.
    """

    def __init__(self, file: KeyFile) -> None:
        self._file = file
        self._state = file.state()
        self._is_broken = False
        self._keys = {key.id: key for key in file.read()}

    def __len__(self) -> int:
        """Return the number of keys, expired ones too."""
        self._refresh()
        return len(self._keys)

    def find(self, presented: str, now: datetime) -> ApiKey | None:
        """Return the key that a text is, or None if it is none of ours or its time is over.

        Args:
            presented: What a client sent.
            now: The present time.

        Returns:
            The key.
        """
        self._refresh()
        key_id = read_key_id(presented)
        key = NOBODY if key_id is None else self._keys.get(key_id, NOBODY)
        return key if key.matches(presented) and not key.is_expired(now) else None

    def _refresh(self) -> None:
        state = self._file.state()
        is_changed = state != self._state
        # What could not be read is tried again each time: it may be mended without a trace.
        if not is_changed and not self._is_broken:
            return
        self._state = state
        try:
            self._keys = {key.id: key for key in self._file.read()}
            self._is_broken = False
            logger.info("read %d API keys again", len(self._keys))
        except KeyFileError as error:
            if is_changed or not self._is_broken:
                logger.error("nobody is let in until the API keys can be read again: %s", error)
            self._keys = {}
            self._is_broken = True
