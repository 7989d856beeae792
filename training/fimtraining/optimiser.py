"""The optimisers of a pretraining run and its learning-rate schedule.

Matrices of the blocks go to Muon or AdamW, as the recipe says; embeddings and norms always to
AdamW. Muon: https://kellerjordan.github.io/posts/muon, with updates scaled to AdamW's size
(arXiv 2502.16982), so that both take the same learning rate.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from fimtraining.batched_muon import BatchedMuon


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """How weights are updated."""

    matrices: Literal["muon", "adamw"] = "muon"
    """Optimiser of the blocks' matrices."""
    learning_rate: float = 3e-3
    """Peak, for every weight."""
    weight_decay: float = 0.1
    """Of matrices; embeddings and norms have none."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Of AdamW."""
    momentum: float = 0.95
    """Of Muon."""
    max_grad_norm: float = 1.0
    """Gradients above this norm are scaled down."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Warm-up, stable, decay (WSD, arXiv 2404.06395)."""

    num_steps: int = 6000
    warmup_steps: int = 150
    decay_share: float = 0.25
    """Share of the steps at the end over which the rate falls linearly to zero."""

    def factor(self, step: int, end: int | None = None) -> float:
        """Return the share of the peak learning rate at a step, counted from 0.

        Args:
            step: Steps done.
            end: Steps after which the run ends, where that is not `num_steps`.

        Returns:
            0 at the end, 1 at the peak.
        """
        end = self.num_steps if end is None else end
        warm = (step + 1) / max(1, self.warmup_steps)
        cool = (end - step) / max(1.0, self.decay_share * end)
        return max(0.0, min(1.0, warm, cool))


class Optimisers:
    """Steps all optimisers of a model together.

    Args:
        model: Model with fp32 weights.
        settings: Rates and decay.
    """

    def __init__(self, model: nn.Module, settings: OptimiserSettings) -> None:
        self.settings = settings
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        aside = ("embed_tokens", "horizon_head")  # of an output layer Muon makes nothing good
        is_matrix = {n: p.ndim == 2 and not any(a in n for a in aside) for n, p in named}
        matrices = [p for n, p in named if is_matrix[n]]
        others = [p for n, p in named if not is_matrix[n]]
        fused = others[0].is_cuda
        groups: list[dict[str, Any]] = [{"params": others, "weight_decay": 0.0}]
        self._all: list[torch.optim.Optimizer] = []
        if settings.matrices == "adamw":
            groups.append({"params": matrices, "weight_decay": settings.weight_decay})
        else:
            self._all.append(
                BatchedMuon(
                    matrices,
                    lr=settings.learning_rate,
                    weight_decay=settings.weight_decay,
                    momentum=settings.momentum,
                )
            )
        self._all.append(
            torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, fused=fused)
        )

    def step(self, factor: float) -> None:
        """Update the weights at a share of the peak rate and forget the gradients."""
        for optimiser in self._all:
            for group in optimiser.param_groups:
                group["lr"] = self.settings.learning_rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        """Return what a checkpoint must hold."""
        return [optimiser.state_dict() for optimiser in self._all]

    def load_state(self, state: list[dict[str, Any]]) -> None:
        """Take up a checkpoint's state."""
        for optimiser, saved in zip(self._all, state, strict=True):
            optimiser.load_state_dict(saved)
