"""One API key: what it may do, how it is made, and how a presented one is checked.

A key is 256 random bits, so a fast keyed hash is enough: there is no guessing to slow down. Only
the hash is kept. Plain values; knows nothing of files and of HTTP.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias, get_args

__all__ = ["SCOPES", "ApiKey", "ApiKeyError", "MintedKey", "Scope", "mint_key", "read_key_id"]

Scope: TypeAlias = Literal["complete", "events", "admin"]
"""complete: completions and what describes them; events: what became of suggestions; admin:
metrics and adapters. None includes another."""

SCOPES: tuple[Scope, ...] = get_args(Scope)

KEY_FORM = re.compile(r"fim_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
"""The public id stands inside, so that a key is found without comparing it with all others, and
a leaked one can be told from its text."""

LABEL_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
SECRET_BYTES = 32
SALT_BYTES = 16


class ApiKeyError(ValueError):
    """A key cannot be made as asked."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key."""

    id: str
    """Public: stands in the key itself, in listings and in the log."""
    name: str
    """What the operator calls it; one key per name."""
    tenant: str
    """Whose it is: keys of one tenant share a cache, tenants share nothing."""
    scopes: frozenset[Scope]
    """What it may do."""
    salt: bytes
    digest: bytes
    """HMAC-SHA-256 of the key's text under its salt."""
    created_at: datetime
    expires_at: datetime | None = None

    def is_expired(self, now: datetime) -> bool:
        """Return whether the key's time is over.

        Args:
            now: The time to ask about, with its time zone.

        Returns:
            Whether it is.
        """
        return self.expires_at is not None and now >= self.expires_at

    def matches(self, presented: str) -> bool:
        """Return whether a presented text is this key, in time that tells nothing of it.

        Args:
            presented: What a client sent.

        Returns:
            Whether it is.
        """
        return hmac.compare_digest(_hash(presented, self.salt), self.digest)


class MintedKey(NamedTuple):
    """A new key: what is kept, and the text that is shown once."""

    key: ApiKey
    text: str


def mint_key(
    name: str, tenant: str, scopes: frozenset[Scope], expires_at: datetime | None = None
) -> MintedKey:
    """Make a new key.

    Args:
        name: What the operator calls it.
        tenant: Whose it is.
        scopes: What it may do; at least one.
        expires_at: When it stops working; None for never.

    Returns:
        The key and its text.

    Raises:
        ApiKeyError: If a label has characters that are no good in logs, or nothing is allowed.
    """
    for label, value in (("name", name), ("tenant", tenant)):
        if not LABEL_FORM.fullmatch(value):
            raise ApiKeyError(f"{label} is {value!r}; use 1 to 64 letters, digits, . _ @ -")
    if not scopes or not scopes <= set(SCOPES):
        raise ApiKeyError(f"scopes are {sorted(scopes)}; choose from {', '.join(SCOPES)}")
    key_id = secrets.token_hex(6)
    text = f"fim_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    salt = secrets.token_bytes(SALT_BYTES)
    created_at = datetime.now(UTC).replace(microsecond=0)
    key = ApiKey(key_id, name, tenant, scopes, salt, _hash(text, salt), created_at, expires_at)
    return MintedKey(key, text)


def read_key_id(presented: str) -> str | None:
    """Return the public id inside a presented key, or None if it has not a key's form."""
    found = KEY_FORM.fullmatch(presented)
    return None if found is None else found[1]


def _hash(text: str, salt: bytes) -> bytes:
    return hmac.new(salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
