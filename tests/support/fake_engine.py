"""An engine that says what a test tells it to say, and remembers how it was treated.

It loads nothing, so framing, errors and disconnects are tested in milliseconds. A script is a
sequence of steps: a text becomes a delta, an exception is raised, an event is waited for, a delta
is handed on as it is.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from typing import TypeAlias

from fimserve.engine import (
    AdapterNotFound,
    Completion,
    CompletionDelta,
    CompletionRequest,
    EngineStats,
    InvalidRequest,
    Usage,
)
from fimserve.engine.completion import FinishReason

Step: TypeAlias = str | Exception | asyncio.Event | CompletionDelta

USAGE = Usage(
    prompt_tokens=19,
    cached_tokens=12,
    completion_tokens=9,
    queue_ms=0.5,
    ttft_ms=8.25,
    e2e_ms=41.0,
)
"""What every finished completion of the fake reports."""


class FakeEngine:
    """Follows a script for every request.

    Args:
        script: Steps of one completion; the last text carries the finish reason.
        finish_reason: How completions end; None ends them without saying so, as a bug would.
    """

    model_name = "fake-1b"
    max_context_tokens = 2048

    def __init__(
        self,
        script: Sequence[Step] = ("3.14159", " * r * r"),
        finish_reason: FinishReason | None = "stop",
    ) -> None:
        self.script = tuple(script)
        """Steps of the completions that begin from now on."""
        self._finish_reason = finish_reason
        self.requests: list[CompletionRequest] = []
        self.num_open = 0
        self.num_steps = 0
        self.is_closed = False
        # Threads wait for these: the engine runs in the server's.
        self.loaded_adapters: list[str] = []
        self.is_alive = True
        self.begun = threading.Event()
        self.ended = threading.Event()

    @property
    def last_request(self) -> CompletionRequest:
        """The newest request."""
        return self.requests[-1]

    async def open(self, request: CompletionRequest) -> AsyncGenerator[CompletionDelta]:
        """Yield what the script says.

        Args:
            request: Remembered.

        Yields:
            One delta per text.

        Raises:
            Exception: Where the script holds one.
        """
        self.requests.append(request)
        self.num_open += 1
        self.begun.set()
        script = self.script
        try:
            for index, step in enumerate(script):
                self.num_steps += 1
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                elif isinstance(step, CompletionDelta):
                    yield step
                else:
                    is_last = index == len(script) - 1 and self._finish_reason is not None
                    for choice in range(request.n):
                        yield CompletionDelta(
                            step,
                            (1,),
                            self._finish_reason if is_last else None,
                            USAGE if is_last and choice == request.n - 1 else None,
                            choice,
                        )
        finally:
            self.num_open -= 1
            self.ended.set()

    def complete_blocking(self, request: CompletionRequest) -> Completion:
        """Return the script's texts at once.

        Args:
            request: Remembered.
        """
        self.requests.append(request)
        text = "".join(step for step in self.script if isinstance(step, str))
        return Completion(text, self._finish_reason or "stop", USAGE)

    def tokenise(self, text: str) -> list[int]:
        """Return the bytes of a text: a tokenizer of 256 tokens."""
        return list(text.encode())

    def detokenise(self, token_ids: Sequence[int]) -> str:
        """Return the text of some bytes.

        Args:
            token_ids: Bytes.

        Raises:
            InvalidRequest: If one is no byte.
        """
        for token_id in token_ids:
            if not 0 <= token_id < 256:
                raise InvalidRequest(f"token id is {token_id}; use 0 to 255")
        return bytes(token_ids).decode("utf-8", "replace")

    def token_bytes(self, token_id: int) -> bytes:
        """Return a byte, or nothing."""
        return bytes([token_id]) if 0 <= token_id < 256 else b""

    def stats(self) -> EngineStats:
        """Return numbers that no other test double shows."""
        return EngineStats(
            num_blocks=64,
            num_free_blocks=61,
            block_tokens=32,
            num_running=2,
            num_waiting=1,
            num_restarts=0,
            is_alive=self.is_alive,
            adapters=tuple(self.loaded_adapters),
        )

    def available_adapters(self) -> tuple[str, ...]:
        """Return the names of two adapters."""
        return ("ours", "theirs")

    def load_adapter(self, name: str) -> None:
        """Remember that an adapter was loaded.

        Args:
            name: One of the available ones.

        Raises:
            AdapterNotFound: If it is not.
        """
        if name not in self.available_adapters():
            raise AdapterNotFound(f"adapter is {name!r}; the adapter directory holds: ours, theirs")
        self.loaded_adapters.append(name)

    def unload_adapter(self, name: str) -> bool:
        """Forget an adapter; return whether it was loaded."""
        was_loaded = name in self.loaded_adapters
        if was_loaded:
            self.loaded_adapters.remove(name)
        return was_loaded

    async def aclose(self) -> None:
        """Remember that the engine was closed."""
        self.is_closed = True
