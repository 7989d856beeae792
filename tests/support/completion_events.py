"""Streams of completions as OpenAI-compatible servers send them, for the canned HTTP server."""

import json
from collections.abc import Sequence
from typing import Any

from support.completions_server import openai_body

USAGE = {"prompt_tokens": 40, "completion_tokens": 3, "total_tokens": 43}
CACHED_TOKENS = 30


def event(record: dict[str, Any]) -> str:
    """Return one server-sent event; text is not escaped to ASCII, as on most servers."""
    return f"data: {json.dumps(record, ensure_ascii=False)}\n\n"


def choice_event(text: str, finish_reason: str | None = None) -> str:
    """Return one event with a piece of text."""
    return event({"choices": [{"index": 0, "text": text, "finish_reason": finish_reason}]})


def stream_text(
    texts: Sequence[str], finish_reason: str = "length", usage: dict[str, int] | None = USAGE
) -> str:
    """Return a whole stream.

    Args:
        texts: One event each; the last one carries the finish reason.
        finish_reason: How the completion ends.
        usage: Counts at the end; None sends none.
    """
    *first, last = texts
    events = [*map(choice_event, first), choice_event(last, finish_reason)]
    if usage is not None:
        events.append(event({"choices": [], "usage": usage}))
    return "".join([*events, "data: [DONE]\n\n"])


def answer_plainly(body: dict[str, Any]) -> tuple[int, Any]:
    """Answer as a server that knows neither order nor session, and ignores them."""
    if body.get("stream"):
        return 200, stream_text(["a", "b", "c"])
    whole = openai_body("abc", "length")
    details = {"prompt_tokens_details": {"cached_tokens": CACHED_TOKENS}}
    return 200, whole | {"usage": USAGE | details}


def answer_like_fimserve(body: dict[str, Any]) -> tuple[int, Any]:
    """Answer as fimserve with a model that was trained for two orders."""
    if body.get("order") not in (None, "psm", "spm"):
        return 400, {"error": {"message": f"order is {body['order']}"}}
    return answer_plainly(body)
