"""Answers in llama.cpp's shape: results, timings, records of a stream, errors.

Editors' scripts read these with regular expressions, so a record is one compact line and `content`
is always text. Which stop ended a completion is not told: `stop_type` is "eos" for every end but a
limit's.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import JSONResponse, Response

from fimserve.engine import CompletionRequest, TokenLogprob, Usage
from fimserve.server.errors import ServerError
from fimserve.server.parse import MISSING
from fimserve.server.routes.llama_cpp_fields import InfillFields
from fimserve.server.routes.llama_cpp_indent import IndentLimit
from fimserve.server.run import FinishedChoice

__all__ = ["InfillAnswer", "describe_error", "shape_error"]

_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.NOT_IMPLEMENTED: "not_supported_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable_error",
}
_SLOT = 0
"""There are no slots to be pinned to; clients want a number."""


class InfillAnswer:
    """Writes the results of one request.

    Args:
        fields: What the client sent.
        asked: What came of it.
        model: Name of the served model.
    """

    def __init__(self, fields: InfillFields, asked: CompletionRequest, model: str) -> None:
        self._fields = fields
        self._asked = asked
        self._model = model

    def result(self, index: int, choice: FinishedChoice, usage: Usage) -> dict[str, object]:
        """Return the whole result of one completion.

        Args:
            index: Which one it is.
            choice: What was written.
            usage: Counts of the request.

        Returns:
            The JSON object, with the fields that the client wants.
        """
        indent = IndentLimit(self._fields.n_indent)
        text = indent.feed(choice.text) + indent.flush()
        is_limit = choice.finish_reason == "length" or indent.is_reached
        end = self._end(index, text, is_limit, usage, choice.token_ids, has_new_line="\n" in text)
        if self._asked.logprobs is not None:
            end["completion_probabilities"] = _describe_logprobs(choice.logprobs)
        return self._select(end)

    def last_record(
        self, index: int, is_limit: bool, has_new_line: bool, usage: Usage | None
    ) -> dict[str, object]:
        """Return the record that ends one completion of a stream.

        Args:
            index: Which one it is.
            is_limit: Whether a limit ended it.
            has_new_line: Whether all of its text has a line end.
            usage: Counts of the request; None where other completions go on.

        Returns:
            The JSON object.
        """
        usage = usage or Usage(0, 0, 0, 0.0, 0.0, 0.0)
        return self._select(self._end(index, "", is_limit, usage, (), has_new_line))

    def record(
        self,
        index: int,
        text: str,
        token_ids: Sequence[int],
        logprobs: Sequence[TokenLogprob],
        num_predicted: int,
        num_prompt_tokens: int,
    ) -> dict[str, object]:
        """Return a record of a stream with further text.

        Args:
            index: Which completion it belongs to.
            text: The text.
            token_ids: Tokens since the record before.
            logprobs: Their log-probabilities, where they were asked for.
            num_predicted: Tokens of the completion so far.
            num_prompt_tokens: Tokens of the prompt.

        Returns:
            The JSON object.
        """
        record: dict[str, object] = {
            "index": index,
            "content": text,
            "tokens": list(token_ids) if self._fields.return_tokens else [],
            "stop": False,
            "id_slot": _SLOT,
            "tokens_predicted": num_predicted,
            "tokens_evaluated": num_prompt_tokens,
        }
        if self._asked.logprobs is not None:
            record["completion_probabilities"] = _describe_logprobs(logprobs)
        return record

    def _end(
        self,
        index: int,
        text: str,
        is_limit: bool,
        usage: Usage,
        token_ids: Sequence[int],
        has_new_line: bool,
    ) -> dict[str, object]:
        return {
            "index": index,
            "content": text,
            "tokens": list(token_ids) if self._fields.return_tokens else [],
            "id_slot": _SLOT,
            "stop": True,
            "model": self._model,
            "tokens_predicted": usage.completion_tokens,
            "tokens_evaluated": usage.prompt_tokens,
            "generation_settings": self._describe_settings(),
            "prompt": self._asked.prefix,
            "has_new_line": has_new_line,
            "truncated": False,
            "stop_type": "limit" if is_limit else "eos",
            "stopping_word": "",
            "tokens_cached": usage.cached_tokens,
            "timings": _describe_timings(usage),
        }

    def _describe_settings(self) -> dict[str, object]:
        asked = self._asked
        return {
            "n_predict": asked.max_tokens,
            "seed": -1 if asked.seed is None else asked.seed,
            "temperature": asked.temperature,
            "top_k": asked.top_k,
            "top_p": asked.top_p,
            "min_p": asked.min_p,
            "stop": list(asked.stop),
            "ignore_eos": asked.ignore_eos,
            "stream": asked.streamed,
            "n_probs": asked.logprobs or 0,
            "n_indent": self._fields.n_indent,
            "samplers": ["top_k", "top_p", "min_p", "temperature"],
        }

    def _select(self, result: dict[str, object]) -> dict[str, object]:
        wanted = self._fields.response_fields
        if not wanted:
            return result
        found = {name: _look_up(result, name.split("/")) for name in wanted}
        return {name: value for name, value in found.items() if value is not _ABSENT}


_ABSENT = object()


def _look_up(value: object, path: Sequence[str]) -> object:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return value


def _describe_timings(usage: Usage) -> dict[str, object]:
    num_computed = usage.prompt_tokens - usage.cached_tokens
    prompt_ms = usage.ttft_ms - usage.queue_ms
    predicted_ms = usage.e2e_ms - usage.ttft_ms
    timings: dict[str, object] = {"cache_n": usage.cached_tokens}
    timings |= _describe_pace("prompt", num_computed, prompt_ms)
    timings |= _describe_pace("predicted", usage.completion_tokens, predicted_ms)
    if usage.drafted_tokens:
        timings |= {"draft_n": usage.drafted_tokens, "draft_n_accepted": usage.accepted_tokens}
    return timings


def _describe_pace(name: str, num_tokens: int, elapsed_ms: float) -> dict[str, object]:
    return {
        f"{name}_n": num_tokens,
        f"{name}_ms": round(elapsed_ms, 3),
        f"{name}_per_token_ms": round(elapsed_ms / num_tokens, 3) if num_tokens else 0.0,
        f"{name}_per_second": round(num_tokens * 1000 / elapsed_ms, 3) if elapsed_ms else 0.0,
    }


def _describe_logprobs(entries: Sequence[TokenLogprob]) -> list[dict[str, object]]:
    return [
        _describe_token(entry.token_id, entry.token_bytes, entry.logprob)
        | {"top_logprobs": [_describe_token(*alternative) for alternative in entry.top]}
        for entry in entries
    ]


def _describe_token(token_id: int, token_bytes: bytes, logprob: float) -> dict[str, object]:
    return {
        "id": token_id,
        "token": token_bytes.decode("utf-8", "replace"),
        "bytes": list(token_bytes),
        "logprob": logprob,
    }


def describe_error(error: ServerError) -> dict[str, object]:
    """Return the body that says an error in llama.cpp's shape."""
    status = int(error.status)
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    usual = "server_error" if is_ours else "invalid_request_error"
    kind = _TYPES.get(HTTPStatus(status), usual) if status in set(HTTPStatus) else usual
    message = f'"{error.param}" is required' if error.code == MISSING else error.message
    return {"error": {"code": status, "message": message, "type": kind}}


def shape_error(error: ServerError) -> Response:
    """Return the whole answer that says an error in llama.cpp's shape."""
    return JSONResponse(describe_error(error), int(error.status), error.headers)
