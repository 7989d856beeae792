"""What the requests of one load add up to: how many met the objective, how they ended, percentiles.

Plain sums over answers; knows no server.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fimeval.bench.answer import Outcome
from fimeval.bench.load import Landed
from fimeval.bench.objective import Objective, Verdict
from fimeval.bench.percentiles import Percentiles, find_percentiles_of_any


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over the requests of one load."""

    num_requests: int
    outcomes: dict[str, int]
    """Requests by how they ended."""
    faults: dict[str, int]
    """Refusals and failures by kind."""
    num_judged: int
    """Requests that count: all but those the client left in time."""
    num_met: int
    num_bare_refusals: int
    """Refusals that did not say when to come back."""
    ttft_ms: Percentiles | None
    """Of whole answers; None where there was none."""
    e2e_ms: Percentiles | None
    ms_per_token: Percentiles | None
    cached_share: float | None
    """Of whole answers; None where the server does not say."""
    lag_ms: Percentiles | None
    """How late the client itself was in sending."""

    @property
    def attained(self) -> float:
        """Share of the requests that count which met the objective; 0 where none counts."""
        return self.num_met / self.num_judged if self.num_judged else 0.0


def add_up(landed: Sequence[Landed], objective: Objective) -> Tally:
    """Return the sums over some requests.

    Args:
        landed: The requests.
        objective: What an answer must meet.

    Returns:
        The sums.
    """
    answers = [one.answer for one in landed]
    whole = [answer for answer in answers if answer.outcome is Outcome.DONE]
    faults = [a for a in answers if a.outcome in (Outcome.REFUSED, Outcome.FAILED)]
    refused = [answer for answer in faults if answer.outcome is Outcome.REFUSED]
    verdicts = Counter(objective.judge(answer) for answer in answers)
    return Tally(
        num_requests=len(answers),
        outcomes={o: sum(a.outcome is o for a in answers) for o in Outcome},
        faults=dict(sorted(Counter(f"{a.outcome}: {a.reason}" for a in faults).items())),
        num_judged=verdicts[Verdict.MET] + verdicts[Verdict.MISSED],
        num_met=verdicts[Verdict.MET],
        num_bare_refusals=sum(not answer.has_retry_after for answer in refused),
        ttft_ms=find_percentiles_of_any([answer.first_ms for answer in whole]),
        e2e_ms=find_percentiles_of_any([answer.e2e_ms for answer in whole]),
        ms_per_token=find_percentiles_of_any(
            [answer.ms_per_token for answer in whole if answer.ms_per_token is not None]
        ),
        cached_share=_find_cached_share(landed),
        lag_ms=find_percentiles_of_any([one.lag_ms for one in landed]),
    )


def _find_cached_share(landed: Sequence[Landed]) -> float | None:
    counts = [one.answer.counts for one in landed]
    known = [
        (count.cached_tokens, count.prompt_tokens)
        for count in counts
        if count.cached_tokens is not None and count.prompt_tokens
    ]
    if not known:
        return None
    return round(sum(cached for cached, _ in known) / sum(prompt for _, prompt in known), 4)
