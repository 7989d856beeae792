"""Your own repository as a benchmark: spans of it, mined by kind, hidden in their files.

The file of rows is made by `fimserve eval repo --repository`, with the curriculum miner's spans.
No limit of the reference is told to the model: an answer counts up to the model's own end token.
"""

from pathlib import Path
from typing import Any

from fimeval.data_file import DataRow, load_data_file
from fimeval.line_slices import LINE_SLICES
from fimeval.records import Record, RowKey
from fimeval.rules import Rule, cut_ahead_of_suffix, match_stripped
from fimeval.similarity import (
    find_edit_similarity,
    find_identifier_f1,
    list_identifiers,
    match_lines,
)
from fimeval.task import ALL_ROWS, Slice, Task, check_unique_keys
from fimserve.prompt import Snippet

NAME = "repo"

FIELDS = ("task_id", "repository", "path", "language", "kind", "prefix", "middle", "suffix")
VALUES = ("snippets",)

MAX_TOKENS = 256

MIN_REPOSITORY_CLUSTERS = 10
"""With fewer repositories an interval over them says nothing, and files are the clusters."""

MAX_NAMED = 2
"""Repositories whose names make the name of the subset."""


def _cut(text: str, row: Record) -> str:
    return cut_ahead_of_suffix(text, row.suffix)


def _identifier_f1(text: str, row: Record) -> float:
    return find_identifier_f1(text, row.reference, row.key.language)


def _has_identifiers(row: Record) -> bool:
    return bool(list_identifiers(row.reference, row.key.language))


RULES = (
    Rule.of_texts("stripped", "whole answer; equal after strip()", match_stripped),
    Rule.of_texts("es", "whole answer; edit similarity", find_edit_similarity),
    Rule.of_texts("lines", "equal lines but for blank ones and indentation", match_lines),
    Rule("id-f1", "F1 of identifiers, rows that have some", _identifier_f1, _has_identifiers),
    Rule(
        "lines-ahead-of-suffix",
        "cut at a line that repeats the first one behind the hole; then as lines",
        lambda text, row: match_lines(_cut(text, row), row.reference),
        can_match=lambda row: bool(match_lines(_cut(row.reference, row), row.reference)),
    ),
)


def load_repository(path: Path) -> Task:
    """Read a file of mined spans.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file from `fimserve eval repo --repository`.

    Returns:
        The task. Clusters are repositories where the file has ten or more, else files: intervals
        then speak of other files of these repositories, not of other repositories.
    """
    data = load_data_file(path, FIELDS, VALUES)
    repositories = sorted({row.fields["repository"] for row in data.rows})
    are_clusters = len(repositories) >= MIN_REPOSITORY_CLUSTERS
    records = tuple(_read_record(row, are_clusters) for row in data.rows)
    check_unique_keys(path, records)
    return Task(
        name=NAME,
        subset=_name_subset(repositories),
        data_path=data.path,
        data_sha256=data.sha256,
        records=records,
        rules=RULES,
        slices=(ALL_ROWS, *_make_kinds(data.rows), *LINE_SLICES),
        max_tokens=MAX_TOKENS,
        num_published_rows=len(records),
    )


def _name_subset(repositories: list[str]) -> str:
    if len(repositories) > MAX_NAMED:
        return f"{len(repositories)}-repositories"
    return "_".join(name.replace("/", "+") for name in repositories)


def _make_kinds(rows: tuple[DataRow, ...]) -> tuple[Slice, ...]:
    keys: dict[str, set[RowKey]] = {}
    for row in rows:
        keys.setdefault(row.fields["kind"], set()).add(_read_key(row))
    return tuple(_make_kind(kind, keys[kind]) for kind in sorted(keys))


def _make_kind(kind: str, keys: set[RowKey]) -> Slice:
    return Slice(
        f"kind {kind}",
        f"rows whose answer is of the miner's kind {kind}",
        lambda record: record.key in keys,
        by_language=False,
    )


def _read_key(row: DataRow) -> RowKey:
    return RowKey(row.fields["task_id"], row.fields["language"])


def _read_record(row: DataRow, are_clusters: bool) -> Record:
    fields = row.fields
    if not fields["middle"].strip():
        raise row.refuse("the middle is blank, so there is nothing to fill in")
    name, path = fields["repository"], fields["path"]
    return Record(
        key=_read_key(row),
        cluster=name if are_clusters else f"{name}:{path}",
        prefix=fields["prefix"],
        suffix=fields["suffix"],
        reference=fields["middle"],
        snippets=_read_snippets(row),
    )


def _read_snippets(row: DataRow) -> tuple[Snippet, ...]:
    pieces: Any = row.values["snippets"] or ()
    try:
        return tuple(Snippet(piece["path"], piece["text"]) for piece in pieces)
    except (TypeError, LookupError) as error:
        raise row.refuse(
            f"snippets are of another shape ({error!r}): a list of path and text"
        ) from error
