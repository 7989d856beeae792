"""CrossCodeEval: the rest of a line or statement that uses other files of its repository.

Two tasks over the same rows. `cceval` is the published one: left to right, the text behind the hole
is never shown, and what was retrieved stands ahead of the file as comments. `cceval-fim` is ours:
prefix and suffix, and what was retrieved goes in as snippets, in the model's own layout. Their
scores are not comparable. Both cut the answer to one statement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimeval.data_file import DataRow, load_data_file
from fimeval.records import Record, RowKey
from fimeval.rules import Rule
from fimeval.similarity import (
    find_edit_similarity,
    find_identifier_f1,
    list_identifiers,
    match_identifiers,
    match_lines,
)
from fimeval.statement import cut_statement, drop_comments
from fimeval.task import ALL_ROWS, Task, check_unique_keys
from fimserve.prompt import Snippet

FIELDS = ("prompt", "groundtruth", "right_context")
VALUES = ("metadata", "crossfile_context")

MAX_TOKENS = 50

LANGUAGES: Mapping[str, str] = {
    "python": "python",
    "java": "java",
    "typescript": "typescript",
    "csharp": "csharp",
    "c_sharp": "csharp",
}

NUM_PUBLISHED_ROWS = {"python": 2665, "java": 2139, "typescript": 3356, "csharp": 1768}


@dataclass(frozen=True, slots=True)
class _Scorer:
    """The measures under one way of cutting."""

    is_official: bool

    def cut(self, text: str, row: Record) -> str:
        language = row.key.language
        piece = cut_statement(row.prefix, text, language, self.is_official)
        return drop_comments(piece, language, self.is_official)

    def target(self, row: Record) -> str:
        # The published scorer does not cut the reference to one statement.
        return drop_comments(row.reference, row.key.language, self.is_official)

    def match(self, text: str, row: Record) -> float:
        return match_lines(self.cut(text, row), self.target(row))

    def similarity(self, text: str, row: Record) -> float:
        return find_edit_similarity(self.cut(text, row), self.target(row))

    def match_identifiers(self, text: str, row: Record) -> float:
        return match_identifiers(self.cut(text, row), self.target(row), row.key.language)

    def identifier_f1(self, text: str, row: Record) -> float:
        return find_identifier_f1(self.cut(text, row), self.target(row), row.key.language)

    def has_identifiers(self, row: Record) -> bool:
        return bool(list_identifiers(self.target(row), row.key.language))

    def keeps_reference(self, row: Record) -> bool:
        return self.match(row.reference, row) == 1.0

    def keeps_similarity(self, row: Record) -> bool:
        return self.similarity(row.reference, row) == 1.0

    def keeps_identifiers(self, row: Record) -> bool:
        return self.match_identifiers(row.reference, row) == 1.0

    def keeps_f1(self, row: Record) -> bool:
        return self.identifier_f1(row.reference, row) == 1.0


def _make_rules(is_official: bool) -> tuple[Rule, ...]:
    scorer = _Scorer(is_official)
    name = "official" if is_official else "fixed"
    cut = "one statement, comments dropped" + ("" if is_official else ", without the known faults")
    return (
        Rule(f"{name}-em", f"{cut}; equal lines", scorer.match, can_match=scorer.keeps_reference),
        Rule(
            f"{name}-es",
            f"{cut}; edit similarity",
            scorer.similarity,
            can_match=scorer.keeps_similarity,
        ),
        Rule(
            f"{name}-id-em",
            f"{cut}; equal identifiers in order, rows that have some",
            scorer.match_identifiers,
            covers=scorer.has_identifiers,
            can_match=scorer.keeps_identifiers,
        ),
        Rule(
            f"{name}-id-f1",
            f"{cut}; F1 of identifiers, rows that have some",
            scorer.identifier_f1,
            covers=scorer.has_identifiers,
            can_match=scorer.keeps_f1,
        ),
    )


OFFICIAL_RULES = _make_rules(is_official=True)
RULES = OFFICIAL_RULES + _make_rules(is_official=False)


def load_cceval(path: Path) -> Task:
    """Read a CrossCodeEval file as the published task: left to right, retrieval as comments.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file, with or without `crossfile_context`.

    Returns:
        The task; its subset says whether the rows bring retrieved text along.
    """
    return _load("cceval", path, is_fim=False)


def load_cceval_fim(path: Path) -> Task:
    """Read a CrossCodeEval file as an infilling task: prefix, suffix, retrieval as snippets.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file, with or without `crossfile_context`.

    Returns:
        The task; its subset says whether the rows bring retrieved text along.
    """
    return _load("cceval-fim", path, is_fim=True)


def find_language(task_id: str) -> str | None:
    """Return the language that a task id names, `project_cc_python/62` for one; None for none."""
    name = task_id.partition("/")[0].removeprefix("project_cc_")
    return LANGUAGES.get(name)


def _load(name: str, path: Path, is_fim: bool) -> Task:
    data = load_data_file(path, FIELDS, VALUES)
    records = tuple(_read_record(row, is_fim) for row in data.rows)
    check_unique_keys(path, records)
    languages = {record.key.language for record in records}
    has_context = any(row.values["crossfile_context"] for row in data.rows)
    return Task(
        name=name,
        subset="retrieval" if has_context else "no-retrieval",
        data_path=data.path,
        data_sha256=data.sha256,
        records=records,
        rules=RULES,
        slices=(ALL_ROWS,),
        max_tokens=MAX_TOKENS,
        num_published_rows=sum(NUM_PUBLISHED_ROWS[language] for language in languages),
    )


def _read_record(row: DataRow, is_fim: bool) -> Record:
    metadata = row.values["metadata"]
    if not isinstance(metadata, dict) or not all(
        isinstance(metadata.get(name), str) for name in ("task_id", "repository")
    ):
        raise row.refuse("metadata needs task_id and repository as text")
    language = find_language(metadata["task_id"])
    if language is None:
        known = ", ".join(f"project_cc_{name}/0" for name in LANGUAGES)
        raise row.refuse(f"task_id {metadata['task_id']!r} names no known language; as in {known}")
    text, snippets = _read_context(row)
    head = "" if is_fim or not text else text + "\n"
    return Record(
        key=RowKey(metadata["task_id"], language),
        cluster=metadata["repository"],
        prefix=head + row.fields["prompt"],
        suffix=row.fields["right_context"] if is_fim else "",
        reference=row.fields["groundtruth"],
        snippets=snippets if is_fim else (),
    )


def _read_context(row: DataRow) -> tuple[str, tuple[Snippet, ...]]:
    context: Any = row.values["crossfile_context"]
    if context is None:
        return "", ()
    try:
        pieces = tuple(
            Snippet(piece["filename"], piece["retrieved_chunk"]) for piece in context["list"]
        )
        text = context["text"]
    except (TypeError, LookupError) as error:
        raise row.refuse(
            f"crossfile_context is of another shape ({error!r}); it has text, and list with "
            "filename and retrieved_chunk"
        ) from error
    if not isinstance(text, str):
        raise row.refuse("crossfile_context.text is no text")
    return text, pieces
