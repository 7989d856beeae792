"""From chosen spans to rows: the code is read again, scrubbed the same way, cut around each span.

One Parquet file per repository, renamed into place when whole. Memory holds one file of code and
one row group.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fimcurriculum.dataset.choose import ChosenSpan
from fimcurriculum.dataset.snippets import SnippetSource
from fimcurriculum.hardness.combine import combine
from fimcurriculum.hardness.scores import ModelScore
from fimcurriculum.hardness.static import StaticMeasures, static_hardness
from fimcurriculum.mining.repository import Repository
from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.schema import Example, arrow_schema
from fimcurriculum.sources.clone import TreeFile, read_blobs
from fimcurriculum.sources.decode import decode_source
from fimcurriculum.sources.scrub import scrub

__all__ = ["Signals", "span_id", "write_repository"]

ROWS_PER_GROUP = 500


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of hardness beside syntax."""

    scores: dict[str, ModelScore] = field(default_factory=dict)
    """By the span's id."""
    refusal: dict[str, float] = field(default_factory=dict)
    """Kind -> share of suggestions that users refused."""


def span_id(repository: str, chosen: ChosenSpan) -> str:
    """Return the name of a span: the same as long as its file stays the same."""
    span = chosen.span
    place = (repository, span.path, span.blob, span.kind, str(span.start), str(span.end))
    return hashlib.sha256("\0".join(place).encode()).hexdigest()[:20]


def write_repository(
    repository: Repository,
    spans: list[ChosenSpan],
    split: str,
    path: Path,
    recipe: MiningRecipe,
    signals: Signals,
    snippets: SnippetSource,
) -> int:
    """Write the examples of one repository.

    Args:
        repository: Where the code is.
        spans: The spans, by path.
        split: Split of the repository.
        path: Parquet file to write.
        recipe: How much text is kept around a span.
        signals: Model scores and telemetry.
        snippets: Gives the pieces of other files.

    Returns:
        Number of rows. A clone that cannot be read is a CloneError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    schema = arrow_schema()
    num_rows = 0
    group: list[dict[str, object]] = []
    dictionary = ["repository", "commit", "licence", "language", "kind", "split", "path"]
    with pq.ParquetWriter(partial, schema, compression="zstd", use_dictionary=dictionary) as file:
        for example in _make_examples(repository, spans, split, recipe, signals, snippets):
            group.append(asdict(example))
            num_rows += 1
            if len(group) == ROWS_PER_GROUP:
                file.write_table(pa.Table.from_pylist(group, schema=schema))
                group.clear()
        if group:
            file.write_table(pa.Table.from_pylist(group, schema=schema))
    os.replace(partial, path)
    return num_rows


def _make_examples(
    repository: Repository,
    spans: list[ChosenSpan],
    split: str,
    recipe: MiningRecipe,
    signals: Signals,
    snippets: SnippetSource,
) -> Iterator[Example]:
    by_file = {
        key: list(group) for key, group in groupby(spans, lambda c: (c.span.path, c.span.blob))
    }
    files = [TreeFile(path, blob, 0) for path, blob in by_file]
    for file, content in read_blobs(repository.git_dir, files):
        decoded = decode_source(content)
        text = "" if decoded is None else scrub(decoded).text
        for chosen in by_file[file.path, file.blob]:
            yield _make_example(repository, chosen, text, split, recipe, signals, snippets)


def _make_example(
    repository: Repository,
    chosen: ChosenSpan,
    text: str,
    split: str,
    recipe: MiningRecipe,
    signals: Signals,
    snippets: SnippetSource,
) -> Example:
    span = chosen.span
    prefix = text[max(0, span.start - recipe.max_prefix_chars) : span.start]
    middle = text[span.start : span.end]
    suffix = text[span.end : span.end + recipe.max_suffix_chars]
    name = span_id(repository.name, chosen)
    score = signals.scores.get(name)
    refusal = signals.refusal.get(span.kind)
    static = static_hardness(
        StaticMeasures(
            tree_size=span.tree_size,
            tree_depth=span.tree_depth,
            num_new_identifiers=span.num_new_identifiers,
            num_foreign_symbols=chosen.num_foreign_symbols,
            cyclomatic=span.cyclomatic,
        )
    )
    failure = score.failure if score else None
    return Example(
        id=name,
        repository=repository.name,
        commit=repository.commit,
        licence=repository.licence,
        language=span.language,
        path=span.path,
        kind=span.kind,
        prefix=prefix,
        middle=middle,
        suffix=suffix,
        snippets=tuple(snippets.find(span.path, prefix, middle, suffix)),
        hardness=combine(failure, refusal, static),
        hardness_model=failure,
        hardness_telemetry=refusal,
        hardness_static=static,
        exact_match=score.exact_match if score else None,
        edit_similarity=score.edit_similarity if score else None,
        mean_nll=score.mean_nll if score else None,
        num_lines=span.num_lines,
        num_chars=len(middle),
        tree_size=span.tree_size,
        tree_depth=span.tree_depth,
        num_new_identifiers=span.num_new_identifiers,
        num_foreign_symbols=chosen.num_foreign_symbols,
        cyclomatic=span.cyclomatic,
        split=split,
    )
