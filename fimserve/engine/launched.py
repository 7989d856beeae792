"""A step that was launched: what comes out of it is read later, or not at all."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from fimserve.engine.step_program import StepOutput


class Launched(Protocol):
    """Says what can be asked of a step on its way."""

    def read(self) -> tuple[Tensor, list[int]]:
        """Wait for the step; return its scores [R, V] fp32 and the id of each row's best one."""


class EagerLaunch:
    """Holds the scores of a step that was computed at once.

    Args:
        scores: [R, V] fp32.
    """

    def __init__(self, scores: Tensor) -> None:
        self._scores = scores

    def read(self) -> tuple[Tensor, list[int]]:
        """Return the scores and the best ids."""
        best: list[int] = self._scores.argmax(dim=-1).tolist()
        return self._scores, best


class BufferedLaunch:
    """Holds a step whose output lies in memory that the next step of its size overwrites.

    The chosen ids are copied to the host behind the step; reading waits for that copy alone, and
    not for what was launched after it.

    Args:
        output: Where the step writes.
        num_scores: Rows of it that count.
    """

    def __init__(self, output: StepOutput, num_scores: int) -> None:
        self.output, self.num_scores = output, num_scores
        chosen = output.chosen[:num_scores]
        self._copied: torch.cuda.Event | None = None
        if chosen.device.type == "cuda":
            self._ids = torch.empty(num_scores, dtype=torch.int64, pin_memory=True)
            self._ids.copy_(chosen, non_blocking=True)
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()
        else:
            self._ids = chosen.clone()

    def read(self) -> tuple[Tensor, list[int]]:
        """Wait for the chosen ids; return the scores, unread, and the ids."""
        if self._copied is not None:
            self._copied.synchronize()
        best: list[int] = self._ids.tolist()
        return self.output.scores[: self.num_scores], best
