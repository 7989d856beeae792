"""A piece of work: some files of one repository, read, filtered, searched for spans, written aside.

Runs in a process of its own and needs nothing of the others: its input is a `Piece`, its output
two Parquet files and a `PieceResult`. What it holds at any time is one file and the rows of the
piece, so memory does not grow with the repository.
"""

import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fimcurriculum.mining.repository import SourceFile, as_tree_files
from fimcurriculum.mining.staged import FILE_SCHEMA, SPAN_SCHEMA, StagedFile, StagedSpan
from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.sources.clone import read_blobs
from fimcurriculum.sources.decode import decode_source
from fimcurriculum.sources.decontamination import Decontamination, load_decontamination, tokenize
from fimcurriculum.sources.filters import MAX_BYTES, refuse_path, refuse_text
from fimcurriculum.sources.licences import has_restrictive_header
from fimcurriculum.sources.scrub import scrub
from fimcurriculum.sources.sketch import make_sketch
from fimcurriculum.syntax.find import find_spans
from fimcurriculum.syntax.grammars import load_grammar
from fimcurriculum.syntax.parsed_file import ParsedFile, ParseTooLong
from fimcurriculum.syntax.shape import measure_shape
from fimcurriculum.syntax.span import Span

__all__ = ["FileCounts", "Piece", "PieceResult", "mine_piece"]

LINES_BEFORE = 3
LINES_BEHIND = 2
"""Lines around a span that count when near-duplicates are sought."""

MAX_IDENTIFIERS = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """Files to be mined together."""

    repository: str
    git_dir: Path
    files: tuple[SourceFile, ...]
    recipe: MiningRecipe
    decontamination: Path | None
    """Directory with the list of evaluation data; None keeps nothing out."""
    target: Path
    """Where the rows go; `.spans.parquet` and `.files.parquet` are added to it."""


@dataclass(slots=True)
class FileCounts:
    """What became of one file."""

    path: str
    blob: str
    language: str
    dropped: str | None = None
    """Why the whole file was left out."""
    num_spans: int = 0
    found: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    has_parse_errors: bool = False
    scrubbed: int = 0
    """Secrets and addresses replaced."""


@dataclass(slots=True)
class PieceResult:
    """What became of a piece."""

    repository: str
    target: str
    files: list[FileCounts]


def mine_piece(piece: Piece) -> PieceResult:
    """Mine the files of a piece and write their rows.

    Args:
        piece: The work.

    Returns:
        Counts per file. Whatever stands in a file is a counted reason and no error; a clone that
        cannot be read is a CloneError.
    """
    result = PieceResult(piece.repository, piece.target.name, [])
    spans: list[StagedSpan] = []
    files: list[StagedFile] = []
    wanted: list[SourceFile] = []
    for file in piece.files:
        reason = "too_large" if file.num_bytes > MAX_BYTES else refuse_path(file.path)
        if reason is None and piece.recipe.skip_tests and _is_test(file.path):
            reason = "test"
        if reason:
            result.files.append(FileCounts(file.path, file.blob, file.language, dropped=reason))
        else:
            wanted.append(file)
    by_place = {(file.path, file.blob): file for file in wanted}
    for tree_file, content in read_blobs(piece.git_dir, as_tree_files(tuple(wanted))):
        file = by_place.pop((tree_file.path, tree_file.blob))
        result.files.append(_mine_file(file, content, piece, spans, files))
    for file in by_place.values():
        result.files.append(FileCounts(file.path, file.blob, file.language, dropped="blob_absent"))
    piece.target.parent.mkdir(parents=True, exist_ok=True)
    _write(piece.target.with_suffix(".spans.parquet"), spans, SPAN_SCHEMA)
    _write(piece.target.with_suffix(".files.parquet"), files, FILE_SCHEMA)
    return result


def _mine_file(
    file: SourceFile,
    content: bytes,
    piece: Piece,
    spans: list[StagedSpan],
    files: list[StagedFile],
) -> FileCounts:
    counts = FileCounts(file.path, file.blob, file.language)
    text, counts.dropped = read_clean(content, _load_list(piece.decontamination), counts)
    if text is None:
        return counts
    try:
        parsed = ParsedFile(text, load_grammar(file.language, file.path))
    except ParseTooLong:
        counts.dropped = "parse_too_long"
        return counts
    counts.has_parse_errors = parsed.has_errors
    found = find_spans(parsed, file.path, piece.recipe)
    counts.found, counts.refused, counts.num_spans = found.found, found.refused, len(found.spans)
    seed = piece.recipe.seed
    files.append(
        StagedFile(
            path=file.path,
            blob=file.blob,
            definitions=sorted(found.definitions),
            sketch=make_sketch(text, seed).__getstate__(),
        )
    )
    spans += [_stage(parsed, file, span, seed) for span in found.spans]
    return counts


def read_clean(
    content: bytes, decontamination: Decontamination | None, counts: FileCounts
) -> tuple[str | None, str | None]:
    """Return the text of a file as it may be used, or None and the reason why not.

    Args:
        content: Bytes of the file.
        decontamination: What must be kept out, or None.
        counts: Gets the number of secrets replaced.

    Returns:
        Text and None, or None and a reason.
    """
    text = decode_source(content)
    if text is None:
        return None, "not_utf8"
    if has_restrictive_header(text):
        return None, "licence_header"
    if reason := refuse_text(text):
        return None, reason
    if decontamination is not None and decontamination.is_contaminated(tokenize(text)):
        return None, "benchmark_text"
    clean = scrub(text)
    counts.scrubbed = clean.num_emails + clean.num_secrets
    return clean.text, None


def _stage(parsed: ParsedFile, file: SourceFile, span: Span, seed: int) -> StagedSpan:
    shape = measure_shape(parsed, span)
    middle = parsed.text[span.start : span.end]
    return StagedSpan(
        path=file.path,
        blob=file.blob,
        language=file.language,
        kind=span.kind,
        start=span.start,
        end=span.end,
        num_lines=middle.count("\n") + 1,
        tree_size=shape.tree_size,
        tree_depth=shape.tree_depth,
        cyclomatic=shape.cyclomatic,
        num_new_identifiers=shape.num_new_identifiers,
        identifiers=list(shape.identifiers[:MAX_IDENTIFIERS]),
        sketch=make_sketch(_surroundings(parsed.text, span), seed).__getstate__(),
    )


def _surroundings(text: str, span: Span) -> str:
    """Return the lines of a span and some around it."""
    start, end = span.start, span.end
    for _ in range(LINES_BEFORE + 1):
        start = max(0, text.rfind("\n", 0, start))
    for _ in range(LINES_BEHIND + 1):
        at = text.find("\n", end)
        end = len(text) if at < 0 else min(len(text), at + 1)
    return text[start:end]


def _is_test(path: str) -> bool:
    parts = path.lower().split("/")
    return any(part in ("test", "tests", "__tests__", "spec") for part in parts[:-1]) or (
        "test" in parts[-1] or ".spec." in parts[-1]
    )


@cache
def _load_list(directory: Path | None) -> Decontamination | None:
    return None if directory is None else load_decontamination(directory)


def _write(path: Path, rows: list[Any], schema: pa.Schema) -> None:
    partial = path.with_suffix(".partial")
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)
    pq.write_table(table, partial, compression="zstd", use_dictionary=["language", "kind"])
    os.replace(partial, path)
