"""Muon whose step takes all matrices of one shape together.

It knows matrices and their gradients, nothing of models. The updates are those of
`torch.optim.Muon`, which takes one matrix after another by small kernels, a tenth of a step on two
H200 (docs/LOG.md, 2026-11-25). The operations here do not grow with the number of matrices.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class BatchedMuon(torch.optim.Muon):
    """Updates matrices by their orthogonalised momentum, scaled to the size of AdamW's updates.

    State and parameter groups are those of `torch.optim.Muon` with Nesterov's momentum and
    `match_rms_adamw`: each reads what the other wrote.

    Args:
        matrices: Weights, all of one precision.
        lr: Rate, the same as AdamW would take.
        weight_decay: Share of a weight that a step at rate 1 would take away.
        momentum: Share of the momentum that stays.
    """

    def __init__(
        self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float
    ) -> None:
        super().__init__(
            matrices,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=True,
            adjust_lr_fn="match_rms_adamw",
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every matrix that has a gradient.

        Args:
            closure: Computes the loss and the gradients anew, where given.

        Returns:
            The closure's loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            return
        grads = [weight.grad for weight in weights]
        momenta = [self._momentum_of(weight) for weight in weights]
        torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, momenta, group["momentum"])
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        for shape, places in _places_by_shape(weights).items():
            # One precision and one layout for both lists: otherwise foreach is a loop.
            updates = orthogonalise(
                torch.stack([ahead[place] for place in places]),
                group["ns_coefficients"],
                group["ns_steps"],
                group["eps"],
            ).to(weights[places[0]].dtype)
            rate = group["lr"] * 0.2 * max(shape) ** 0.5
            torch._foreach_add_(
                [weights[place] for place in places], list(updates.unbind()), alpha=-rate
            )

    def _momentum_of(self, weight: nn.Parameter) -> Tensor:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        momentum: Tensor = state["momentum_buffer"]
        return momentum


def orthogonalise(
    matrices: Tensor, coefficients: tuple[float, float, float], num_rounds: int, eps: float
) -> Tensor:
    """Return matrices with the singular vectors of the given ones and singular values near 1.

    Shapes:
        matrices: [N, R, C]  any floating point; not modified
        returns:  [N, R, C]  bf16, contiguous

    Args:
        matrices: What to orthogonalise, each by itself.
        coefficients: Of the quintic polynomial of one Newton-Schulz round.
        num_rounds: How often the polynomial is applied.
        eps: Smallest norm to divide by.

    Returns:
        Singular values lie between about 0.5 and 1.5, which serves an update as well as 1 does.

    Source:
        https://kellerjordan.github.io/posts/muon, as in torch/optim/_muon.py.
    """
    linear, cubic, quintic = coefficients
    found = matrices.bfloat16()
    # No singular value above 1: there the rounds would diverge.
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    is_tall = matrices.shape[1] > matrices.shape[2]
    for _ in range(num_rounds):
        # Of the two Gram matrices the smaller. A tall matrix takes it from the right: transposing
        # would cost a copy and change nothing.
        gram = found.mT @ found if is_tall else found @ found.mT
        change = torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic)
        factors = (found, change) if is_tall else (change, found)
        found = torch.baddbmm(found, *factors, beta=linear)
    return found


def _places_by_shape(weights: list[nn.Parameter]) -> dict[torch.Size, list[int]]:
    places: dict[torch.Size, list[int]] = {}
    for place, weight in enumerate(weights):
        places.setdefault(weight.shape, []).append(place)
    return places
