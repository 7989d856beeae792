"""The same question in every client dialect, and the text of each one's answer.

Tests that hold for all dialects are written once, over `DIALECTS`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What every dialect can ask."""

    prefix: str
    suffix: str
    max_tokens: int = 24
    temperature: float = 0.0
    seed: int | None = None
    """Dialects without seeds leave it out."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one dialect asks and answers."""

    path: str
    make_body: Callable[[Question], JsonObject]
    text_of: Callable[[JsonObject], str]
    """Text of a whole answer, or of one record of a stream."""
    has_seed: bool = True

    def read_stream(self, answer: httpx.Response) -> str:
        """Return the text of a streamed answer."""
        lines = [line for line in answer.text.splitlines() if line]
        records = [line.removeprefix("data: ") for line in lines if line != "data: [DONE]"]
        return "".join(self.text_of(json.loads(record)) for record in records)


def _present(**fields: object) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def _openai_body(question: Question) -> JsonObject:
    return _present(
        prompt=question.prefix,
        suffix=question.suffix,
        max_tokens=question.max_tokens,
        temperature=question.temperature,
        seed=question.seed,
    )


def _deepseek_body(question: Question) -> JsonObject:
    body = _openai_body(question) | {"model": "deepseek-coder"}
    body.pop("seed", None)
    return body


def _mistral_body(question: Question) -> JsonObject:
    body = _openai_body(question) | {"model": "codestral-latest"}
    if "seed" in body:
        body["random_seed"] = body.pop("seed")
    return body


def _infill_body(question: Question) -> JsonObject:
    start, line_end, line = question.prefix.rpartition("\n")
    return _present(
        input_prefix=start + line_end,
        prompt=line,
        input_suffix=question.suffix,
        n_predict=question.max_tokens,
        temperature=question.temperature,
        seed=question.seed,
        top_k=0,
        top_p=1.0,
        min_p=0.0,
    )


def _legacy_text(record: JsonObject) -> str:
    return str(record["choices"][0]["text"])


def _chat_text(record: JsonObject) -> str:
    choice = record["choices"][0]
    return str((choice.get("message") or choice["delta"])["content"])


DIALECTS = {
    "openai": Dialect("/v1/completions", _openai_body, _legacy_text),
    "openai, its own mount": Dialect("/openai/v1/completions", _openai_body, _legacy_text),
    "deepseek": Dialect("/beta/completions", _deepseek_body, _legacy_text, has_seed=False),
    "deepseek, below v1": Dialect(
        "/v1/beta/completions", _deepseek_body, _legacy_text, has_seed=False
    ),
    "mistral": Dialect("/v1/fim/completions", _mistral_body, _chat_text),
    "llama.cpp": Dialect("/infill", _infill_body, lambda record: str(record["content"])),
}
"""By name; those that stream do so on `"stream": true`."""
