"""What an ablation shows: gains of regimes over one of them, by base, kind and lines, and by size.

Every gain is paired row by row and resamples whole clusters; p-values flip the signs of clusters.
One comparison is decided on beforehand, the primary one: exact match of `cmft` against `random` on
the smallest base, with the context that it was trained with. Over kinds and lines p-values are
Holm's, everything else is exploratory. Whether small models gain more is asked by the difference
of two gains on the same rows, not by two p-values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fimeval.ablation_results import RULES, ScoredRegime
from fimeval.bootstrap import BootstrapSettings, Floats, estimate_mean
from fimeval.compare import find_p_value
from fimeval.task import ALL_ROWS, Task

Mask = NDArray[np.bool_]

CONTROL, TREATMENT, UNTRAINED = "random", "cmft", "base"


@dataclass(frozen=True, slots=True)
class Level:
    """The mean of one regime."""

    base: str
    num_parameters: int
    regime: str
    context: str
    rule: str
    value: float
    ci_low: float | None
    ci_high: float | None
    seed_sd: float | None
    """Standard deviation between seeds; None with one seed."""
    num_seeds: int


@dataclass(frozen=True, slots=True)
class Gain:
    """One regime minus another one."""

    base: str
    num_parameters: int
    regime: str
    against: str
    context: str
    rule: str
    slice: str
    gain: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_holm: float | None
    """Over the kinds, or over the line buckets, of the same comparison; None elsewhere."""
    num_rows: int
    num_clusters: int


@dataclass(frozen=True, slots=True)
class Interaction:
    """The gain of a smaller base minus that of a larger one."""

    small: str
    large: str
    regime: str
    context: str
    rule: str
    difference: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None


@dataclass(frozen=True, slots=True)
class AblationAnalysis:
    """Everything that was found."""

    num_rows: int
    num_clusters: int
    levels: tuple[Level, ...]
    gains: tuple[Gain, ...]
    """Over all rows: each regime against `random`, and `random` and `cmft` against the base."""
    by_slice: tuple[Gain, ...]
    """`cmft` against `random` by kind and by lines."""
    interactions: tuple[Interaction, ...]

    @property
    def primary(self) -> Gain | None:
        """The comparison decided on beforehand; None where its units are missing."""
        found = [
            gain
            for gain in self.gains
            if (gain.regime, gain.against, gain.rule) == (TREATMENT, CONTROL, RULES[0])
        ]
        return min(
            found, key=lambda gain: (gain.num_parameters, gain.context != "own"), default=None
        )


class Analyst:
    """Compares regimes over the rows of one task.

    Args:
        task: The rows.
        settings: How intervals are drawn.
    """

    def __init__(self, task: Task, settings: BootstrapSettings) -> None:
        self._task, self._settings = task, settings
        self._clusters = np.array([record.cluster for record in task.records])

    def analyse(self, regimes: Sequence[ScoredRegime]) -> AblationAnalysis:
        """Return what regimes show.

        Args:
            regimes: From score_units.

        Returns:
            The analysis; comparisons whose units are missing are left out.
        """
        found = {(one.base, one.regime, one.context): one for one in regimes}
        sizes = {one.base: one.num_parameters for one in regimes}
        bases = sorted(sizes, key=sizes.__getitem__)
        contexts = list(dict.fromkeys(one.context for one in regimes))
        names = list(dict.fromkeys(one.regime for one in regimes))
        pairs = [(name, CONTROL) for name in names if name not in (CONTROL, UNTRAINED)]
        pairs += [(CONTROL, UNTRAINED), (TREATMENT, UNTRAINED)]
        compared = [
            (found[base, name, context], found[base, against, context])
            for base in bases
            for context in contexts
            for name, against in pairs
            if (base, name, context) in found and (base, against, context) in found
        ]
        return AblationAnalysis(
            num_rows=len(self._task.records),
            num_clusters=len(np.unique(self._clusters)),
            levels=tuple(self._find_level(one, rule) for one in regimes for rule in RULES),
            gains=tuple(
                self._find_gain(one, other, rule, ALL_ROWS.name, self._everything)
                for one, other in compared
                for rule in RULES
            ),
            by_slice=tuple(
                gain
                for one, other in compared
                if (one.regime, other.regime) == (TREATMENT, CONTROL)
                for rule in RULES
                for gain in self._find_by_slice(one, other, rule)
            ),
            interactions=tuple(self._find_interactions(found, bases, contexts, names)),
        )

    @property
    def _everything(self) -> Mask:
        return np.ones(len(self._clusters), bool)

    def _find_level(self, one: ScoredRegime, rule: str) -> Level:
        estimate = estimate_mean(*self._sum(one.scores[rule], self._everything), self._settings)
        means = one.seed_means[rule]
        return Level(
            one.base,
            one.num_parameters,
            one.regime,
            one.context,
            rule,
            estimate.value,
            estimate.ci_low,
            estimate.ci_high,
            float(np.std(means, ddof=1)) if len(means) > 1 else None,
            len(means),
        )

    def _find_gain(
        self,
        one: ScoredRegime,
        other: ScoredRegime,
        rule: str,
        name: str,
        kept: Mask,
        p_holm: float | None = None,
    ) -> Gain:
        sums, sizes = self._sum(one.scores[rule] - other.scores[rule], kept)
        estimate = estimate_mean(sums, sizes, self._settings)
        return Gain(
            one.base,
            one.num_parameters,
            one.regime,
            other.regime,
            one.context,
            rule,
            name,
            estimate.value,
            estimate.ci_low,
            estimate.ci_high,
            find_p_value(sums, self._settings.num_resamples, self._settings.seed),
            p_holm,
            estimate.num_rows,
            estimate.num_clusters,
        )

    def _find_by_slice(self, one: ScoredRegime, other: ScoredRegime, rule: str) -> Iterator[Gain]:
        for family in ("kind ", "lines "):
            parts = [part for part in self._task.slices if part.name.startswith(family)]
            kept = [
                (part.name, np.array([part.keeps(record) for record in self._task.records]))
                for part in parts
            ]
            gains = [
                self._find_gain(one, other, rule, name, mask) for name, mask in kept if mask.any()
            ]
            holm = correct_by_holm([gain.p_value for gain in gains])
            masks = [(name, mask) for name, mask in kept if mask.any()]
            for (name, mask), p_holm in zip(masks, holm, strict=True):
                yield self._find_gain(one, other, rule, name, mask, p_holm)

    def _find_interactions(
        self,
        found: dict[tuple[str, str, str], ScoredRegime],
        bases: Sequence[str],
        contexts: Sequence[str],
        names: Sequence[str],
    ) -> Iterator[Interaction]:
        ends = [*pairwise(bases), *([(bases[0], bases[-1])] if len(bases) > 2 else [])]
        for small, large in ends:
            for context in contexts:
                for name in names:
                    keys = [(b, n, context) for b in (small, large) for n in (name, CONTROL)]
                    if name in (CONTROL, UNTRAINED) or not all(key in found for key in keys):
                        continue
                    for rule in RULES:
                        a, b, c, d = (found[key].scores[rule] for key in keys)
                        yield self._find_interaction(
                            small, large, name, context, rule, (a - b) - (c - d)
                        )

    def _find_interaction(
        self, small: str, large: str, name: str, context: str, rule: str, rows: Floats
    ) -> Interaction:
        sums, sizes = self._sum(rows, self._everything)
        estimate = estimate_mean(sums, sizes, self._settings)
        return Interaction(
            small,
            large,
            name,
            context,
            rule,
            estimate.value,
            estimate.ci_low,
            estimate.ci_high,
            find_p_value(sums, self._settings.num_resamples, self._settings.seed),
        )

    def _sum(self, rows: Floats, kept: Mask) -> tuple[Floats, Floats]:
        """Return sums and sizes of the clusters of the kept rows."""
        _, index = np.unique(self._clusters[kept], return_inverse=True)
        sums = np.bincount(index, weights=rows[kept]).astype(np.float64)
        return sums, np.bincount(index).astype(np.float64)


def correct_by_holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values of a family.

    Args:
        p_values: Of each comparison; None where it has none, which does not count.

    Returns:
        The adjusted ones in the same order, at most 1.
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[index] = highest
    return adjusted
