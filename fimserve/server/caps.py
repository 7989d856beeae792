"""The operator's caps on one completion, whichever dialect it came in.

A dialect checks what it can name better, field by field; this is the door that none gets past.
Sizes that clients set generously are cut, those where silence would be wrong are refused.
"""

from dataclasses import replace

from fimserve.engine import CompletionRequest
from fimserve.server.errors import BadRequest
from fimserve.server.settings import ServerSettings

__all__ = ["apply_caps"]


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
    if num_tokens == asked.max_tokens:
        return asked
    return replace(asked, max_tokens=num_tokens, min_tokens=min(asked.min_tokens, num_tokens))
