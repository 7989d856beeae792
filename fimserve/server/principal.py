"""Who asks: the tenant that a request belongs to, and what its key may do."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from fimserve.server.api_key import SCOPES, Scope

__all__ = ["LOCAL", "STRANGER", "Principal", "Scope", "principal_of"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent a request."""

    tenant: str
    """Whose cache, limits and events they are."""
    scopes: frozenset[Scope]
    """What is allowed."""
    key_id: str | None = None
    """Public name of the API key; None where the service asks for none."""


LOCAL = Principal("local", frozenset(SCOPES))
"""Everybody, on a service that asks for no keys."""


STRANGER = Principal("", frozenset())
"""Whoever asks for a public path without a good key, on a service that has keys."""


def principal_of(connection: HTTPConnection) -> Principal:
    """Return who sent a request."""
    principal: Principal = getattr(connection.state, "principal", LOCAL)
    return principal
