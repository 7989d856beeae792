"""The operator's caps on what a completion request carries, checked alike for every dialect.

Knows sizes and how to say which one is too large; what a field is called is the dialect's business.
"""

from collections.abc import Collection, Iterable

from fimserve.server.errors import BadRequest
from fimserve.server.settings import ServerSettings

__all__ = ["check_context", "check_stops"]


def check_stops(stops: Collection[str], settings: ServerSettings, param: str = "stop") -> None:
    """Check the stop strings of a request.

    Args:
        stops: The strings.
        settings: The operator's caps.
        param: What the dialect calls them.

    Raises:
        BadRequest: If there are too many or one is too long.
    """
    if len(stops) > settings.max_stops:
        raise BadRequest(
            f"{param} has {len(stops)} strings; the limit is {settings.max_stops}.", param=param
        )
    longest = max(map(len, stops), default=0)
    if longest > settings.max_stop_chars:
        raise BadRequest(
            f"{param} has a string of {longest} characters; "
            f"the limit is {settings.max_stop_chars}.",
            param=param,
        )


def check_context(texts: Iterable[str], settings: ServerSettings, param: str = "prompt") -> None:
    """Check everything that a request tells about the cursor.

    Args:
        texts: Prefix, suffix and pieces of other files.
        settings: The operator's caps.
        param: What the dialect calls the largest of them.

    Raises:
        BadRequest: If they are too long together.
    """
    num_chars = sum(map(len, texts))
    if num_chars > settings.max_context_chars:
        raise BadRequest(
            f"{param} and what belongs to it hold {num_chars} characters together; "
            f"the limit is {settings.max_context_chars}. Send what is near the cursor.",
            param=param,
            code="context_length_exceeded",
        )
