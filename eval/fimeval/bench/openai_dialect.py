"""OpenAI's `POST /v1/completions`: prompt and `suffix`, or one prompt of token ids.

With token ids the whole prompt is written here, for servers without `suffix` (vLLM) and for a
comparison of servers on equal tokens. `order`, `session` and `multiline` are fimserve's own.
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
from fimeval.bench.token_prompts import TokenPrompts


class OpenAiDialect:
    """Asks as OpenAI's clients do.

    Args:
        token_prompts: Writes prompts as token ids; None sends the text and its suffix.
    """

    def __init__(self, token_prompts: TokenPrompts | None = None) -> None:
        self.path = "/v1/completions"
        self._token_prompts = token_prompts
        self.takes_order = token_prompts is None
        self.own_orders = token_prompts.orders if token_prompts else ()

    def make_body(self, question: Question, model: str | None, abilities: Abilities) -> JsonObject:
        """Return the body of a request that does not stream.

        Args:
            question: What to complete.
            model: The model's name as the server knows it; None names none.
            abilities: What else the server understands.

        Returns:
            Fields that nobody asked for are left out.
        """
        body: JsonObject = {"max_tokens": question.max_tokens, "temperature": 0}
        if self._token_prompts is None:
            body |= {"prompt": question.cursor.prefix, "suffix": question.cursor.suffix}
            own = {"order": question.order, "session": question.session, "multiline": True}
            if abilities.has_sessions:
                # An answer that ends with its line is too short to tell the time per token.
                body |= {name: value for name, value in own.items() if value is not None}
        else:
            body["prompt"] = self._token_prompts.encode(question.cursor, question.order)
        if model is not None:
            body["model"] = model
        if abilities.length_control is LengthControl.IGNORE_EOS:
            body["ignore_eos"] = True
        elif abilities.length_control is LengthControl.MIN_TOKENS:
            body["min_tokens"] = question.max_tokens
        return body

    def streamed(self, body: JsonObject) -> JsonObject:
        """Return the body of the same request, streamed, with counts at the end."""
        return body | {"stream": True, "stream_options": {"include_usage": True}}

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
            choices = record["choices"]
            _read_counts(record, transcript)
            if not choices:
                return
            text = choices[0]["text"]
            transcript.finish_reason = choices[0].get("finish_reason") or transcript.finish_reason
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StreamFault("no completion in stream", f"{error!r}: {shorten(event)}") from None
        if text:
            transcript.pieces.append(str(text))

    def read_whole(self, body: Mapping[str, Any]) -> Transcript:
        """Return what an answer that did not stream says.

        Args:
            body: The answer.

        Returns:
            Its text, finish reason and counts.

        Raises:
            StreamFault: If it is no completion.
        """
        try:
            choice = body["choices"][0]
            transcript = Transcript([str(choice["text"])], str(choice["finish_reason"]))
            _read_counts(body, transcript)
        except (LookupError, TypeError, AttributeError) as error:
            raise StreamFault("no completion", f"{error!r}: {shorten(str(body))}") from None
        return transcript


def _read_counts(record: Mapping[str, Any], transcript: Transcript) -> None:
    usage = record.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}
    # llama.cpp says it beside the usage instead.
    cached = details.get("cached_tokens", (record.get("timings") or {}).get("cache_n"))
    if usage:
        transcript.counts = checked(
            Counts(
                prompt_tokens=read_count(usage.get("prompt_tokens")),
                cached_tokens=read_count(cached),
                new_tokens=read_count(usage.get("completion_tokens")),
            )
        )
