"""Measures streamed completions of any server that speaks OpenAI's `POST /v1/completions`.

One request at a time over one connection; the clock is the client's, so what is measured is what
an editor would see. `order`, `session` and `multiline` are fimserve's own fields, sent only where
the caller names them. `FIMSERVE_API_KEY` is sent as the bearer key where the environment has it.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from fimeval.completion_stream import CompletionStream, split_events
from fimeval.editing_trace import CursorText
from fimeval.errors import CompleterError
from fimeval.http_completer import API_KEY_VARIABLE, MAX_ERROR_CHARS, find_completions_url
from fimserve.prompt import Order

ABSENT_ORDER = "no-such-order"
PROBE = CursorText("def area(radius):\n    return ", "\n")


@dataclass(frozen=True, slots=True)
class Question:
    """One place to complete, and how to ask for it."""

    cursor: CursorText
    order: Order | None = None
    """None leaves the order of the prompt to the server."""
    session: str | None = None
    """None lets the server remember nothing but what it remembers of everybody."""
    multiline: bool | None = None
    """None leaves it to the server whether an answer may have several lines."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one streamed answer took; milliseconds since the request was begun."""

    ttft_ms: float
    """Until the first text; until the end of an answer without any."""
    e2e_ms: float
    """Until the last byte."""
    finish_reason: str
    num_prompt_tokens: int | None = None
    """None where the server does not count."""
    num_new_tokens: int | None = None

    @property
    def ms_per_token(self) -> float | None:
        """Milliseconds per step after the first text; None where there was no such step.

        An answer that ended by itself took one step more than it has tokens: the one that chose
        the end, which fimserve does not count as a token.
        """
        if not self.num_new_tokens:
            return None
        num_steps = self.num_new_tokens - 1 + (self.finish_reason == "stop")
        return (self.e2e_ms - self.ttft_ms) / num_steps if num_steps else None


class StreamingClient:
    """Asks one server, and keeps the time.

    Args:
        url: `http://host:port`, with or without `/v1` or `/v1/completions` behind it.
        model: The model's name as the server knows it; None names none.
        max_tokens: Most new tokens of each answer.
        timeout_s: Seconds without a byte after which an answer is given up.
        clock_s: Clock in seconds.
    """

    def __init__(
        self,
        url: str,
        model: str | None,
        max_tokens: int,
        timeout_s: float = 120.0,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        key = os.environ.get(API_KEY_VARIABLE)
        self._url = find_completions_url(url)
        self._model = model
        self._max_tokens = max_tokens
        self._clock_s = clock_s
        self._client = httpx.Client(
            timeout=timeout_s,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            # A proxy from the environment is no part of what is measured on this machine.
            trust_env=not _is_loopback(self._url),
        )

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._client.close()

    def measure(self, question: Question) -> Timing:
        """Return what one streamed answer took.

        Args:
            question: What to complete.

        Returns:
            Times, counts and the finish reason.

        Raises:
            CompleterError: If there is no answer, or not a whole stream of completions.
        """
        body = self._make_body(question) | {
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        stream = CompletionStream()
        first_s: float | None = None
        started_s = self._clock_s()
        with self._translated_errors(), self._client.stream("POST", self._url, json=body) as answer:
            if answer.status_code != httpx.codes.OK:
                answer.read()
            self._check_accepted(answer)
            for event in split_events(answer.iter_bytes()):
                if stream.read(event) and first_s is None:
                    first_s = self._clock_s()
        ended_s = self._clock_s()
        if stream.finish_reason is None:
            raise CompleterError(
                f"the stream of {self._url} ended without a finish reason; see the server's log"
            )
        return Timing(
            ttft_ms=((first_s or ended_s) - started_s) * 1e3,
            e2e_ms=(ended_s - started_s) * 1e3,
            finish_reason=stream.finish_reason,
            num_prompt_tokens=stream.usage.get("prompt_tokens"),
            num_new_tokens=stream.usage.get("completion_tokens"),
        )

    def find_cached_share(self, question: Question) -> float | None:
        """Ask without streaming and return the share of the prompt that was cached.

        Streams count cached tokens on few servers, whole answers on most. Fails with
        CompleterError if the server cannot be reached or refuses.

        Args:
            question: What to complete.

        Returns:
            0.0 to 1.0, or None where the server does not say.
        """
        answer = self._post(self._make_body(question))
        self._check_accepted(answer)
        try:
            usage = answer.json()["usage"]
            return float(usage["prompt_tokens_details"]["cached_tokens"] / usage["prompt_tokens"])
        except (ValueError, LookupError, TypeError, ZeroDivisionError):
            return None

    def find_orders(self) -> tuple[Order, ...]:
        """Return the orders of the prompt that can be asked for; none where the server has no say.

        A server that knows the field refuses an order that does not exist, others ignore it.
        Fails with CompleterError if the server cannot be reached or does not complete at all.
        """
        self._check_accepted(self._probe(None))
        if self._probe(ABSENT_ORDER).status_code == httpx.codes.OK:
            return ()
        return tuple(o for o in Order if self._probe(o).status_code == httpx.codes.OK)

    def _probe(self, order: str | None) -> httpx.Response:
        body = self._make_body(Question(PROBE)) | {"max_tokens": 1}
        return self._post(body if order is None else body | {"order": order})

    def _make_body(self, question: Question) -> dict[str, Any]:
        body = {
            "model": self._model,
            "prompt": question.cursor.prefix,
            "suffix": question.cursor.suffix,
            "max_tokens": self._max_tokens,
            "temperature": 0,
            "order": question.order,
            "session": question.session,
            "multiline": question.multiline,
        }
        return {name: value for name, value in body.items() if value is not None}

    def _post(self, body: Mapping[str, Any]) -> httpx.Response:
        with self._translated_errors():
            return self._client.post(self._url, json=body)

    def _check_accepted(self, answer: httpx.Response) -> None:
        if answer.status_code != httpx.codes.OK:
            raise CompleterError(
                f"{self._url} refused with status {answer.status_code}: "
                f"{answer.text[:MAX_ERROR_CHARS]}; the server must support `suffix`"
                + (f" and know the model {self._model!r}" if self._model else "")
            )

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CompleterError(
                f"no answer from {self._url} ({type(error).__name__}: {error}); start the server "
                "or correct --url, or leave --url out to start one here"
            ) from error


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
