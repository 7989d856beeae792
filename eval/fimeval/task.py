"""Task: the rows of one benchmark file with the rules and slices its scores are reported by.

A task is plain data. It does not generate, and it does not know where completions come from.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fimeval.errors import DataFileError, EvalError
from fimeval.records import Record, RowKey
from fimeval.rules import Rule


@dataclass(frozen=True, slots=True)
class Slice:
    """A named part of the rows that gets scores of its own."""

    name: str
    description: str
    keeps: Callable[[Record], bool]
    by_language: bool = True
    """Whether each language gets scores on it too, where there are several."""


ALL_ROWS = Slice("all", "every row", lambda record: True)


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark file ready to be generated for and scored."""

    name: str
    subset: str
    """Which of the benchmark's files this is, found from the rows and not from the file name."""
    data_path: Path
    data_sha256: str
    records: tuple[Record, ...]
    rules: tuple[Rule, ...]
    """The first rule is the primary one."""
    slices: tuple[Slice, ...]
    """The first slice is the primary one and keeps every row."""
    max_tokens: int
    """New tokens per row."""
    num_published_rows: int
    """Rows of the whole published set, to tell a part of it from the benchmark."""
    executed_rules: tuple[Rule, ...] = ()
    """Rules that run what the model wrote; they count only where that was asked for."""
    limit: int | None = None
    """First rows taken from the file; None takes all."""


def take_first_rows(task: Task, limit: int | None) -> Task:
    """Return the task cut to its first rows in file order.

    Args:
        task: A task with all rows of its file.
        limit: Rows to keep; None keeps all.

    Returns:
        The same task where limit is None, else one with at most that many rows.

    Raises:
        EvalError: If limit is not positive.
    """
    if limit is None:
        return task
    if limit < 1:
        raise EvalError(f"limit is {limit}; use 1 or more, or leave it out for all rows")
    return replace(task, records=task.records[:limit], limit=limit)


def with_execution(task: Task) -> Task:
    """Return the task with its rules by execution behind the others.

    Args:
        task: A task.

    Returns:
        The same task, where it has such rules.

    Raises:
        EvalError: If it has none, or no row is of a language that can be run here.
    """
    if not task.executed_rules:
        raise EvalError(f"{task.name} {task.subset} is not scored by execution")
    for rule in task.executed_rules:
        if not any(rule.covers(record) for record in task.records):
            languages = sorted({record.key.language for record in task.records})
            raise EvalError(
                f"no program in {', '.join(languages)} can be run here; install a toolchain"
            )
    return replace(task, rules=task.rules + task.executed_rules, executed_rules=())


def check_unique_keys(path: Path, records: Iterable[Record]) -> None:
    """Refuse a file in which two rows have the same identity.

    Args:
        path: The file, for the message.
        records: Its rows.

    Raises:
        DataFileError: If a key occurs twice.
    """
    seen: set[RowKey] = set()
    for record in records:
        if record.key in seen:
            name = " ".join(record.key)
            raise DataFileError(f"{path}: row {name} occurs twice; keep one of the two")
        seen.add(record.key)
