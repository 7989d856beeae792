"""Times an index of a repository: making it, telling it of a changed file, asking it.

Asks and changes in turn, as in an editor. What an answer is worth is measured elsewhere
(`fimserve eval context`); here it only counts whether there was one.
"""

import random
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fimeval.bench.made_up_repository import make_files
from fimeval.bench.percentiles import Percentiles, find_percentiles
from fimeval.errors import EvalError
from fimserve.context import RepositoryIndex, find_snippets

__all__ = ["ContextResult", "ContextSettings", "measure_context"]

WARMUP = 5
"""Turns that do not count: grammars and libraries are loaded in the first ones."""


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """What is measured."""

    repository: Path | None
    """A folder; None makes one up."""
    num_files: int
    """Files of the repository that is made up."""
    n: int
    """Turns, each one changed file and one question."""
    max_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class ContextResult:
    """What came out."""

    num_files: int
    num_chars: int
    left_out: dict[str, int]
    build_s: float
    compact_s: float
    """Making the large index anew after all changes."""
    memory_mib: float
    """Growth of the largest resident memory while the index was made."""
    query_ms: Percentiles
    update_ms: Percentiles
    answered_share: float
    """Of questions with at least one snippet."""


def measure_context(settings: ContextSettings, advance: Callable[[int], None]) -> ContextResult:
    """Return the times of an index; EvalError if the repository has no source files.

    Args:
        settings: What is measured.
        advance: Called after each turn with the number of all.

    Returns:
        The result.
    """
    if settings.repository is not None:
        return _measure(settings.repository, settings, advance)
    with tempfile.TemporaryDirectory(prefix="fimserve-context-") as folder:
        root = Path(folder)
        for path, text in make_files(settings.num_files, settings.seed):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return _measure(root, settings, advance)


def _measure(
    root: Path, settings: ContextSettings, advance: Callable[[int], None]
) -> ContextResult:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started_s = time.perf_counter()
    index = RepositoryIndex.build(root)
    build_s = time.perf_counter() - started_s
    memory_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if not index.paths:
        raise EvalError(f"{root} has no source files in a language that is indexed")
    files = [file for path in index.paths if (file := index.find_file(path)) is not None]
    rng = random.Random(settings.seed)
    query_ms, update_ms, num_answered = [], [], 0
    for turn in range(WARMUP + settings.n):
        path = rng.choice(index.paths)
        text = getattr(index.find_file(path), "text", "")
        cut = text.find("\n", rng.randrange(len(text))) + 1
        changed = f"{text[:cut]}// changed {turn}\n{text[cut:]}"
        started_s = time.perf_counter()
        index.update({path: changed})
        updated_s = time.perf_counter()
        at = rng.randrange(len(changed))
        found = find_snippets(index, path, changed[:at], None, changed[at:], settings.max_tokens)
        if turn >= WARMUP:
            update_ms.append((updated_s - started_s) * 1000.0)
            query_ms.append((time.perf_counter() - updated_s) * 1000.0)
            num_answered += bool(found)
            advance(settings.n)
    started_s = time.perf_counter()
    index.compact()
    return ContextResult(
        num_files=len(files),
        num_chars=sum(len(file.text) for file in files),
        left_out=dict(index.left_out),
        build_s=round(build_s, 3),
        compact_s=round(time.perf_counter() - started_s, 3),
        memory_mib=round(memory_mib, 1),
        query_ms=find_percentiles(query_ms),
        update_ms=find_percentiles(update_ms),
        answered_share=round(num_answered / settings.n, 4),
    )
