"""Second stage: choose among the extracted documents, across repositories.

Exact copies go first, then near-duplicates (MinHash LSH over 5-token shingles), then what exceeds
the byte caps. The first document in the order of the list of repositories survives, so the choice
is the same on every run.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import rensa

from fimcurriculum.sources.sketch import NUM_PERMUTATIONS
from fimtraining.corpus.recipe import CorpusRecipe


class Candidate(NamedTuple):
    """What the choice needs to know of a document, its text aside."""

    key: str
    """`owner/name:path`."""
    repository: str
    language: str
    num_bytes: int
    sha256: str


class Choice(NamedTuple):
    """The documents that stay, and why the others do not."""

    kept: frozenset[str]
    """Keys."""
    dropped: Counter[str]
    """`<language>/<reason>` -> files."""


def choose(documents: Iterable[tuple[Candidate, Any]], recipe: CorpusRecipe) -> Choice:
    """Return which documents to keep.

    Args:
        documents: Candidates with their sketches, in the order in which copies win.
        recipe: Threshold, caps and seed.

    Returns:
        What stays, and why the rest does not.
    """
    dropped: Counter[str] = Counter()
    unique: list[Candidate] = []
    for candidate, reason in _find_copies(documents, recipe):
        if reason:
            dropped[f"{candidate.language}/{reason}"] += 1
        else:
            unique.append(candidate)
    kept = frozenset(c.key for c in _apply_caps(unique, recipe))
    dropped.update(f"{c.language}/over_cap" for c in unique if c.key not in kept)
    return Choice(kept, dropped)


def _find_copies(
    documents: Iterable[tuple[Candidate, Any]], recipe: CorpusRecipe
) -> Iterator[tuple[Candidate, str | None]]:
    hashes: set[str] = set()
    near = rensa.RMinHashDeduplicator(
        threshold=recipe.near_duplicate_threshold,
        num_perm=NUM_PERMUTATIONS,
        use_lsh=True,
        num_bands=16,
        seed=recipe.seed,
    )
    for candidate, sketch in documents:
        if candidate.sha256 in hashes:
            yield candidate, "exact_duplicate"
        elif near.is_duplicate(candidate.key, sketch):
            yield candidate, "near_duplicate"
        else:
            near.add(candidate.key, sketch)
            yield candidate, None
        hashes.add(candidate.sha256)


def _apply_caps(candidates: list[Candidate], recipe: CorpusRecipe) -> Iterator[Candidate]:
    """Yield what fits the caps; a repository above its cap keeps files drawn by hash."""
    by_source: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_source[candidate.repository, candidate.language].append(candidate)
    spent: Counter[str] = Counter()
    # Drawn order, so that a language's cap does not favour one end of the alphabet.
    sources = sorted(by_source.items(), key=lambda item: _draw(":".join(item[0]), recipe.seed))
    for (_, language), files in sources:
        room = recipe.max_repository_bytes
        limit = recipe.max_bytes.get(language)
        for candidate in sorted(files, key=lambda c: _draw(c.key, recipe.seed)):
            room -= candidate.num_bytes
            if room < 0:
                break
            if limit is None or spent[language] + candidate.num_bytes <= limit:
                spent[language] += candidate.num_bytes
                yield candidate


def _draw(key: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()
