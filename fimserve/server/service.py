"""What every route needs at hand: the engine, settings, the names the model answers to, metrics.

Also states what this room asks of an engine, which is all it knows of one.
"""

import difflib
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from starlette.requests import Request

from fimserve.engine import CompletionDelta, CompletionRequest, EngineStats, ModelCard
from fimserve.server.arm_desk import ArmDesk
from fimserve.server.drain import Drain
from fimserve.server.errors import UnknownModel, shorten
from fimserve.server.kind_desk import KindDesk
from fimserve.server.metrics import Metrics
from fimserve.server.metrics_desk import MetricsDesk
from fimserve.server.right_of_way import RightOfWay
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import EventStore

__all__ = ["CompletionEngine", "ModelNames", "ResolvedModel", "Service", "service_of"]

STANDING_NAMES = ("fimserve", "default")
"""Names that always mean the served model, whichever it is."""


class CompletionEngine(Protocol):
    """The part of an engine that the service uses."""

    @property
    def model_name(self) -> str:
        """Name of the loaded model, fit to be shown to clients: never a path."""

    @property
    def card(self) -> ModelCard:
        """What clients may know of the model."""

    @property
    def max_context_tokens(self) -> int:
        """Tokens that prompt and completion may have together."""

    def tokenise(self, text: str) -> list[int]:
        """Return the ids of a text, in which markers are text.

        Args:
            text: Any text.

        Returns:
            Ids of the model's tokenizer.
        """

    def detokenise(self, token_ids: Sequence[int]) -> str:
        """Return the text of some ids, markers by their names; fails with InvalidRequest.

        Args:
            token_ids: Ids of the model's tokenizer.

        Returns:
            The text, without a BOS at its start.
        """

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token adds to a text; none for markers.

        Args:
            token_id: Any number.

        Returns:
            The bytes.
        """

    def open(self, request: CompletionRequest) -> AsyncGenerator[CompletionDelta]:
        """Start a completion; closing the returned generator cancels it.

        Args:
            request: What to complete.
        """

    def stats(self) -> EngineStats:
        """Say what the engine holds and does at the moment."""

    def available_adapters(self) -> tuple[str, ...]:
        """Return the names of the adapters that could be loaded."""

    def load_adapter(self, name: str) -> None:
        """Load or replace a LoRA adapter; may take seconds.

        Args:
            name: One of the available ones.
        """

    def unload_adapter(self, name: str) -> bool:
        """Unload a LoRA adapter; return whether it was loaded.

        Args:
            name: The adapter.

        Returns:
            Whether it was.
        """

    async def aclose(self) -> None:
        """Stop all work and free the model."""


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The names under which the one loaded model is served."""

    served: str
    """The name that answers carry when the client gave none."""
    aliases: tuple[str, ...] = ()
    """Further names from the settings."""

    @property
    def listed(self) -> tuple[str, ...]:
        """Names that `GET /v1/models` shows, each once."""
        return tuple(dict.fromkeys((self.served, *self.aliases)))

    def is_own(self, name: str) -> bool:
        """Return whether a name means the served model, so that no adapter can be asked for by it.

        Args:
            name: A name.

        Returns:
            Whether it does.
        """
        return name in (*self.listed, *STANDING_NAMES)

    def resolve(self, asked: str | None, adapters: Collection[str] = ()) -> "ResolvedModel":
        """Return what the client's model name stands for.

        Args:
            asked: The client's model name; None or empty means whatever is served.
            adapters: LoRA adapters that are loaded: each is a model of its own to clients.

        Returns:
            The name that the answer carries, and the adapter if it is one's.

        Raises:
            UnknownModel: If the name is none of ours.
        """
        if not asked:
            return ResolvedModel(self.served)
        if self.is_own(asked):
            return ResolvedModel(asked)
        if asked in adapters:
            return ResolvedModel(asked, adapter=asked)
        known = (*self.listed, *STANDING_NAMES, *adapters)
        nearest = difflib.get_close_matches(asked, known, n=1)
        hint = f"Did you mean {nearest[0]!r}?" if nearest else f"Use {self.served!r}."
        raise UnknownModel(
            f"The model {shorten(asked)} is not served here. {hint}",
            param="model",
        )

    def resolve_or_served(
        self, asked: str | None, adapters: Collection[str] = ()
    ) -> "ResolvedModel":
        """Return what a name stands for; any name that is none of ours means the served model.

        For dialects whose clients name a vendor's model because they must.

        Args:
            asked: The client's model name.
            adapters: LoRA adapters that are loaded.

        Returns:
            The name that the answer carries, always one of ours, and the adapter if it is one's.
        """
        try:
            return self.resolve(asked, adapters)
        except UnknownModel:
            return ResolvedModel(self.served)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a client's model name stands for."""

    name: str
    """Name that the answer carries."""
    adapter: str | None = None
    """LoRA adapter over the served model; None for the model as it is."""


@dataclass(frozen=True, slots=True)
class Service:
    """One running service."""

    engine: CompletionEngine
    settings: ServerSettings
    names: ModelNames
    metrics: Metrics
    device: str | None = None
    """Where the model runs, as `/health` says it."""
    events: EventStore | None = None
    """Where events go; None where they are switched off."""
    arms: ArmDesk | None = None
    """Experiments; None where there can be none."""
    kinds: KindDesk | None = None
    """Says in events which syntax was completed; None where there are no events."""
    metrics_desk: MetricsDesk | None = None
    """What the dashboard asks; None where there are no events."""
    drain: Drain = field(default_factory=Drain)
    """Whether the service is stopping."""
    right_of_way: RightOfWay = field(default_factory=RightOfWay)
    """Whether completions are being computed, for those who let them go first."""
    started_monotonic_s: float = field(default_factory=time.monotonic)
    started_unix_s: int = field(default_factory=lambda: int(time.time()))

    @property
    def uptime_s(self) -> float:
        """Seconds since the service was made."""
        return time.monotonic() - self.started_monotonic_s


def service_of(request: Request) -> Service:
    """Return the service that answers this request."""
    return cast(Service, request.app.state.service)
