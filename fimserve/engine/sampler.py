"""Choosing the next token from the model's scores.

One sampler per completion. Random numbers are a function of seed, choice and position, not of a
generator that moves on: a completion that is preempted, cached or guessed ahead draws the same
numbers again, so a seed gives the same text whatever else is served. Knows nothing of text.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Holds how tokens are chosen."""

    temperature: float = 0.0
    """Divides the scores; 0 = greedy."""
    top_p: float = 1.0
    """Probability that the candidates together hold; at least the likeliest is kept."""
    top_k: int = 0
    """Number of candidates; 0 = all."""
    min_p: float = 0.0
    """Least probability of a candidate, as a share of the likeliest one's."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """Added to the scores of tokens, by id."""


class Sampler:
    """Chooses the tokens of one completion.

    Args:
        params: How.
        seed: Start of the random numbers; None draws one from the system.
        index: Which of the completions of one request this is; each has numbers of its own.
    """

    def __init__(self, params: SamplingParams, seed: int | None = None, index: int = 0) -> None:
        self._params = params
        self._seed = secrets.randbits(64) if seed is None else seed
        self._index = index

    @property
    def takes_best(self) -> bool:
        """Whether the choice is the largest score as it stands, so that rows can be batched."""
        return self._params.temperature == 0 and not self._params.logit_bias

    def choose(
        self,
        scores: Tensor,
        position: int,
        allowed: Sequence[int] | None = None,
        banned: Sequence[int] = (),
    ) -> int:
        """Return the id of the next token.

        Shapes:
            scores: [V]  any floating-point type and device; not modified

        Args:
            scores: Unnormalised log-probabilities of all tokens that may be chosen.
            position: Number of tokens that the completion has so far.
            allowed: Ids of which one must be chosen, at least one; None = any.
            banned: Ids that must not be chosen, unless every other is out of the question.

        Returns:
            A token id.
        """
        params = self._params
        if allowed is None and not banned and self.takes_best:
            return int(scores.argmax())
        # On the CPU whatever the model's device: a GPU's sums differ in their last digits.
        wide = scores.cpu().double()
        if banned:
            wide[torch.as_tensor(banned)] = -torch.inf
        for token_id, bias in params.logit_bias.items():
            if token_id < len(wide):
                wide[token_id] += bias
        ids = None if allowed is None else torch.as_tensor(allowed, dtype=torch.int64)
        candidates = wide if ids is None else wide[ids]
        place = (
            int(candidates.argmax())
            if params.temperature == 0
            else self._draw(self._probabilities(candidates), position)
        )
        return place if ids is None else int(ids[place])

    def _probabilities(self, scores: Tensor) -> Tensor:
        """Return the probabilities [V] in the order of the scores, unlikely ones zero."""
        params = self._params
        # The largest score is taken off first: a tiny temperature then gives -inf, never NaN.
        best = scores.max()
        if not torch.isfinite(best):  # every candidate was banned: all are as good
            return torch.full_like(scores, 1 / len(scores))
        probabilities = ((scores - best) / params.temperature).softmax(dim=-1)
        if params.min_p > 0:
            too_rare = probabilities < params.min_p * probabilities.max()
            probabilities = probabilities.masked_fill(too_rare, 0.0)
        if 0 < params.top_k < len(probabilities):
            kept = probabilities.topk(params.top_k)
            probabilities = torch.zeros_like(probabilities).scatter(0, kept.indices, kept.values)
        if params.top_p < 1:
            ranked, order = probabilities.sort(descending=True, stable=True)
            before = ranked.cumsum(dim=-1) - ranked  # probability of all likelier tokens
            share = params.top_p * probabilities.sum()
            ranked[(before >= share) & (before > 0)] = 0.0
            probabilities = torch.zeros_like(probabilities).scatter(0, order, ranked)
        return probabilities

    def _draw(self, probabilities: Tensor, position: int) -> int:
        """Return the place where the cumulated probabilities pass this position's number.

        In the order of the ids, not of the ranks: two tokens that are nearly as likely may swap
        ranks by a rounding error, and must not swap places here.
        """
        sums = probabilities.cumsum(dim=-1)
        target = self._uniform(position) * float(sums[-1])
        place = int(torch.searchsorted(sums, target, right=True))
        last = int(probabilities.nonzero()[-1])
        return min(place, last)

    def _uniform(self, position: int) -> float:
        """Return a number in [0, 1) that seed, choice and position alone decide."""
        message = struct.pack("<QIQ", self._seed, self._index, position)
        digest = hashlib.blake2b(message, digest_size=8).digest()
        return (int.from_bytes(digest, "little") >> 11) * 2.0**-53
