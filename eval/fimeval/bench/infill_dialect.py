"""llama.cpp's `POST /infill`: prefix and suffix as text, the server writes the prompt itself.

The stream has no `[DONE]`; its last record says `stop` and carries all counts.
"""

import json
from collections.abc import Mapping
from typing import Any

from fimeval.bench.answer import Counts, Transcript
from fimeval.bench.dialect import (
    Abilities,
    JsonObject,
    LengthControl,
    StreamFault,
    checked,
    read_count,
    shorten,
)
from fimeval.bench.question import Question
from fimserve.prompt import Order


class InfillDialect:
    """Asks as llama.vim and llama.vscode do."""

    def __init__(self) -> None:
        self.path = "/infill"
        self.takes_order = False
        self.own_orders: tuple[Order, ...] = ()

    def make_body(self, question: Question, model: str | None, abilities: Abilities) -> JsonObject:
        """Return the body of a request that does not stream.

        Args:
            question: What to complete; its order and session have no place in this dialect.
            model: The model's name as the server knows it; None names none.
            abilities: What else the server understands.

        Returns:
            Fields that nobody asked for are left out.
        """
        body: JsonObject = {
            "input_prefix": question.cursor.prefix,
            "input_suffix": question.cursor.suffix,
            "n_predict": question.max_tokens,
            "temperature": 0,
            "cache_prompt": True,
            # Greedy alone: the infill sampler ends answers by a rule of its own.
            "samplers": ["top_k"],
            "top_k": 1,
        }
        if model is not None:
            body["model"] = model
        if abilities.length_control is LengthControl.IGNORE_EOS:
            body["ignore_eos"] = True
        elif abilities.length_control is LengthControl.MIN_TOKENS:
            body["min_tokens"] = question.max_tokens
        return body

    def streamed(self, body: JsonObject) -> JsonObject:
        """Return the body of the same request, streamed."""
        return body | {"stream": True}

    def read_event(self, event: bytes, transcript: Transcript) -> None:
        """Take in one event of a stream.

        Args:
            event: Data of the event.
            transcript: Gets what it says.

        Raises:
            StreamFault: If it is no piece of a completion, or says that the server failed.
        """
        if event == b"[DONE]":
            return
        try:
            record = json.loads(event)
            if failure := record.get("error"):
                raise StreamFault("error in stream", shorten(str(failure)))
            _read_record(record, transcript)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StreamFault("no completion in stream", f"{error!r}: {shorten(event)}") from None

    def read_whole(self, body: Mapping[str, Any]) -> Transcript:
        """Return what an answer that did not stream says.

        Args:
            body: The answer.

        Returns:
            Its text, finish reason and counts.

        Raises:
            StreamFault: If it is no completion.
        """
        transcript = Transcript()
        try:
            _read_record({**body, "stop": True}, transcript)
        except (LookupError, TypeError, AttributeError) as error:
            raise StreamFault("no completion", f"{error!r}: {shorten(str(body))}") from None
        return transcript


def _read_record(record: Mapping[str, Any], transcript: Transcript) -> None:
    if text := record["content"]:
        transcript.pieces.append(str(text))
    if record.get("stop"):
        transcript.finish_reason = "length" if record.get("stop_type") == "limit" else "stop"
        timings = record.get("timings") or {}
        transcript.counts = checked(
            Counts(
                prompt_tokens=read_count(record.get("tokens_evaluated")),
                cached_tokens=read_count(timings.get("cache_n")),
                new_tokens=read_count(record.get("tokens_predicted")),
            )
        )
