"""The operator's caps, checked field by field: stops, snippets, characters.

Where a client's generous value harms nobody it is clamped; where silence would be wrong it is
refused, with the field's name in that dialect.
"""

from collections.abc import Iterable, Sequence

from fimserve.server.errors import BadRequest
from fimserve.server.settings import ServerSettings

__all__ = ["check_context", "check_snippets", "check_stops"]


def check_stops(stops: Sequence[str], settings: ServerSettings, param: str = "stop") -> None:
    """Refuse too many stop strings, or one that is too long.

    Args:
        stops: The stop strings.
        settings: The caps.
        param: The dialect's name of the field.

    Raises:
        BadRequest: If a cap is passed.
    """
    if len(stops) > settings.max_stops:
        raise BadRequest(
            f"{param} has {len(stops)} strings; the limit is {settings.max_stops}.", param=param
        )
    for stop in stops:
        if len(stop) > settings.max_stop_chars:
            raise BadRequest(
                f"{param} has a string of {len(stop)} characters; "
                f"the limit is {settings.max_stop_chars}.",
                param=param,
            )


def check_snippets(num_snippets: int, settings: ServerSettings, param: str = "snippets") -> None:
    """Refuse too many pieces of other files.

    Args:
        num_snippets: How many there are.
        settings: The caps.
        param: The dialect's name of the field.

    Raises:
        BadRequest: If the cap is passed.
    """
    if num_snippets > settings.max_snippets:
        raise BadRequest(
            f"{param} has {num_snippets} entries; the limit is {settings.max_snippets}.",
            param=param,
        )


def check_context(
    texts: Iterable[str], settings: ServerSettings, names: str, param: str = "prompt"
) -> None:
    """Refuse more text around the cursor than the cap.

    Args:
        texts: Everything that describes the cursor's surroundings.
        settings: The caps.
        names: The dialect's names of the fields, for people.
        param: The dialect's name of the first of them.

    Raises:
        BadRequest: If they are too long together.
    """
    num_chars = sum(map(len, texts))
    if num_chars > settings.max_context_chars:
        raise BadRequest(
            f"{names} hold {num_chars} characters together; "
            f"the limit is {settings.max_context_chars}. Send what is near the cursor.",
            param=param,
            code="context_length_exceeded",
        )
