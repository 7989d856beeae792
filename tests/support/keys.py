"""A file of API keys for a test, and the texts of the keys in it."""

from pathlib import Path

from fimserve.server.api_key import SCOPES, Scope, mint_key
from fimserve.server.key_file import KeyFile


def add_key(
    path: Path, name: str = "alice", tenant: str = "acme", scopes: tuple[Scope, ...] = SCOPES
) -> str:
    """Add a key to a file, which is made where there is none, and return the key's text."""
    minted = mint_key(name, tenant, frozenset(scopes))
    KeyFile(path).change(lambda known: (*known, minted.key))
    return minted.text


def bearer(text: str) -> dict[str, str]:
    """Return the headers that present a key."""
    return {"authorization": f"Bearer {text}"}
