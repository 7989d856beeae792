"""Which servers are measured: address, dialect, model; opened and probed.

Starts this project's own service where no address is given.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fimeval.bench.client import BenchClient
from fimeval.bench.dialect import Dialect
from fimeval.bench.infill_dialect import InfillDialect
from fimeval.bench.openai_dialect import OpenAiDialect
from fimeval.bench.probe import probe_server
from fimeval.bench.token_prompts import load_token_prompts
from fimeval.bench.token_ruler import find_embedded_tokenizer
from fimeval.errors import EvalError
from fimeval.own_server import run_own_server
from fimserve.prompt import Order

DIALECTS = ("openai", "openai-ids", "llama-infill")


@dataclass(frozen=True, slots=True)
class Target:
    """One server to measure."""

    url: str | None
    """None starts this project's own service."""
    name: str = "server"
    """Name in tables."""
    dialect: str = "openai"
    """`openai` sends prompt and suffix, `openai-ids` whole prompts as token ids, `llama-infill`
    asks llama.cpp's own route."""
    model: str | None = None
    """The model's name there; of the own service, the model to load."""
    tokenizer: Path | None = None
    """For `openai-ids`; None takes the embedded model's."""
    family: str | None = None
    """Prompt format for `openai-ids`; None tells it by the tokenizer's markers."""
    order: Order | None = None
    """Order of the prompt where a scenario names none; None leaves it to the server."""
    adapter: Path | None = None
    """Directory of a LoRA adapter that the own service loads and is asked for."""
    keeps_alive: bool = True
    """Whether connections are used again; llama.cpp's server of 2026 breaks one in three."""


@dataclass(frozen=True, slots=True)
class OpenTarget:
    """A server that answers."""

    target: Target
    client: BenchClient
    health: dict[str, Any] | None = field(default=None)
    """What it said of itself when it was opened."""

    def describe(self) -> dict[str, Any]:
        """Return what a result says of the server: plain values."""
        target, abilities = self.target, self.client.abilities
        told = self.health or {}
        return {
            "name": target.name,
            "url": target.url,
            "dialect": target.dialect,
            "model": target.model,
            "adapter": target.adapter.name if target.adapter else None,
            "order": self.client.order,
            "keeps_alive": target.keeps_alive,
            "length_control": abilities.length_control,
            "orders": list(abilities.orders),
            "has_sessions": abilities.has_sessions,
            "health": {key: told[key] for key in HEALTH_KEYS if key in told},
        }


ADAPTERS_VARIABLE = "FIMSERVE_ENGINE_ADAPTERS"

HEALTH_KEYS = ("service", "version", "model", "device", "threads", "dtype", "commit")


@asynccontextmanager
async def open_targets(targets: tuple[Target, ...]) -> AsyncIterator[tuple[OpenTarget, ...]]:
    """Open and probe every server.

    Fails with EvalError where one cannot be started, reached or used.

    Args:
        targets: The servers.

    Yields:
        tuple[OpenTarget, ...]: The same, ready to be asked.
    """
    async with AsyncExitStack() as stack:
        yield tuple([await stack.enter_async_context(open_target(target)) for target in targets])


@asynccontextmanager
async def open_target(target: Target) -> AsyncIterator[OpenTarget]:
    """Open and probe one server.

    Fails with EvalError where it cannot be started, reached or used.

    Args:
        target: The server.

    Yields:
        OpenTarget: The same, ready to be asked.
    """
    dialect = make_dialect(target)
    async with AsyncExitStack() as stack:
        if target.url is None:
            # The own service has but one model, whatever its name; adapters have theirs.
            adapter = target.adapter
            url = stack.enter_context(
                run_own_server(target.model or "embedded", _make_environment(adapter))
            )
            name = adapter.name if adapter else None
            client = BenchClient(url, dialect, name, keeps_alive=target.keeps_alive)
        else:
            client = BenchClient(target.url, dialect, target.model, keeps_alive=target.keeps_alive)
        await stack.enter_async_context(client)
        if target.url is None and target.adapter is not None:
            await client.load_adapter(target.adapter.name)
        client.abilities = await probe_server(client)
        client.order = _check_order(target.order, client)
        yield OpenTarget(target, client, await client.fetch_health())


def _make_environment(adapter: Path | None) -> dict[str, str]:
    return {} if adapter is None else {ADAPTERS_VARIABLE: str(adapter.resolve().parent)}


def _check_order(order: Order | None, client: BenchClient) -> Order | None:
    known = client.abilities.orders
    if order is not None and known and order not in known:
        raise EvalError(f"order is {order}; {client.root} takes {', '.join(known)}")
    # A server that has no say in it is asked as ever: a comparison has but one --order.
    return order if known else None


def make_dialect(target: Target) -> Dialect:
    """Return the dialect that a target is asked in.

    Args:
        target: Names the dialect.

    Returns:
        The dialect.

    Raises:
        EvalError: If there is no dialect of that name.
    """
    if target.dialect == "openai":
        return OpenAiDialect()
    if target.dialect == "openai-ids":
        tokenizer = target.tokenizer or find_embedded_tokenizer()
        return OpenAiDialect(load_token_prompts(tokenizer, target.family))
    if target.dialect == "llama-infill":
        return InfillDialect()
    raise EvalError(f"dialect is {target.dialect!r}; use one of {', '.join(DIALECTS)}")
