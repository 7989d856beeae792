"""Replies of completion servers in both dialects, for the scripted server."""

import json
from typing import Any, TypeGuard

from support.completion_events import event, stream_text
from support.completions_server import openai_body
from support.scripted_server import Body, Reply

PROMPT_TOKENS = 40
CACHED_TOKENS = 30


def usage(num_new: int, has_cached: bool = True) -> dict[str, Any]:
    """Return OpenAI's counts."""
    counts: dict[str, Any] = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": num_new}
    if has_cached:
        counts["prompt_tokens_details"] = {"cached_tokens": CACHED_TOKENS}
    return counts


def is_well_formed(body: Body) -> TypeGuard[dict[str, Any]]:
    """Return whether a body is a question in OpenAI's shape."""
    return (
        body is not None
        and isinstance(body.get("prompt"), str | list)
        and isinstance(body.get("max_tokens", 16), int)
        and isinstance(body.get("temperature", 1), int | float)
    )


def answer_openai(body: Body) -> Reply:
    """Answer as a plain OpenAI server that ignores what it does not know and stops early."""
    if not is_well_formed(body):
        return Reply(['{"error":{"message":"bad"}}'], 400)
    num_new = min(int(body["max_tokens"]), 3)
    if body.get("stream"):
        counts = usage(num_new, has_cached=False)
        return Reply([stream_text(["x"] * num_new, "stop", counts)])
    return Reply([json.dumps(openai_body("x" * num_new) | {"usage": usage(num_new)})])


def answer_like_fimserve(body: Body) -> Reply:
    """Answer as fimserve: knows orders, sessions, and `ignore_eos`."""
    if not is_well_formed(body):
        return Reply(['{"error":{"message":"prompt must be text"}}'], 400)
    if body.get("order") not in (None, "psm", "spm"):
        return Reply(['{"error":{"message":"order"}}'], 400)
    num_new = int(body["max_tokens"])
    is_exact = bool(body.get("ignore_eos"))
    reason = "length" if is_exact else "stop"
    num_new = num_new if is_exact else min(num_new, 3)
    if body.get("stream"):
        return Reply([stream_text(["x\n"] * num_new, reason, usage(num_new))])
    return Reply([json.dumps(openai_body("x" * num_new, reason) | {"usage": usage(num_new)})])


def answer_infill(body: Body) -> Reply:
    """Answer as llama.cpp's `/infill`."""
    if body is None or "input_prefix" not in body:
        return Reply(['{"error":{"code":400,"message":"bad","type":"t"}}'], 400)
    num_new = int(body["n_predict"])
    last = {
        "content": "", "stop": True, "stop_type": "limit" if body.get("ignore_eos") else "eos",
        "tokens_evaluated": PROMPT_TOKENS, "tokens_predicted": num_new,
        "timings": {"cache_n": CACHED_TOKENS},
    }  # fmt: skip
    if not body.get("stream"):
        return Reply([json.dumps(last | {"content": "x" * num_new})])
    pieces = [event({"content": "x", "stop": False}) for _ in range(num_new)]
    return Reply(["".join([*pieces, event(last)])])
