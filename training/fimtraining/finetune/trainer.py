"""transformers' Trainer with what fine-tuning here needs of it, and no more.

Rows come in their own order, whatever the number of processes. A checkpoint counts once its marker
is there: the marker is written last and synced, so a process that is killed while it saves leaves
one that is passed over.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import torch
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

MARKER = "complete"
CHECKPOINT = re.compile(r"checkpoint-(\d+)")
METRICS_FILE = "metrics.jsonl"


class RowTrainer(Trainer):
    """Trains on rows in the order in which they lie on disk."""

    def _get_train_sampler(self, *arguments: Any) -> Sampler[int]:
        return SequentialSampler(cast(Sized, self.train_dataset))


class RunLog(TrainerCallback):
    """Writes metrics as JSON lines, and the marker of each whole checkpoint.

    Args:
        directory: Directory of the run.
        tokens_per_step: Places of the rows of one update.
    """

    def __init__(self, directory: Path, tokens_per_step: int) -> None:
        self._directory, self._tokens_per_step = directory, tokens_per_step
        self._started_s: float | None = None
        self._started_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock, and drop lines of steps that this run will take again."""
        self._started_s, self._started_step = time.monotonic(), state.global_step
        if state.is_world_process_zero:
            self._keep_until(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Append what was logged, with the step and the tokens so far."""
        if not state.is_world_process_zero or not logs:
            return
        line: dict[str, float] = {
            "step": state.global_step,
            "tokens": state.global_step * self._tokens_per_step,
            **{name: value for name, value in logs.items() if isinstance(value, int | float)},
        }
        if self._started_s is not None and state.global_step > self._started_step:
            seconds = time.monotonic() - self._started_s
            tokens = (state.global_step - self._started_step) * self._tokens_per_step
            line["tokens_per_s"] = round(tokens / seconds, 1)
        if torch.cuda.is_available():
            line["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 3)
        with (self._directory / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Mark the checkpoint that was just written as whole."""
        if state.is_world_process_zero:
            mark_checkpoint(self._directory / f"checkpoint-{state.global_step}")

    def _keep_until(self, step: int) -> None:
        path = self._directory / METRICS_FILE
        if not path.exists():
            return
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        kept = "".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step)
        part = path.with_suffix(".part")
        part.write_text(kept, encoding="utf-8")
        part.replace(path)


def mark_checkpoint(directory: Path) -> None:
    """Sync a checkpoint's files and write its marker.

    Args:
        directory: A checkpoint; one that the limit on checkpoints took away again is passed over.
    """
    if not directory.is_dir():
        return
    for path in directory.rglob("*"):
        if path.is_file():
            _sync(path)
    marker = directory / MARKER
    marker.touch()
    _sync(marker)
    _sync(directory)


def find_checkpoint(directory: Path) -> Path | None:
    """Return the newest whole checkpoint of a run, and delete those that are not whole.

    Args:
        directory: Directory of the run.

    Returns:
        The checkpoint, None where there is none.
    """
    found: dict[int, Path] = {}
    for path in directory.glob("checkpoint-*"):
        match = CHECKPOINT.fullmatch(path.name)
        if match and (path / MARKER).exists():
            found[int(match[1])] = path
        elif match:
            shutil.rmtree(path)
    return found[max(found)] if found else None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
