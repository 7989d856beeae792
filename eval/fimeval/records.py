"""Records: one hole to fill, with its identity, its cluster and the reference answer.

Knows nothing of models, of prompts as a model sees them, or of how answers are compared.
"""

from dataclasses import dataclass
from typing import NamedTuple

from fimeval.program import Program
from fimserve.prompt import Snippet


class RowKey(NamedTuple):
    """Identity of a row in every file of a run; never its position."""

    task_id: str
    language: str


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a benchmark in the vocabulary of the project."""

    key: RowKey
    cluster: str
    """Rows of one cluster (one problem) are dependent; clusters are resampled whole."""
    prefix: str
    suffix: str
    reference: str
    snippets: tuple[Snippet, ...] = ()
    """Pieces of other files that the row brings along, most relevant first."""
    program: Program | None = None
    """What to run for a score by execution, where the benchmark has one."""
