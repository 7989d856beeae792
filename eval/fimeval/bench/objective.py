"""The objective that an answer must meet to be of use to whoever types.

A request that was already too late when the next key closed it has missed: to count only those
that were waited for would praise a server for what nobody waited for.
"""

from dataclasses import dataclass
from enum import StrEnum

from fimeval.bench.answer import Answer, Outcome


class Verdict(StrEnum):
    """Whether a request met the objective."""

    MET = "met"
    MISSED = "missed"
    EXCUSED = "excused"
    """The client left while there was still time: says nothing of the server."""


@dataclass(frozen=True, slots=True)
class Objective:
    """Longest useful waits."""

    ttft_ms: float = 500.0
    e2e_ms: float = 1000.0

    def judge(self, answer: Answer) -> Verdict:
        """Return whether a request met the objective.

        Args:
            answer: How it ended.

        Returns:
            The verdict; what was refused or failed has missed.
        """
        is_in_time = answer.first_ms <= self.ttft_ms and answer.e2e_ms <= self.e2e_ms
        if answer.outcome is Outcome.DONE:
            return Verdict.MET if is_in_time else Verdict.MISSED
        if answer.outcome is Outcome.CANCELLED:
            return Verdict.EXCUSED if is_in_time else Verdict.MISSED
        return Verdict.MISSED
