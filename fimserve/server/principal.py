"""Who asks: the tenant that a request belongs to, and what its key may do."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from starlette.requests import HTTPConnection

__all__ = ["LOCAL", "Principal", "Scope", "principal_of"]

Scope: TypeAlias = Literal["complete", "events", "admin"]
"""complete: completions and what describes them; events: what became of suggestions; admin: the
rest."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent a request."""

    tenant: str
    """Whose cache, limits and events they are."""
    scopes: frozenset[Scope]
    """What is allowed."""
    key_id: str | None = None
    """Public name of the API key; None where the service asks for none."""


LOCAL = Principal("local", frozenset(get_args(Scope)))
"""Everybody, on a service that asks for no keys."""


def principal_of(connection: HTTPConnection) -> Principal:
    """Return who sent a request."""
    principal: Principal = getattr(connection.state, "principal", LOCAL)
    return principal
