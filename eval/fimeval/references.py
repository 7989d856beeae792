"""The scorer's test of itself: references score 100 %, the empty string 0, under every rule.

Needs no model. A rule or a data file that fails here would make every other number worthless.
"""

from dataclasses import dataclass

from fimeval.score import RowScore, score_rows
from fimeval.task import Task


@dataclass(frozen=True, slots=True)
class ReferenceCheck:
    """How one rule scored the references and the empty string on one slice."""

    rule: str
    slice: str
    num_rows: int
    num_cut: int
    """Rows whose reference the published rule itself cuts; they are not in `gold`."""
    gold: float
    """Mean score of the other rows' reference answers; must be 1."""
    empty: float
    """Mean score of the empty string; must be 0."""

    @property
    def is_right(self) -> bool:
        """Whether the rule can be trusted on this slice."""
        return self.gold == 1.0 and self.empty == 0.0


def check_references(task: Task) -> tuple[ReferenceCheck, ...]:
    """Score references and empty strings.

    Args:
        task: Rows, rules and slices.

    Returns:
        One check per rule and slice that has rows.
    """
    gold = score_rows(task, {record.key: record.reference for record in task.records})
    empty = score_rows(task, {record.key: "" for record in task.records})
    checks = []
    for rule in task.rules:
        whole = tuple(
            row for row, record in zip(gold, task.records, strict=True) if rule.can_match(record)
        )
        for part in task.slices:
            of_gold = _list_scores(whole, rule.name, part.name)
            of_empty = _list_scores(empty, rule.name, part.name)
            if of_empty:
                checks.append(
                    ReferenceCheck(
                        rule=rule.name,
                        slice=part.name,
                        num_rows=len(of_empty),
                        num_cut=len(of_empty) - len(of_gold),
                        gold=sum(of_gold) / len(of_gold) if of_gold else 1.0,
                        empty=sum(of_empty) / len(of_empty),
                    )
                )
    return tuple(checks)


def _list_scores(rows: tuple[RowScore, ...], rule: str, part: str) -> list[float]:
    return [row.scores[rule] for row in rows if part in row.slices and rule in row.scores]
