"""The words of the data set: kinds of spans, the columns of an example, and its Arrow schema.

What training reads. Imports nothing of ours, and Arrow only when the schema is asked for.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    import pyarrow

__all__ = ["SCHEMA_VERSION", "SPLITS", "Example", "ExampleSnippet", "Kind", "arrow_schema"]

SCHEMA_VERSION = 1
"""Grows when a column changes its meaning."""

SPLITS = ("train", "validation")


class Kind(StrEnum):
    """What a span is, by the syntax it takes the place of."""

    CALL = "call"
    FUNCTION = "function"
    CLASS = "class"
    CONDITIONAL = "conditional"
    LOOP = "loop"
    TRY = "try"
    IMPORT = "import"
    ASSIGNMENT = "assignment"
    ARGUMENTS = "arguments"
    RETURN = "return"
    TYPE = "type"
    DECORATOR = "decorator"
    TEMPLATE_STRING = "template_string"
    COMMENT_TO_CODE = "comment_to_code"
    BLOCK = "block"
    RANDOM = "random"
    """Cuts between any two characters: the easy control."""


@dataclass(frozen=True, slots=True)
class ExampleSnippet:
    """A piece of another file of the same repository."""

    path: str
    text: str
    reason: str
    """`definition` of a symbol that the middle uses, or `similar` text."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row of the data set: a span, its context, and how hard it is."""

    id: str
    """Hash of repository, path, content of the file, kind and place."""
    repository: str
    """`owner/name`, or the name of the clone's directory."""
    commit: str
    licence: str
    """SPDX identifier, or `unknown`."""
    language: str
    path: str
    kind: str
    """One of `Kind`."""
    prefix: str
    """Text before the middle, its end kept where it was cut."""
    middle: str
    suffix: str
    """Text behind the middle, its start kept where it was cut."""
    snippets: tuple[ExampleSnippet, ...]
    hardness: float
    """0 (easy) to 1, as `fimcurriculum.hardness.combine` joins the parts."""
    hardness_model: float | None
    hardness_telemetry: float | None
    hardness_static: float
    exact_match: float | None
    """1 where the model wrote the middle, 0 where not; absent where it was not asked."""
    edit_similarity: float | None
    mean_nll: float | None
    """Negative log-likelihood of the middle, in nats per token."""
    num_lines: int
    num_chars: int
    tree_size: int
    """Syntax nodes inside the middle."""
    tree_depth: int
    num_new_identifiers: int
    """Identifiers of the middle that the rest of the file lacks."""
    num_foreign_symbols: int
    """Identifiers of the middle that other files of the repository define and this one does not."""
    cyclomatic: int
    """1 plus the branches inside the middle."""
    split: str
    """One of `SPLITS`; a repository is in one of them as a whole."""


def arrow_schema() -> "pyarrow.Schema":
    """Return the Arrow schema of `Example`, with the version in its metadata."""
    import pyarrow as pa

    snippet = pa.struct([(field.name, pa.string()) for field in fields(ExampleSnippet)])
    types: dict[Any, Any] = {
        str: pa.string(),
        int: pa.int32(),
        float: pa.float32(),
        float | None: pa.float32(),
        tuple[ExampleSnippet, ...]: pa.list_(snippet),
    }
    hints = get_type_hints(Example)
    columns = [(field.name, types[hints[field.name]]) for field in fields(Example)]
    return pa.schema(columns, metadata={"fimcurriculum_schema": str(SCHEMA_VERSION)})
