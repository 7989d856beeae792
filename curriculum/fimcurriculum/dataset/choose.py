"""Choose among the spans of all repositories: near-duplicates out, limits kept, splits given.

Runs over the staged rows of one repository after the other, by name. What it remembers between them
are the sketches of the files, and of twice as many spans as a repository's limits allow.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import rensa

from fimcurriculum.mining.ledger import Ledger
from fimcurriculum.mining.staged import StagedFile, StagedSpan
from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.sources.sketch import NUM_PERMUTATIONS
from fimcurriculum.syntax.draw import draw

__all__ = ["ChosenSpan", "RepositoryChoice", "assign_splits", "choose_spans"]

NUM_BANDS = 16
OVERSAMPLING = 2


@dataclass(frozen=True, slots=True)
class ChosenSpan:
    """A span that will be an example."""

    span: StagedSpan
    num_foreign_symbols: int


@dataclass(frozen=True, slots=True)
class RepositoryChoice:
    """The spans of one repository that stay, and why others do not."""

    repository: str
    spans: list[ChosenSpan]
    """In order of path and place."""
    dropped: Counter[str]
    """`<kind>/<reason>` -> spans."""
    num_duplicate_files: int


def assign_splits(repositories: list[str], recipe: MiningRecipe) -> dict[str, str]:
    """Return the split of each repository, as a whole.

    Args:
        repositories: Names.
        recipe: Names those held out, or the share; a share is drawn by lot over names, so that
            adding a repository moves none of the others.

    Returns:
        Name -> `train` or `validation`. With two repositories or more and a share above 0 at least
        one of each is there.
    """
    if recipe.validation_repositories:
        held_out = set(recipe.validation_repositories)
    else:
        lots = {name: draw(recipe.seed, "split", name) for name in repositories}
        held_out = {name for name, lot in lots.items() if lot < recipe.validation_share}
        if len(lots) > 1 and recipe.validation_share > 0:
            held_out = held_out or {min(lots, key=lots.__getitem__)}
            if len(held_out) == len(lots) and recipe.validation_share < 1:
                held_out.discard(max(lots, key=lots.__getitem__))
    return {name: "validation" if name in held_out else "train" for name in repositories}


def choose_spans(
    repositories: list[str], stage: Path, ledger: Ledger, recipe: MiningRecipe
) -> Iterator[RepositoryChoice]:
    """Yield what stays of each repository.

    Args:
        repositories: Names, in the order in which the first of two copies wins.
        stage: Directory of the staged rows.
        ledger: Names the rows that count.
        recipe: Thresholds, limits, seed.

    Yields:
        RepositoryChoice: The choice.
    """
    near_files = _make_deduplicator(recipe.near_duplicate_file, recipe.seed)
    near_spans: dict[str, Any] = defaultdict(
        lambda: _make_deduplicator(recipe.near_duplicate_span, recipe.seed)
    )
    for name in repositories:
        targets = ledger.live_targets(name)
        directory = stage / name.replace("/", "+")
        kept, defined_in, num_duplicates = _choose_files(
            name, directory, targets, near_files, recipe
        )
        dropped: Counter[str] = Counter()
        drawn = _draw_spans(name, directory, targets, kept, dropped, recipe)
        spans = _drop_copies(name, drawn, near_spans, dropped, recipe)
        chosen = [ChosenSpan(span, _count_foreign(span, defined_in)) for span in spans]
        chosen.sort(key=lambda c: (c.span.path, c.span.start, c.span.end, c.span.kind))
        yield RepositoryChoice(name, chosen, dropped, num_duplicates)


def _choose_files(
    name: str,
    directory: Path,
    targets: dict[str, set[tuple[str, str]]],
    near_files: Any,
    recipe: MiningRecipe,
) -> tuple[set[str], dict[str, set[str]], int]:
    """Return the paths that are no copies, where names are defined, and how many are copies."""
    rows = [
        StagedFile(**row)
        for target, live in targets.items()
        for row in pq.read_table(directory / f"{target}.files.parquet").to_pylist()
        if (row["path"], row["blob"]) in live
    ]
    rows.sort(key=lambda row: row.path)
    kept: set[str] = set()
    defined_in: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for definition in row.definitions:
            defined_in[definition].add(row.path)
        key = f"{name}:{row.path}"
        sketch = _restore(row.sketch, recipe.seed)
        if not near_files.is_duplicate(key, sketch):
            near_files.add(key, sketch)
            kept.add(row.path)
    return kept, defined_in, len(rows) - len(kept)


def _draw_spans(
    name: str,
    directory: Path,
    targets: dict[str, set[tuple[str, str]]],
    kept: set[str],
    dropped: Counter[str],
    recipe: MiningRecipe,
) -> list[StagedSpan]:
    """Return spans by lot, more than the limits allow, since copies among them will go."""
    limit = OVERSAMPLING * recipe.max_per_kind_and_repository
    groups: dict[str, list[tuple[float, StagedSpan]]] = defaultdict(list)
    for target, live in targets.items():
        for row in pq.read_table(directory / f"{target}.spans.parquet").to_pylist():
            if (row["path"], row["blob"]) not in live:
                continue
            if row["path"] not in kept:
                dropped[f"{row['kind']}/near_duplicate_file"] += 1
                continue
            span = StagedSpan(**row)
            lot = draw(recipe.seed, "repository", name, span.path, span.start, span.end, span.kind)
            group = groups[span.kind]
            group.append((lot, span))
            if len(group) >= 2 * limit:
                _cut(group, limit, span.kind, dropped)
    for kind, group in groups.items():
        _cut(group, limit, kind, dropped)
    return [span for group in groups.values() for _, span in group]


def _cut(
    group: list[tuple[float, StagedSpan]], limit: int, kind: str, dropped: Counter[str]
) -> None:
    group.sort(key=lambda entry: entry[0])
    if len(group) > limit:
        dropped[f"{kind}/over_repository_limit"] += len(group) - limit
        del group[limit:]


def _drop_copies(
    name: str,
    spans: list[StagedSpan],
    near_spans: dict[str, Any],
    dropped: Counter[str],
    recipe: MiningRecipe,
) -> list[StagedSpan]:
    kept: list[StagedSpan] = []
    num_of_kind: Counter[str] = Counter()
    for span in spans:
        if num_of_kind[span.kind] >= recipe.max_per_kind_and_repository:
            dropped[f"{span.kind}/over_repository_limit"] += 1
            continue
        key = f"{name}:{span.path}:{span.start}:{span.end}"
        sketch = _restore(span.sketch, recipe.seed)
        if near_spans[span.kind].is_duplicate(key, sketch):
            dropped[f"{span.kind}/near_duplicate_span"] += 1
            continue
        near_spans[span.kind].add(key, sketch)
        num_of_kind[span.kind] += 1
        kept.append(span)
    return kept


def _count_foreign(span: StagedSpan, defined_in: dict[str, set[str]]) -> int:
    """Return how many names of a span other files define and its own does not."""
    places = (defined_in.get(name) for name in span.identifiers)
    return sum(1 for paths in places if paths and span.path not in paths)


def _make_deduplicator(threshold: float, seed: int) -> Any:
    return rensa.RMinHashDeduplicator(
        threshold=threshold,
        num_perm=NUM_PERMUTATIONS,
        use_lsh=True,
        num_bands=NUM_BANDS,
        seed=seed,
    )


def _restore(state: bytes, seed: int) -> Any:
    sketch = rensa.RMinHash(NUM_PERMUTATIONS, seed)
    sketch.__setstate__(state)
    return sketch
