"""Which span comes when: a plan that is a pure function of the data, the mixture and a seed.

The plan of a whole run is drawn at once, so a run that resumes goes on with the very next example.
Within a kind spans are drawn without replacement until all have come.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fimcurriculum.schema import Kind
from fimtraining.finetune.recipe import Mixture, RecipeError

BLOCK = 4096
"""Positions drawn together; pacing moves on between blocks."""


def find_shares(kinds: Mapping[str, float], present: frozenset[str]) -> dict[str, float]:
    """Return the share of each kind that the data has, adding up to 1.

    Args:
        kinds: Weights; kinds without spans give theirs to the others in proportion.
        present: Kinds that have spans.

    Returns:
        Kind -> share, those of weight 0 left out.

    Raises:
        RecipeError: If no kind of the mixture has spans.
    """
    kept = {kind: weight for kind, weight in sorted(kinds.items()) if kind in present and weight}
    total = sum(kept.values())
    if not total:
        raise RecipeError(
            f"the data has none of the mixture's kinds, only {', '.join(sorted(present))}"
        )
    return {kind: weight / total for kind, weight in kept.items()}


def weigh_by_refusal(
    kinds: Mapping[str, float], refusal: Mapping[str, float], share: float
) -> dict[str, float]:
    """Return weights that lean towards the kinds whose suggestions are refused.

    `random` keeps its weight: it is the replay that keeps a model from forgetting the easy.

    Args:
        kinds: Kind -> weight.
        refusal: Kind -> share of suggestions refused.
        share: 0 changes nothing, 1 weighs by weight times refusal alone.

    Returns:
        Kind -> weight, with the same sum.

    Raises:
        RecipeError: If that is asked for and nothing is known of refusals.
    """
    if not share:
        return dict(kinds)
    known = {kind: refusal[kind] for kind in kinds if kind in refusal}
    if not any(known.values()):
        raise RecipeError(
            "mixture.by_refusal needs data that was mined with --from-telemetry; it has no refusals"
        )
    mean = sum(known.values()) / len(known)
    hard = {kind: weight for kind, weight in kinds.items() if kind != Kind.RANDOM}
    leaning = {kind: weight * known.get(kind, mean) for kind, weight in hard.items()}
    scale = sum(hard.values()) / (sum(leaning.values()) or 1.0)
    return dict(kinds) | {
        kind: (1 - share) * weight + share * scale * leaning[kind] for kind, weight in hard.items()
    }


def find_pace(mixture: Mixture, progress: float) -> float:
    """Return the share of each kind's spans that may be drawn at a point of the run.

    With b the start: linear b + (1 - b) t, root b + (1 - b) sqrt(t), log
    b + (1 - b) ln(1 + t(e - 1)), step three equal steps; all reach 1 at `pacing_end`.

    Args:
        mixture: Names the function and its start b.
        progress: 0 to 1 of the run.

    Returns:
        Above 0, at most 1.
    """
    if mixture.pacing == "none":
        return 1.0
    t = min(1.0, progress / mixture.pacing_end)
    grown = {
        "linear": t,
        "root": float(np.sqrt(t)),
        "log": float(np.log1p(t * (np.e - 1))),
        "step": float(np.floor(t * 3) / 3),
    }[mixture.pacing]
    return mixture.pacing_start + (1 - mixture.pacing_start) * grown


class Plan:
    """The order in which a run sees spans.

    Args:
        kinds: [N] kind of each span.
        hardness: [N] 0 (easy) to 1.
        mixture: Shares and pacing.
        seed: Seed of the plan.
        length: Positions after which pacing has reached the end of the run.
        refusal: Kind -> share of suggestions refused, as far as it is known.
    """

    def __init__(
        self,
        kinds: NDArray[np.str_],
        hardness: NDArray[np.float64],
        mixture: Mixture,
        seed: int,
        length: int,
        refusal: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._mixture, self._seed, self._length = mixture, seed, max(1, length)
        present = frozenset(kinds.tolist())
        weights = {kind: weight for kind, weight in mixture.kinds.items() if kind in present}
        weights = weigh_by_refusal(weights, refusal, mixture.by_refusal)
        self.shares = find_shares(weights or mixture.kinds, present)
        """Kind -> share of examples."""
        self._members = {
            kind: self._sort(np.flatnonzero(kinds == kind), hardness) for kind in self.shares
        }
        self._hardness = hardness

    def __iter__(self) -> Iterator[int]:
        """Yield span numbers for ever; the same ones each time."""
        queues: dict[str, list[int]] = {kind: [] for kind in self.shares}
        names = list(self.shares)
        weights = list(self.shares.values())
        position = 0
        while True:
            rng = np.random.default_rng((self._seed, position // BLOCK))
            pace = find_pace(self._mixture, position / self._length)
            for drawn in rng.choice(len(names), size=BLOCK, p=weights):
                queue = queues[names[drawn]]
                if not queue:
                    queue.extend(self._shuffle(names[drawn], pace, rng))
                yield queue.pop()
            position += BLOCK
            if pace < 1:  # what became drawable joins at once
                queues = {kind: [] for kind in queues}

    def _sort(self, members: NDArray[np.intp], hardness: NDArray[np.float64]) -> NDArray[np.intp]:
        order = np.argsort(hardness[members], kind="stable")
        return members[order[::-1] if self._mixture.hard_first else order]

    def _shuffle(self, kind: str, pace: float, rng: np.random.Generator) -> list[int]:
        members = self._members[kind]
        members = members[: max(1, round(pace * len(members)))]
        weight = self._mixture.by_hardness
        if not weight:
            return [int(index) for index in rng.permutation(members)]
        chances = (1 - weight) + weight * self._hardness[members]
        if not chances.sum():
            return [int(index) for index in rng.permutation(members)]
        drawn = rng.choice(members, size=len(members), p=chances / chances.sum())
        return [int(index) for index in drawn]
