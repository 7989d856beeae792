"""Choosing the next token of every row from its scores, without the scores leaving the device.

Row by row: forbid what the mask forbids, divide by the temperature, drop what is too unlikely
(min_p, then top_k, then top_p), and take the token where the cumulated probability, in the order of
the ids, passes the row's number. Tokens exactly as likely as the least likely one kept are kept
too, so that no order among equals is needed. Temperature 0 takes the best score, the lowest id
among equals.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimkernels.ref.precision import widen


def sample(
    scores: Tensor,
    mask: Tensor | None,
    temperatures: Tensor,
    top_ks: Tensor,
    top_ps: Tensor,
    min_ps: Tensor,
    numbers: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the chosen ids and their log-probabilities under the scores as they stand.

    Shapes:
        scores:       [R, V]              bf16|fp16|fp32, last axis contiguous
        mask:         [R, ceil(V / 32)]   int32: bit i of word w allows token 32 * w + i; every row
                                          allows at least one
        temperatures: [R]                 fp32; 0 = greedy
        top_ks:       [R]                 int32; 0 = all
        top_ps:       [R]                 fp32, above 0; 1 = all
        min_ps:       [R]                 fp32; 0 = all
        numbers:      [R]                 fp32 in [0, 1)
        returns:      [R] int64, [R] fp32

    Args:
        scores: Unnormalised log-probabilities.
        mask: What may be chosen; None = everything.
        temperatures: Divide the scores.
        top_ks: How many candidates are kept.
        top_ps: Probability that the candidates kept hold together.
        min_ps: Least probability of a candidate, as a share of the likeliest one's.
        numbers: A random number per row.

    Returns:
        Ids, then log-probabilities, of the unmasked and undivided scores.
    """
    wide = widen(scores)
    allowed = wide if mask is None else wide.masked_fill(~unpack_mask(mask, wide.shape[1]), -1e30)
    ids = torch.stack(
        [
            _choose(*row)
            for row in zip(
                allowed.unbind(0), temperatures.tolist(), top_ks.tolist(), top_ps.tolist(),
                min_ps.tolist(), numbers.tolist(), strict=True,
            )
        ]
    ) if len(wide) else torch.zeros(0, dtype=torch.int64, device=scores.device)  # fmt: skip
    chosen = wide.gather(1, ids[:, None]).squeeze(1)
    return ids, (chosen - wide.logsumexp(-1)).float()


def weigh(
    scores: Tensor, temperature: float, top_k: int, top_p: float, min_p: float
) -> Tensor:  # fmt: skip
    """Return unnormalised probabilities [V] of one row, what is not kept zero, the largest 1."""
    weights = ((scores - scores.max()) / temperature).exp()
    weights = weights.masked_fill(weights < min_p, 0.0)
    if 0 < top_k < len(weights):
        weights = weights.masked_fill(weights < weights.topk(top_k).values[-1], 0.0)
    if top_p < 1:
        ranked = weights.sort(descending=True).values
        likelier = ranked.cumsum(-1) - ranked
        kept = ranked[(likelier < top_p * weights.sum()) | (likelier == 0)]
        weights = weights.masked_fill(weights < kept[-1], 0.0)
    return weights


def pack_mask(allowed: Tensor) -> Tensor:
    """Return a mask of bits.

    Shapes:
        allowed: [R, V]             bool
        returns: [R, ceil(V / 32)]  int32

    Args:
        allowed: What may be chosen.

    Returns:
        The bits.
    """
    num_rows, size = allowed.shape
    bits = torch.zeros(num_rows, -(-size // 32), 32, dtype=torch.int64, device=allowed.device)
    bits.view(num_rows, -1)[:, :size] = allowed
    words = (bits << torch.arange(32, device=allowed.device)).sum(-1)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)


def unpack_mask(mask: Tensor, size: int) -> Tensor:
    """Return what a mask of bits allows, [R, V] bool."""
    bits = (mask[:, :, None] >> torch.arange(32, device=mask.device)) & 1
    return bits.flatten(1)[:, :size].bool()


def _choose(
    scores: Tensor, temperature: float, top_k: int, top_p: float, min_p: float, number: float
) -> Tensor:
    if temperature == 0:
        return scores.argmax()
    sums = weigh(scores, temperature, top_k, top_p, min_p).cumsum(-1)
    # The first place above the number; the last place that adds anything where rounding says none.
    place = torch.searchsorted(sums, number * sums[-1], right=True)
    return torch.minimum(place, torch.searchsorted(sums, sums[-1]))
