"""The engine: requests in, streams of text out, from asyncio or from plain code.

First cut behind the final interface: one worker thread, one request at a time in the order of
arrival, a cache per session. Torch's own choice of CPU threads is left alone.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncGenerator
from types import TracebackType

from fimserve.engine.completer import Completer, CompleterSettings
from fimserve.engine.completion import Completion, CompletionDelta
from fimserve.engine.errors import BrokenEngine
from fimserve.engine.request import CompletionRequest
from fimserve.engine.ticket import Delivery, Ticket
from fimserve.engine.worker import Worker
from fimserve.models import BrokenCheckpoint, LoadedModel, UnsupportedModel, load_model
from fimserve.prompt import (
    FimFormat,
    Order,
    PromptError,
    Renderer,
    TextEncoder,
    detect_format,
    load_format,
)


class Engine:
    """Completes code with one model, for any number of callers.

    A context manager that closes itself; closing cancels all work.

    Args:
        loaded: The model.
        settings: Limits; the usual ones when absent.
    """

    def __init__(self, loaded: LoadedModel, settings: CompleterSettings | None = None) -> None:
        renderer = make_renderer(loaded)
        self._loaded = loaded
        self._completer = Completer(loaded, renderer, settings or CompleterSettings(), _now_ms)
        self._worker = Worker(self._completer.complete, _now_ms)

    @classmethod
    def load(
        cls,
        model: str = "embedded",
        device: str = "auto",
        dtype: str = "auto",
        allow_download: bool = True,
        settings: CompleterSettings | None = None,
    ) -> Engine:
        """Return an engine on a model by its name.

        Fails with a ModelError where the model is not found, damaged or not supported.

        Args:
            model: "embedded", a checkpoint directory, or a hub id.
            device: "auto", "cpu", "cuda" or "cuda:N".
            dtype: "auto", "bf16" or "fp32".
            allow_download: Whether the hub may be asked.
            settings: Limits; the usual ones when absent.

        Returns:
            The engine, with its worker thread running.
        """
        return cls(load_model(model, device, dtype, allow_download), settings)

    @property
    def model_name(self) -> str:
        """Name of the model, for people and for answers."""
        return self._loaded.name

    @property
    def max_context_tokens(self) -> int:
        """Tokens that prompt and completion may have together; longer prompts are cut."""
        return self._loaded.config.max_context_tokens

    @property
    def num_unfinished(self) -> int:
        """Number of requests waiting or worked on."""
        return self._worker.num_unfinished

    async def open(self, request: CompletionRequest) -> AsyncGenerator[CompletionDelta, None]:
        """Yield the pieces of a completion as they are written.

        Work begins when the first piece is asked for. Closing the generator, or cancelling the
        task that reads it, ends the work at its next step. A request that cannot be served raises
        InvalidRequest, a closed engine EngineClosed.

        Args:
            request: What to complete.

        Yields:
            CompletionDelta: Text; the last one has finish_reason and usage.
        """
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[Delivery] = asyncio.Queue()

        def deliver(item: Delivery) -> None:
            try:
                loop.call_soon_threadsafe(inbox.put_nowait, item)
            except RuntimeError:  # the loop was closed: nobody waits any more
                ticket.cancel()

        ticket = Ticket(request, _now_ms(), deliver)
        self._worker.submit(ticket)
        try:
            while True:
                delta = _unwrap(await inbox.get())
                yield delta
                if delta.finish_reason is not None:
                    return
        finally:
            self._worker.cancel(ticket)

    def complete_blocking(self, request: CompletionRequest) -> Completion:
        """Return a whole completion; for programs without an event loop.

        Fails as `open` does.

        Args:
            request: What to complete.

        Returns:
            Text, finish_reason and usage.
        """
        inbox: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        ticket = Ticket(request, _now_ms(), inbox.put)
        self._worker.submit(ticket)
        texts: list[str] = []
        try:
            while True:
                delta = _unwrap(inbox.get())
                texts.append(delta.text)
                if delta.finish_reason is not None and delta.usage is not None:
                    return Completion("".join(texts), delta.finish_reason, delta.usage)
        finally:
            self._worker.cancel(ticket)

    def check_integrity(self) -> None:
        """Check, while no request is worked on, that no session is lost or inconsistent.

        Raises:
            BrokenEngine: If one is, or a request is being worked on.
        """
        if self.num_unfinished:
            raise BrokenEngine(f"{self.num_unfinished} requests are unfinished; check when idle")
        self._completer.sessions.check_integrity()

    def close(self) -> None:
        """Cancel all work, end the worker thread and forget all sessions."""
        self._worker.close()
        self._completer.sessions.clear()

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


def make_renderer(loaded: LoadedModel) -> Renderer:
    """Return what writes the prompts of a model.

    Fails with UnsupportedModel where neither checkpoint nor tokenizer tells the family.

    Args:
        loaded: The model.

    Returns:
        The renderer of its family with its own tokenizer.

    Raises:
        BrokenCheckpoint: If the checkpoint's family or orders do not exist or do not fit.
    """
    try:
        encoder = TextEncoder.from_file(loaded.encoder_path)
        renderer = Renderer(_find_format(loaded, encoder), encoder)
        for order in (
            *loaded.orders,
            *filter(None, [loaded.default_order, loaded.multiline_order]),
        ):
            renderer.format.template(Order(order))
    except (PromptError, ValueError) as error:
        raise BrokenCheckpoint(f"{loaded.encoder_path.parent}: {error}") from error
    return renderer


def _find_format(loaded: LoadedModel, encoder: TextEncoder) -> FimFormat:
    if loaded.family is not None:
        return load_format(loaded.family)
    detected = detect_format(lambda token: encoder.token_id(token) is not None)
    if detected is None:
        raise UnsupportedModel(
            f"{loaded.name} tells no FIM family and its tokenizer has no known FIM markers; "
            'write fim.json beside config.json: {"family": ...}'
        )
    return detected


def _unwrap(item: Delivery) -> CompletionDelta:
    if isinstance(item, Exception):
        raise item
    return item


def _now_ms() -> float:
    return time.perf_counter() * 1000
