"""Generating: ask a model for every row that its file lacks, one at a time, and keep raw answers.

Knows neither references nor rules. Interrupting is safe at any moment; running again continues.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fimeval.completer import Completer, EvalPrompt, Stopping, make_prompt
from fimeval.generations import (
    Generation,
    Generations,
    RunSettings,
    Session,
    append_generation,
    append_session,
    load_generations,
    open_generations,
)
from fimeval.provenance import describe_provenance
from fimeval.task import Task
from fimserve.prompt import Order

TEMPERATURE = 0.0


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What the settings of a run say about the model."""

    name: str
    weights_sha256: str | None = None
    url: str | None = None
    order: Order | None = None
    device: str | None = None
    dtype: str | None = None
    stopping: Stopping = "own"
    heal: bool | None = None
    trim: bool | None = None
    adapter: str | None = None
    adapter_sha256: str | None = None


def make_settings(task: Task, model: ModelIdentity) -> RunSettings:
    """Return the settings that all answers of a run share."""
    return RunSettings(
        task=task.name,
        subset=task.subset,
        data_file=task.data_path.name,
        data_sha256=task.data_sha256,
        limit=task.limit,
        model=model.name,
        weights_sha256=model.weights_sha256,
        url=model.url,
        order=None if model.order is None else model.order.value,
        max_tokens=task.max_tokens,
        temperature=TEMPERATURE,
        device=model.device,
        dtype=model.dtype,
        stopping=model.stopping,
        heal=model.heal,
        trim=model.trim,
        adapter=model.adapter,
        adapter_sha256=model.adapter_sha256,
    )


def generate(
    task: Task,
    model: ModelIdentity,
    completer: Completer,
    path: Path,
    on_progress: Callable[[int], None] = lambda num_done: None,
    hash_rendered: Callable[[EvalPrompt], str | None] = lambda prompt: None,
    clock_s: Callable[[], float] = time.perf_counter,
) -> Generations:
    """Answer every row that the generations file lacks, in the order of the task.

    Args:
        task: The rows.
        model: Who answers; part of the file's settings.
        completer: The model as a callable.
        path: Generations file, started or continued.
        on_progress: Called with the number of answered rows, at the start and after each.
        hash_rendered: Gives the hash of a prompt's token ids, where the caller knows them; called
            outside the measured time.
        clock_s: Clock in seconds, for the latency of each answer.

    Returns:
        The whole file.
    """
    found = open_generations(path, make_settings(task, model))
    missing = [record for record in task.records if record.key not in found.rows]
    if missing:
        append_session(path, Session(str(task.data_path), describe_provenance()))
    num_done = len(found.rows)
    on_progress(num_done)
    for record in missing:
        prompt = make_prompt(record, model.order, task.max_tokens)
        started_s = clock_s()
        completion = completer(prompt)
        latency_ms = (clock_s() - started_s) * 1e3
        append_generation(
            path,
            Generation(
                task_id=record.key.task_id,
                language=record.key.language,
                prompt_sha256=prompt.sha256(),
                rendered_sha256=hash_rendered(prompt),
                text=completion.text,
                finish_reason=completion.finish_reason,
                latency_ms=round(latency_ms, 3),
                num_prompt_tokens=completion.num_prompt_tokens,
                num_completion_tokens=completion.num_completion_tokens,
            ),
        )
        num_done += 1
        on_progress(num_done)
    return load_generations(path)
