"""The operator's caps on one completion, whichever dialect it came in.

A dialect checks what it can name better, field by field, by the `check_` functions; `apply_caps` is
the door that none gets past.
Sizes that clients set generously are cut, those where silence would be wrong are refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fimserve.engine import CompletionRequest
from fimserve.server.errors import BadRequest
from fimserve.server.settings import ServerSettings

__all__ = ["apply_caps", "check_context", "check_snippets", "check_stops"]


def apply_caps(asked: CompletionRequest, settings: ServerSettings) -> CompletionRequest:
    """Return what may be asked of the engine.

    Args:
        asked: What a client asks for.
        settings: The operator's caps.

    Returns:
        The request, no longer than the longest completion.

    Raises:
        BadRequest: If it goes past a cap, naming what, the value and the limit.
    """
    suffix = asked.suffix or ""
    context_chars = sum(map(len, (asked.prefix, suffix, *(s.text for s in asked.snippets))))
    longest_stop_chars = max(map(len, asked.stop), default=0)
    too_long = "context_length_exceeded"
    for what, size, limit, code in (
        ("Characters before the cursor", len(asked.prefix), settings.max_prefix_chars, too_long),
        ("Characters behind the cursor", len(suffix), settings.max_suffix_chars, too_long),
        ("Characters of text and snippets", context_chars, settings.max_context_chars, too_long),
        ("Snippets", len(asked.snippets), settings.max_snippets, None),
        ("Stop strings", len(asked.stop), settings.max_stops, None),
        (
            "Characters of the longest stop string",
            longest_stop_chars,
            settings.max_stop_chars,
            None,
        ),
        ("Completions asked for", asked.n, settings.max_choices, None),
    ):
        if size > limit:
            raise BadRequest(f"{what}: {size}; the limit is {limit}.", code=code)
    num_tokens = min(asked.max_tokens, settings.max_tokens)
    return replace(asked, max_tokens=num_tokens, min_tokens=min(asked.min_tokens, num_tokens))


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
