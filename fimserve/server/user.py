"""Who, among the people behind a key, a request comes from: the unit of experiments.

The body's own field counts where a dialect has one, then the header `x-user`, then the API key,
which is one person's as a rule. Who says nothing on a service without keys is nobody, and in no
experiment. Never trusted: it decides no access.
"""

from starlette.requests import HTTPConnection

from fimserve.server.principal import principal_of

__all__ = ["EDITOR_HEADER", "USER_HEADER", "find_editor", "find_user", "note_user"]

USER_HEADER = "x-user"
EDITOR_HEADER = "x-editor"
MAX_USER_CHARS = 256


def note_user(connection: HTTPConnection, user: str | None) -> None:
    """Remember whom the body of a request names.

    Args:
        connection: The request.
        user: What its dialect's field says; None where it says nothing.
    """
    connection.state.user = user


def find_user(connection: HTTPConnection) -> str | None:
    """Return how the sender of a request is named; None where nothing names him.

    Args:
        connection: The request, its body read.

    Returns:
        A client's text or a key's public name.
    """
    named: str | None = getattr(connection.state, "user", None)
    header = connection.headers.get(USER_HEADER, "").strip()[:MAX_USER_CHARS]
    return named or header or principal_of(connection).key_id


def find_editor(connection: HTTPConnection) -> str | None:
    """Return the name of the editor that a request's header tells, or None."""
    return connection.headers.get(EDITOR_HEADER, "").strip() or None
