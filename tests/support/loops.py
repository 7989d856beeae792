"""An engine's loop driven by hand, one step at a time, without a thread.

What the engine does between two steps becomes a line of a test; the clock stands still unless told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fimserve.engine import CompletionDelta, CompletionRequest, EngineSettings
from fimserve.engine.assembly import Assembly
from fimserve.engine.kv_manager import CacheKey
from fimserve.engine.loop import EngineLoop
from fimserve.engine.ticket import Delivery, Ticket
from fimserve.models import LoadedModel


@dataclass(slots=True)
class Asked:
    """Holds a request given to the loop, and what came of it."""

    ticket: Ticket
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def deltas(self) -> list[CompletionDelta]:
        """Pieces of the answer so far; an exception is raised."""
        for item in self.deliveries:
            if isinstance(item, Exception):
                raise item
        return [item for item in self.deliveries if isinstance(item, CompletionDelta)]

    @property
    def is_over(self) -> bool:
        """Whether the last piece, or an exception, has come."""
        last = self.deliveries[-1] if self.deliveries else None
        return isinstance(last, Exception) or (last is not None and last.usage is not None)

    @property
    def token_ids(self) -> list[int]:
        """Tokens written so far."""
        return [token_id for delta in self.deltas for token_id in delta.token_ids]

    @property
    def text(self) -> str:
        """Text told so far."""
        return "".join(delta.text for delta in self.deltas)


class HandLoop:
    """Drives the loop of one model.

    Args:
        loaded: The model.
        now_ms: The loop's clock; stands at 0 when absent.
        settings: Settings of the engine.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        settings: EngineSettings | None = None,
        now_ms: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.now_ms = now_ms
        self.assembly = Assembly(loaded, settings or EngineSettings(kv_memory_mib=4), now_ms)
        self.loop: EngineLoop = self.assembly.make_loop()

    @contextmanager
    def less_memory(self, num_tokens: int) -> Iterator[None]:
        """Leave room for so many tokens and hold the rest, until the context ends.

        Args:
            num_tokens: Tokens that fit into what is left.
        """
        kv = self.loop.parts.kv
        squatter = kv.lease(CacheKey("squatter"), [0])
        num_held = (kv.num_blocks - num_tokens // kv.block_tokens) * kv.block_tokens
        assert kv.reserve(squatter, num_held)
        yield
        kv.release(squatter, [])

    def ask(self, request: CompletionRequest) -> Asked:
        """Give a request to the loop without running a step."""
        asked = Asked(Ticket(request, self.now_ms(), lambda item: asked.deliveries.append(item)))
        self.loop.submit(asked.ticket)
        return asked

    def finish(self) -> None:
        """Run steps until nothing is left to do."""
        for _ in range(100_000):
            if self.loop.is_idle:
                return
            self.loop.step()
        raise AssertionError("the loop does not come to an end")

    def complete(self, request: CompletionRequest) -> Asked:
        """Answer one request to its end, and check every count."""
        asked = self.ask(request)
        self.finish()
        assert asked.is_over
        self.loop.check_integrity()
        return asked
