"""Loads a model into this process: for `complete` without a server, and for `serve`.

Shows that something is happening while it loads, and turns what the rooms below refuse into a
message for the command line.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fimserve.cli.completed import Completed
from fimserve.cli.failure import Failure
from fimserve.cli.question import Question
from fimserve.cli.settings import Settings

if TYPE_CHECKING:
    from fimserve.engine import Engine

__all__ = ["LoadedEngine", "complete_here", "load_engine"]


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """An engine, and what people want to know of it."""

    engine: "Engine"
    num_parameters: int
    dtype: str
    """Precision of the weights in memory, such as `bf16` or `int8-dynamic`."""
    device: str
    load_ms: float


def load_engine(settings: Settings) -> LoadedEngine:
    """Load the model that the settings name, with a spinner where a terminal shows it.

    Args:
        settings: Model, device and precision.

    Returns:
        The engine, with its worker running.

    Raises:
        Failure: If the model cannot be found or loaded.
    """
    from rich.console import Console

    started_s = time.perf_counter()
    # Importing torch is much of the wait, so the spinner starts before.
    with Console(stderr=True).status(f"Loading {settings.model} ..."):
        from fimserve.engine import Engine, EngineError
        from fimserve.models import ModelError, load_model

        try:
            loaded = load_model(settings.model, settings.device, settings.dtype)
            engine = Engine(loaded, settings.engine)
        except (ModelError, EngineError) as error:
            raise Failure(str(error)) from None
    return LoadedEngine(
        engine=engine,
        num_parameters=loaded.model.num_parameters,
        dtype=loaded.model.precision,
        device=str(loaded.model.device),
        load_ms=(time.perf_counter() - started_s) * 1000.0,
    )


def complete_here(settings: Settings, question: Question) -> Completed:
    """Load the model and complete once, greedily.

    Args:
        settings: Model, device and precision.
        question: What to complete.

    Returns:
        The completion, its timings with the time it took to load.

    Raises:
        Failure: If the model cannot be loaded or the question cannot be served.
    """
    loaded = load_engine(settings)
    from fimserve.engine import CompletionRequest, EngineError

    request = CompletionRequest(
        prefix=question.cursor.prefix,
        suffix=question.cursor.suffix,
        path=question.cursor.path,
        snippets=question.snippets,
        max_tokens=question.max_tokens,
        multiline=question.multiline,
        streamed=False,
    )
    started_s = time.perf_counter()
    try:
        with loaded.engine as engine:
            completion = engine.complete_blocking(request)
    except EngineError as error:
        raise Failure(str(error)) from None
    usage = completion.usage
    return Completed(
        text=completion.text,
        finish_reason=completion.finish_reason,
        source="local",
        model=engine.model_name,
        usage={
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "completion_tokens": usage.completion_tokens,
        },
        timings={
            "queue_ms": usage.queue_ms,
            "ttft_ms": usage.ttft_ms,
            "e2e_ms": usage.e2e_ms,
            "total_ms": (time.perf_counter() - started_s) * 1000.0,
            "load_ms": loaded.load_ms,
        },
    )
