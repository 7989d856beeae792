"""Slices by the length of the answer, in lines that are not blank: the online metrics' buckets."""

from fimeval.records import Record
from fimeval.task import Slice

LINE_BUCKETS = ((1, 1), (2, 5), (6, 10), (11, None))


def count_lines(text: str) -> int:
    """Return how many lines are not blank."""
    return sum(1 for line in text.split("\n") if line.strip())


def _make_bucket(low: int, high: int | None) -> Slice:
    name = f"{low}" if high == low else f"{low}-{high}" if high else f">{low - 1}"

    def keeps(record: Record) -> bool:
        count = count_lines(record.reference)
        return low <= count and (high is None or count <= high)

    return Slice(f"lines {name}", f"rows whose answer has {name} lines that are not blank", keeps)


LINE_SLICES = tuple(_make_bucket(low, high) for low, high in LINE_BUCKETS)
