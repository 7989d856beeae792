"""The engine: requests in, streams of text out, from asyncio or from plain code.

Owns the door and nothing behind it: `assembly.py` puts the parts together, `bridge.py` runs them on
a thread of their own. Torch's own choice of CPU threads is left alone.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from types import TracebackType

from fimserve.engine.assembly import Assembly, now_ms
from fimserve.engine.bridge import Bridge
from fimserve.engine.completion import Completion, CompletionDelta, TokenLogprob, Usage
from fimserve.engine.errors import BrokenEngine, InvalidRequest
from fimserve.engine.loop import EngineLoop
from fimserve.engine.model_card import ModelCard
from fimserve.engine.next_line import Lead, find_lead
from fimserve.engine.request import CompletionRequest
from fimserve.engine.settings import EngineSettings
from fimserve.engine.stats import EngineStats
from fimserve.engine.ticket import Delivery
from fimserve.models import LoadedModel, load_model, run_aside


class Engine:
    """Completes code with one model, for any number of callers.

    A context manager that closes itself; closing cancels all work.

    Args:
        loaded: The model.
        settings: Limits; the usual ones when absent.
    """

    def __init__(self, loaded: LoadedModel, settings: EngineSettings | None = None) -> None:
        self._assembly = Assembly(loaded, settings or EngineSettings())
        self._bridge = Bridge(self._assembly.make_loop)

    @classmethod
    def load(
        cls,
        model: str = "embedded",
        device: str = "auto",
        dtype: str = "auto",
        allow_download: bool = True,
        settings: EngineSettings | None = None,
    ) -> Engine:
        """Return an engine on a model by its name.

        Fails with a ModelError where the model is not found, damaged or not supported.

        Args:
            model: "embedded", a checkpoint directory, or a hub id.
            device: "auto", "cpu", "cuda" or "cuda:N".
            dtype: Precision of the weights, "auto" or one of `fimserve.models`.
            allow_download: Whether the hub may be asked.
            settings: Limits; the usual ones when absent.

        Returns:
            The engine, with its thread running.
        """
        return cls(load_model(model, device, dtype, allow_download), settings)

    @property
    def model_name(self) -> str:
        """Name of the model, for people and for answers."""
        return self._assembly.loaded.name

    @property
    def card(self) -> ModelCard:
        """What clients may know of the model."""
        return self._assembly.card

    @property
    def max_context_tokens(self) -> int:
        """Tokens that prompt and completion may have together; longer prompts are cut."""
        return self._assembly.loaded.config.max_context_tokens

    @property
    def num_unfinished(self) -> int:
        """Number of requests waiting or worked on."""
        return self._bridge.num_unfinished

    async def open(self, request: CompletionRequest) -> AsyncGenerator[CompletionDelta, None]:
        """Yield the pieces of a request's completions as they are written.

        Work begins when the first piece is asked for. Closing the generator, or cancelling the
        task that reads it, ends the work at its next step. A request that cannot be served raises
        InvalidRequest, one that cannot be served in time QueueFull, a closed engine EngineClosed.

        Args:
            request: What to complete.

        Yields:
            CompletionDelta: Text; the last one has the usage.
        """
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[Delivery] = asyncio.Queue()

        def deliver(item: Delivery) -> None:
            try:
                loop.call_soon_threadsafe(inbox.put_nowait, item)
            except RuntimeError:  # the loop was closed: nobody waits any more
                self._bridge.cancel(ticket)

        request, lead = _lead_on(request)
        ticket = self._bridge.submit(request, now_ms(), deliver)
        try:
            while True:
                delta = lead.put_before(_unwrap(await inbox.get()))
                yield delta
                if delta.usage is not None:
                    return
        finally:
            self._bridge.cancel(ticket)

    def complete_blocking(self, request: CompletionRequest) -> Completion:
        """Return a whole completion; for programs without an event loop.

        Fails as `open` does.

        Args:
            request: What to complete, once.

        Returns:
            Text, finish_reason and usage.

        Raises:
            InvalidRequest: If it asks for several completions.
        """
        if request.n != 1:
            raise InvalidRequest(f"n is {request.n}; use complete_many_blocking")
        return self.complete_many_blocking(request)[0]

    def complete_many_blocking(self, request: CompletionRequest) -> tuple[Completion, ...]:
        """Return the whole completions of a request, by index; fails as `open` does.

        Args:
            request: What to complete, `n` times.

        Returns:
            The completions.
        """
        inbox: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        request, lead = _lead_on(replace(request, streamed=False))
        ticket = self._bridge.submit(request, now_ms(), inbox.put)
        deltas: list[CompletionDelta] = []
        try:
            while True:
                deltas.append(lead.put_before(_unwrap(inbox.get())))
                if (usage := deltas[-1].usage) is not None:
                    return tuple(_join(deltas, index, usage) for index in range(request.n))
        finally:
            self._bridge.cancel(ticket)

    def tokenise(self, text: str) -> list[int]:
        """Return the ids of a text; markers in it are text, as everywhere."""
        return self._assembly.renderer.encoder.encode(text)

    def detokenise(self, token_ids: Sequence[int]) -> str:
        """Return the text of some ids, markers by their names.

        A BOS at the start is left out: every prompt gets its own.

        Args:
            token_ids: Ids of the model's tokenizer.

        Returns:
            The text; bytes that are no characters become U+FFFD.

        Raises:
            InvalidRequest: If an id is none of the tokenizer's.
        """
        renderer = self._assembly.renderer
        for token_id in token_ids:
            if not 0 <= token_id < renderer.encoder.vocab_size:
                limit = renderer.encoder.vocab_size - 1
                raise InvalidRequest(f"token id is {token_id}; use 0 to {limit}")
        bos = renderer.format.bos
        if bos is not None and token_ids and token_ids[0] == renderer.encoder.token_id(bos):
            token_ids = token_ids[1:]
        return renderer.encoder.spell(token_ids)

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token adds to a text: none for markers and unused ids."""
        return self._assembly.renderer.encoder.token_bytes(token_id)

    def stats(self) -> EngineStats:
        """Return what the engine says of itself; does not wait for its thread."""
        loop = self._bridge.loop
        return EngineStats(
            num_blocks=loop.parts.kv.num_blocks,
            num_free_blocks=loop.parts.kv.num_free_blocks,
            block_tokens=self._assembly.settings.block_tokens,
            num_running=loop.parts.scheduler.num_running,
            num_waiting=loop.parts.scheduler.num_waiting,
            num_restarts=self._bridge.num_restarts,
            is_alive=self._bridge.is_alive,
            adapters=loop.parts.adapters.loaded,
        )

    def load_adapter(self, name: str) -> None:
        """Load a LoRA adapter of the adapter directory, or replace it; requests go on meanwhile.

        Fails with AdapterNotFound where there is none of that name, and with a ModelError where
        it does not fit the model.
        """
        adapters = self._bridge.loop.parts.adapters
        weights = run_aside(lambda: adapters.read(name))  # no stream waits for files
        self._bridge.call(lambda loop: loop.parts.adapters.add(name, weights))

    def unload_adapter(self, name: str) -> bool:
        """Unload a LoRA adapter once no request uses it; return whether it was loaded."""
        return self._bridge.call(lambda loop: loop.parts.adapters.unload(name))

    def available_adapters(self) -> tuple[str, ...]:
        """Return the names of the adapters that could be loaded."""
        return self._bridge.loop.parts.adapters.available()

    def check_integrity(self) -> None:
        """Check, while no request is worked on, that nothing is lost or counted twice.

        Raises:
            BrokenEngine: If something is, or a request is being worked on.
        """
        if self.num_unfinished:
            raise BrokenEngine(f"{self.num_unfinished} requests are unfinished; check when idle")
        self._bridge.call(EngineLoop.check_integrity)

    def drain(self, timeout_s: float) -> bool:
        """Refuse new requests and wait for the others; return whether all ended in time.

        Args:
            timeout_s: Longest wait.

        Returns:
            Whether all did.
        """
        return self._bridge.drain(timeout_s)

    def close(self) -> None:
        """Cancel all work and end the thread."""
        self._bridge.close()

    async def aclose(self) -> None:
        """Do what `close` does without holding up the event loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Engine:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def _lead_on(request: CompletionRequest) -> tuple[CompletionRequest, Lead]:
    """Return a request as the model is asked, and what its completions begin with."""
    text = find_lead(request)
    return (replace(request, prefix=request.prefix + text) if text else request), Lead(text)


def _unwrap(item: Delivery) -> CompletionDelta:
    if isinstance(item, Exception):
        raise item
    return item


def _join(deltas: list[CompletionDelta], index: int, usage: Usage) -> Completion:
    mine = [delta for delta in deltas if delta.index == index]
    logprobs: list[TokenLogprob] = [entry for delta in mine for entry in delta.logprobs]
    reason = next(delta.finish_reason for delta in mine if delta.finish_reason is not None)
    return Completion("".join(delta.text for delta in mine), reason, usage, tuple(logprobs))
