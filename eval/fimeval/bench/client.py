"""Asks one server over HTTP, keeps the time, and says how each request ended.

The clock is the client's, so what is measured is what an editor would see. `FIMSERVE_API_KEY` is
sent as the bearer key where the environment has it. Nothing is ever sent twice.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from ipaddress import ip_address
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from fimeval.bench.answer import Answer, Outcome, Transcript
from fimeval.bench.dialect import Abilities, Dialect, JsonObject, StreamFault, shorten
from fimeval.bench.events import EventSplitter
from fimeval.bench.question import Question
from fimeval.errors import CompleterError
from fimeval.http_completer import API_KEY_VARIABLE
from fimserve.prompt import Order

REFUSALS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
ROUTES = ("/v1/completions", "/infill", "/v1")
BROKEN = "connection broken"
CONNECT_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 1.0
"""uvicorn and llama.cpp keep an idle connection for 5 s."""


def read_clock_ms() -> float:
    """Return the time of a clock that only moves forward."""
    return time.perf_counter() * 1e3


class Flight:
    """One request under way, and the right to leave it.

    Args:
        client: Who asks.
        question: What to complete.
    """

    def __init__(self, client: "BenchClient", question: Question) -> None:
        self.question = question
        self.started_ms = client.clock_ms()
        self.ttft_ms: float | None = None
        self.is_left = False
        self._has_text = asyncio.Event()
        self._task = asyncio.create_task(client.fly(self))

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    def note_text(self, now_ms: float) -> None:
        """Remember when the first text came."""
        self.ttft_ms = now_ms - self.started_ms
        self._has_text.set()

    async def wait_for_text(self) -> None:
        """Wait until the first text has come or the flight is over."""
        waiting = asyncio.create_task(self._has_text.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    def leave(self) -> None:
        """Close the connection, as an editor does when the next key is pressed."""
        if not self._task.done():
            self.is_left = True
            self._task.cancel()

    async def land(self) -> Answer:
        """Wait for the end and return it; a flight that was left before it began has one too."""
        try:
            return await self._task
        except asyncio.CancelledError:
            if not self.is_left:
                raise
            return Answer(Outcome.CANCELLED, self.started_ms, 0.0, reason="left")


class BenchClient:
    """Asks one server.

    Args:
        url: `http://host:port`, with or without a route behind it.
        dialect: How to ask.
        model: The model's name as the server knows it; None names none.
        timeout_s: Seconds without a byte after which an answer is given up.
        clock_ms: Clock in milliseconds.
        keeps_alive: Whether a connection is used again, as editors do.

    Raises:
        CompleterError: If the address has no http or https scheme.
    """

    def __init__(
        self,
        url: str,
        dialect: Dialect,
        model: str | None = None,
        timeout_s: float = 120.0,
        clock_ms: Callable[[], float] = read_clock_ms,
        keeps_alive: bool = True,
    ) -> None:
        self.root = find_root(url)
        self.dialect = dialect
        self.model = model
        self.abilities = Abilities()
        self.order: Order | None = None
        """Asked for where a question names none."""
        self.clock_ms = clock_ms
        key = os.environ.get(API_KEY_VARIABLE)
        try:
            self._http = httpx.AsyncClient(
                base_url=self.root,
                timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
                headers={"Authorization": f"Bearer {key}"} if key else {},
                # A queue for connections would be taken for slowness of the server.
                # Idle connections end here before servers end them: a request on one that the
                # server is just closing would be taken for a failure.
                limits=httpx.Limits(
                    max_connections=None,
                    max_keepalive_connections=None if keeps_alive else 0,
                    keepalive_expiry=KEEP_ALIVE_S,
                ),
                # A proxy from the environment is no part of what is measured on this machine.
                trust_env=not is_loopback(self.root),
            )
        except httpx.InvalidURL as error:
            raise CompleterError(f"url is {url!r}: {error}; write http://HOST:PORT") from None

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._http.aclose()

    def start(self, question: Question) -> Flight:
        """Send a question without waiting for its answer, and return its flight."""
        return Flight(self, question)

    async def ask(self, question: Question) -> Answer:
        """Send a question, wait for its end, whatever that is, and return it."""
        return await self.start(question).land()

    async def taste(self, question: Question) -> Answer:
        """Send a question and leave at the first text.

        Args:
            question: What to complete.

        Returns:
            A cancelled answer, or how it ended before any text.
        """
        flight = self.start(question)
        await flight.wait_for_text()
        flight.leave()
        return await flight.land()

    async def fly(self, flight: Flight) -> Answer:
        """Run one flight; `start` calls this.

        Args:
            flight: Gets the time of its first text.

        Returns:
            How it ended. Never raises for what a server or network does.

        Raises:
            asyncio.CancelledError: If the bench itself is stopped.
        """
        transcript = Transcript()
        body = self.dialect.streamed(self.make_body(flight.question))
        try:
            async with self._http.stream("POST", self.dialect.path, json=body) as response:
                if response.status_code != HTTPStatus.OK:
                    await response.aread()
                    return self._refuse(flight, response)
                await self._read(response, flight, transcript)
        except StreamFault as fault:
            return self._end(flight, Outcome.FAILED, fault.kind, transcript, fault.detail)
        except httpx.HTTPError as error:
            return self._end(
                flight, Outcome.FAILED, _name_failure(error), transcript, shorten(str(error))
            )
        except asyncio.CancelledError:
            if not flight.is_left:
                raise
            return self._end(flight, Outcome.CANCELLED, "left", transcript)
        if transcript.finish_reason is None:
            return self._end(flight, Outcome.FAILED, "no finish reason", transcript)
        return self._end(flight, Outcome.DONE, transcript.finish_reason, transcript)

    async def ask_whole(self, question: Question, further: JsonObject | None = None) -> Transcript:
        """Ask without streaming.

        Args:
            question: What to complete.
            further: Fields that replace or join those of the dialect.

        Returns:
            What the answer says.

        Raises:
            CompleterError: If the server cannot be reached, refuses, or gives no completion.
        """
        response = await self.post(self.make_body(question) | (further or {}))
        if response.status_code != HTTPStatus.OK:
            raise CompleterError(
                f"{self._address} refused with status {response.status_code}: "
                f"{shorten(response.text)}; the server must fill in the middle"
                + (f" and know the model {self.model!r}" if self.model else "")
            )
        try:
            return self.dialect.read_whole(response.json())
        except (StreamFault, ValueError) as error:
            raise CompleterError(
                f"{self._address} gave no completion ({error}); correct --url or --dialect"
            ) from None

    async def post(self, body: JsonObject | bytes) -> httpx.Response:
        """Send any body to the dialect's route and return the whole answer.

        Args:
            body: A JSON value, or bytes that shall go out as they are.

        Returns:
            The answer, whatever its status.

        Raises:
            CompleterError: If there is none.
        """
        try:
            if isinstance(body, bytes):
                headers = {"content-type": "application/json"}
                return await self._http.post(self.dialect.path, content=body, headers=headers)
            return await self._http.post(self.dialect.path, json=body)
        except httpx.HTTPError as error:
            raise CompleterError(
                f"no answer from {self._address} ({type(error).__name__}: {error}); start the "
                "server or correct --url"
            ) from error

    async def load_adapter(self, name: str) -> None:
        """Let fimserve load a LoRA adapter.

        Args:
            name: A folder of its adapter directory.

        Raises:
            CompleterError: If it does not.
        """
        try:
            response = await self._http.post("/v1/adapters", json={"name": name})
        except httpx.HTTPError as error:
            raise CompleterError(f"{self.root} cannot be asked for adapters ({error})") from error
        if response.status_code != HTTPStatus.OK:
            raise CompleterError(f"{self.root} loads no adapter {name}: {shorten(response.text)}")

    async def fetch_health(self) -> JsonObject | None:
        """Return what `GET /health` says, or None where it says nothing that is JSON."""
        try:
            health = (await self._http.get("/health", timeout=CONNECT_TIMEOUT_S)).json()
        except (httpx.HTTPError, ValueError):
            return None
        return health if isinstance(health, dict) else None

    def make_body(self, question: Question) -> JsonObject:
        """Return the body of a question in the server's dialect, not streamed."""
        asked = replace(question, order=question.order or self.order)
        return self.dialect.make_body(asked, self.model, self.abilities)

    @property
    def _address(self) -> str:
        return f"{self.root}{self.dialect.path}"

    async def _read(self, response: httpx.Response, flight: Flight, transcript: Transcript) -> None:
        splitter = EventSplitter()
        async for chunk in response.aiter_bytes():
            for event in splitter.feed(chunk):
                self.dialect.read_event(event, transcript)
                if transcript.pieces and flight.ttft_ms is None:
                    flight.note_text(self.clock_ms())

    def _refuse(self, flight: Flight, response: httpx.Response) -> Answer:
        is_refusal = response.status_code in REFUSALS
        return Answer(
            outcome=Outcome.REFUSED if is_refusal else Outcome.FAILED,
            started_ms=flight.started_ms,
            e2e_ms=self.clock_ms() - flight.started_ms,
            reason=f"status {response.status_code}",
            detail=shorten(response.text),
            has_retry_after="retry-after" in response.headers,
        )

    def _end(
        self,
        flight: Flight,
        outcome: Outcome,
        reason: str,
        transcript: Transcript,
        detail: str = "",
    ) -> Answer:
        return Answer(
            outcome=outcome,
            started_ms=flight.started_ms,
            e2e_ms=self.clock_ms() - flight.started_ms,
            ttft_ms=flight.ttft_ms,
            reason=reason,
            detail=detail,
            counts=transcript.counts,
            num_pieces=len(transcript.pieces),
            text=transcript.text,
        )


def find_root(url: str) -> str:
    """Return the address of a server without any route behind it.

    Args:
        url: `http://host:port`, with or without a completions route.

    Returns:
        The address, without a slash at its end.

    Raises:
        CompleterError: If the address has no http or https scheme.
    """
    if not url.startswith(("http://", "https://")):
        raise CompleterError(f"url is {url!r}; it must begin with http:// or https://")
    root = url.rstrip("/")
    for route in ROUTES:
        root = root.removesuffix(route)
    return root


def is_loopback(url: str) -> bool:
    """Return whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name_failure(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    return BROKEN


def check_done(answer: Answer, what: str) -> Answer:
    """Return an answer that must be whole.

    Args:
        answer: How a request ended.
        what: Address of the server, for the message.

    Returns:
        The same answer.

    Raises:
        CompleterError: If it is not.
    """
    if answer.outcome is not Outcome.DONE:
        raise CompleterError(
            f"{what} gave no whole completion ({answer.outcome}: {answer.reason}) "
            f"{answer.detail}".rstrip()
            + "; see its log"
            + ("" if answer.reason != BROKEN else ", or try --no-keep-alive")
        )
    return answer
