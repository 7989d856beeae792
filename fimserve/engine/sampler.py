"""Choosing the next token from the model's scores.

One sampler per request, with a random generator of its own: a seed gives the same text whatever
else the engine does. Knows nothing of text.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Sampler:
    """Chooses tokens greedily, or at random by temperature and top_p.

    Args:
        temperature: Divides the scores; 0 = greedy.
        top_p: Probability that the candidates together hold; at least the likeliest is kept.
        seed: Start of the random numbers; None draws one from the system.
    """

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        self._temperature = temperature
        self._top_p = top_p
        # On the CPU whatever the model's device: a GPU's generator gives other numbers.
        self._generator = torch.Generator(device="cpu")
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def choose(self, scores: Tensor) -> int:
        """Return the id of the next token.

        Shapes:
            scores: [V]  any floating-point type and device; not modified

        Args:
            scores: Unnormalised log-probabilities of all tokens that may be chosen.

        Returns:
            A token id.
        """
        if self._temperature == 0:
            return int(scores.argmax())
        probabilities = self._probabilities(scores.cpu().double())
        return int(torch.multinomial(probabilities, 1, generator=self._generator))

    def _probabilities(self, scores: Tensor) -> Tensor:
        # The largest score is taken off first: a tiny temperature then gives -inf, never NaN.
        probabilities = ((scores - scores.max()) / self._temperature).softmax(dim=-1)
        if self._top_p >= 1:
            return probabilities
        ranked, order = probabilities.sort(descending=True)
        before = ranked.cumsum(dim=-1) - ranked  # probability of all likelier tokens
        ranked[(before >= self._top_p) & (before > 0)] = 0.0
        return torch.zeros_like(probabilities).scatter(0, order, ranked)
