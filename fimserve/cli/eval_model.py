"""A model that `fimserve eval` can ask: the engine in this process, or a server by its address.

Knows of the model what a result must say: name, hash of the weights, order, device, precision.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fimeval.completer import Completer, Completion, EvalPrompt, Stopping
from fimeval.errors import CompleterError
from fimeval.generate import ModelIdentity
from fimeval.http_completer import HttpCompleter
from fimeval.provenance import hash_weights
from fimserve.cli.failure import Failure
from fimserve.prompt import Order, PromptParts, Renderer

if TYPE_CHECKING:
    from fimserve.engine import Engine
    from fimserve.engine.healing import HealingIndex
    from fimserve.models import CausalModel

__all__ = ["EvalModel", "Serving", "open_engine", "open_server"]

TENANT = "eval"


@dataclass(frozen=True, slots=True)
class EvalModel:
    """A model ready to be asked."""

    identity: ModelIdentity
    completer: Completer
    hash_rendered: Callable[[EvalPrompt], str | None]
    """Hash of the prompt's token ids; None where they are not known here."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What of the engine's own doing a run is asked to use."""

    stopping: Stopping = "own"
    """"served" leaves line mode, and an order not given, to the engine."""
    heal: bool = True
    """Whether the token that the cursor splits is healed."""
    trim: bool = True
    """Whether served answers are trimmed; the model's own stopping never is."""

    @property
    def trims(self) -> bool:
        """Whether answers are trimmed."""
        # The model's own stopping is what the literature reports: nothing is trimmed then.
        return self.trim and self.stopping == "served"


@contextmanager
def open_server(url: str, model: str) -> Iterator[EvalModel]:
    """Give a model behind an address.

    Args:
        url: Address of an OpenAI-compatible server.
        model: The model's name there.

    Yields:
        EvalModel: The server renders prompts, so order and token ids stay unknown.
    """
    with HttpCompleter(url, model) as completer:
        identity = ModelIdentity(model, url=url, stopping="served")
        yield EvalModel(identity, completer, lambda prompt: None)


@contextmanager
def open_engine(
    name: str,
    order: Order | None,
    device: str,
    dtype: str,
    serving: Serving = Serving(),
    adapter: Path | None = None,
) -> Iterator[EvalModel]:
    """Load a model into this process.

    Args:
        name: embedded, a directory or a hub id.
        order: Order of the prompts; None takes the one the model prefers.
        device: auto, cpu, cuda or cuda:N.
        dtype: auto, bf16 or fp32.
        serving: What the engine does besides writing what the model would.
        adapter: Directory of a LoRA adapter to ask; None asks the model as it is.

    Yields:
        EvalModel: It answers greedily and remembers nothing between questions.

    Raises:
        Failure: If model or adapter cannot be loaded, or the model was not trained for the order.
    """
    from fimserve.engine import Engine, EngineError, EngineSettings, make_renderer
    from fimserve.models import ModelError, load_model, resolve_model

    try:
        weights_sha256 = hash_weights(resolve_model(name))
        loaded = load_model(name, device, dtype)
        renderer = make_renderer(loaded)
        settings = EngineSettings(adapters=None if adapter is None else adapter.parent)
        engine = Engine(loaded, settings)
    except ModelError as error:
        raise Failure(str(error)) from None
    with engine:
        if adapter is not None:
            try:
                engine.load_adapter(adapter.name)
            except (EngineError, ModelError) as error:
                raise Failure(f"--adapter: {error}") from None
        if order is None and serving.stopping == "own":
            order = Order(loaded.default_order or renderer.format.default_order)
        if order and loaded.orders and order not in loaded.orders:
            raise Failure(
                f"--order is {order}; {loaded.name} was trained for {', '.join(loaded.orders)}"
            )
        identity = ModelIdentity(
            name=loaded.name,
            weights_sha256=weights_sha256,
            order=order,
            device=_describe_device(loaded.model),
            dtype=loaded.model.precision,
            stopping=serving.stopping,
            heal=serving.heal,
            trim=serving.trims,
            adapter=adapter.name if adapter else None,
            adapter_sha256=hash_weights(adapter) if adapter else None,
        )
        index = _make_index(renderer) if serving.heal else None
        yield EvalModel(
            identity,
            lambda prompt: _ask_engine(engine, prompt, serving, identity.adapter),
            lambda prompt: _hash_rendered(renderer, index, engine.max_context_tokens, prompt),
        )


def _ask_engine(
    engine: "Engine", prompt: EvalPrompt, serving: Serving, adapter: str | None
) -> Completion:
    from fimserve.engine import CompletionRequest, EngineError

    request = CompletionRequest(
        prefix=prompt.prefix,
        suffix=prompt.suffix,
        language=prompt.language,
        snippets=prompt.snippets,
        max_tokens=prompt.max_tokens,
        multiline=True if serving.stopping == "own" else None,
        temperature=0.0,
        order=prompt.order,
        tenant=TENANT,
        adapter=adapter,
        heal=serving.heal,
        trim=serving.trims,
        priority="background",
    )
    try:
        answer = engine.complete_blocking(request)
    except EngineError as error:
        raise CompleterError(str(error)) from error
    if answer.finish_reason == "cancelled":
        raise CompleterError("the engine was closed before the answer was whole; run again")
    return Completion(
        text=answer.text,
        finish_reason=answer.finish_reason,
        num_prompt_tokens=answer.usage.prompt_tokens,
        num_completion_tokens=answer.usage.completion_tokens,
    )


def _make_index(renderer: Renderer) -> "HealingIndex":
    from fimserve.engine.healing import HealingIndex

    encoder = renderer.encoder
    return HealingIndex(encoder.token_bytes, encoder.vocab_size, encoder.special_ids)


def _hash_rendered(
    renderer: Renderer, index: "HealingIndex | None", max_context_tokens: int, prompt: EvalPrompt
) -> str | None:
    if prompt.order is None:
        return None  # the engine chooses by the place
    from fimserve.engine.healing import cut

    parts = PromptParts(
        prompt.prefix, prompt.suffix, language=prompt.language, snippets=prompt.snippets
    )
    kept, removed = prompt.prefix, b""
    if index is not None:
        parts = parts.with_lf()
        kept, removed, _ = cut(parts.prefix, renderer.encoder, index)
    ids = renderer.render(replace(parts, prefix=kept), prompt.order).token_ids
    if len(ids) + len(removed) + prompt.max_tokens > max_context_tokens:
        return None  # the engine cuts such a prompt, by a rule that is its own affair
    return hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()


def _describe_device(model: "CausalModel") -> str:
    import torch

    device = model.device
    if device.type != "cuda":
        return str(device)
    return f"{device} {torch.cuda.get_device_name(device)}"
