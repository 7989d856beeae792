"""A private benchmark: spans of repositories as questions, drawn by kind.

The spans are the miner's, and nothing else of mining applies: no licence, no list of evaluation
data, no filter of files, no scrubbing and no dropping of copies, unless it is asked for. Whoever
measures a model on their own repository wants what stands there. Snippets are found without
knowing the middle, as at an editor's cursor.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from fimcurriculum.errors import MinerError
from fimcurriculum.mining.repository import Repository, SourceFile, as_tree_files
from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.schema import Kind
from fimcurriculum.sources.clone import CloneError, read_blobs
from fimcurriculum.sources.decode import decode_source
from fimcurriculum.sources.filters import MAX_BYTES, refuse_path, refuse_text
from fimcurriculum.syntax.draw import draw
from fimcurriculum.syntax.find import find_spans
from fimcurriculum.syntax.grammars import load_grammar
from fimcurriculum.syntax.parsed_file import ParsedFile, ParseTooLong
from fimcurriculum.syntax.span import Span
from fimserve.context import RepositoryIndex, find_snippets

__all__ = ["BenchmarkCounts", "BenchmarkRow", "BenchmarkSettings", "draw_benchmark"]

MAX_PREFIX_CHARS = 24_000
MAX_SUFFIX_CHARS = 12_000
"""More than the context of small models holds; the engine cuts what its model cannot take."""

RANDOM_PER_FILE = 10
"""A file has any number of random spans; all files count alike."""

NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """Which spans are drawn, and what is shown with them."""

    per_kind: int = 50
    """Spans of each kind, over all repositories."""
    seed: int = 0
    recipe: MiningRecipe = field(default_factory=MiningRecipe)
    """Kinds, and the lengths that a middle may have; its other keys do not apply."""
    exclude: tuple[str, ...] = ()
    """Patterns of paths that are left out, as context too, such as `tests/*`; `*` takes slashes."""
    skip_generated: bool = False
    """Whether files that look vendored, generated or like data are left out, as in mining."""
    snippet_tokens: int = 0
    """Budget of the snippets of a row; 0 brings none."""


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One question, as the files of `fimserve eval repo` have them."""

    task_id: str
    repository: str
    commit: str
    path: str
    language: str
    kind: str
    line: int
    """Line of the file, counted from 1, where the middle begins."""
    prefix: str
    middle: str
    suffix: str
    snippets: list[dict[str, str]]


@dataclass(slots=True)
class BenchmarkCounts:
    """What became of files and places."""

    num_files: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason -> files that gave nothing."""
    found: Counter[str] = field(default_factory=Counter)
    """Kind -> spans that could be drawn."""
    drawn: Counter[str] = field(default_factory=Counter)
    """Kind -> rows."""


@dataclass(frozen=True, slots=True, order=True)
class _Lot:
    """A span with the number that decides whether it is drawn; the largest of a heap goes first."""

    lot: float
    repository: str = field(compare=False)
    file: SourceFile = field(compare=False)
    span: Span = field(compare=False)


def draw_benchmark(
    repositories: Sequence[Repository],
    settings: BenchmarkSettings,
    counts: BenchmarkCounts,
    on_progress: Callable[[int], None] = lambda num_files: None,
) -> Iterator[BenchmarkRow]:
    """Yield the rows of a benchmark: the same ones for the same commits and settings.

    Args:
        repositories: Clones at a commit, with the files of the wanted languages.
        settings: What to draw.
        counts: Filled on the way.
        on_progress: Called with the number of files read so far.

    Yields:
        BenchmarkRow: In order of repository, path and place.

    Raises:
        MinerError: If a clone cannot be read.
    """
    try:
        drawn = _draw(repositories, settings, counts, on_progress)
        for repository in repositories:
            own = [one for one in drawn if one.repository == repository.name]
            yield from _make_rows(repository, own, settings, counts)
    except CloneError as error:
        raise MinerError(str(error)) from error


def _draw(
    repositories: Sequence[Repository],
    settings: BenchmarkSettings,
    counts: BenchmarkCounts,
    on_progress: Callable[[int], None],
) -> list[_Lot]:
    heaps: dict[str, list[tuple[float, _Lot]]] = {}
    for repository in repositories:
        for file, text in _read_files(repository, settings, counts):
            counts.num_files += 1
            on_progress(counts.num_files)
            for span in _find(file, text, settings, counts):
                counts.found[span.kind] += 1
                place = (repository.name, file.path, span.start, span.end, span.kind)
                one = _Lot(draw(settings.seed, "benchmark", *place), repository.name, file, span)
                heap = heaps.setdefault(span.kind, [])
                if len(heap) < settings.per_kind:
                    heapq.heappush(heap, (-one.lot, one))
                else:
                    heapq.heappushpop(heap, (-one.lot, one))
    return [one for heap in heaps.values() for _, one in heap]


def _read_files(
    repository: Repository, settings: BenchmarkSettings, counts: BenchmarkCounts
) -> Iterator[tuple[SourceFile, str]]:
    wanted: dict[tuple[str, str], SourceFile] = {}
    for file in repository.files:
        reason = _refuse(file, settings)
        if reason:
            counts.left_out[reason] += 1
        else:
            wanted[file.path, file.blob] = file
    for tree_file, content in read_blobs(repository.git_dir, as_tree_files(tuple(wanted.values()))):
        text = decode_source(content)
        reason = "not_utf8" if text is None else None
        if text is not None and settings.skip_generated:
            reason = refuse_text(text)
        if text is None or reason:
            counts.left_out[reason or "not_utf8"] += 1
        else:
            yield wanted[tree_file.path, tree_file.blob], text


def _refuse(file: SourceFile, settings: BenchmarkSettings) -> str | None:
    if any(fnmatchcase(file.path, pattern) for pattern in settings.exclude):
        return "excluded"
    if file.num_bytes > MAX_BYTES:
        return "too_large"
    return refuse_path(file.path) if settings.skip_generated else None


def _find(
    file: SourceFile, text: str, settings: BenchmarkSettings, counts: BenchmarkCounts
) -> list[Span]:
    """Return all spans of a file by its syntax, and some random ones beside them."""
    try:
        parsed = ParsedFile(text, load_grammar(file.language, file.path))
    except ParseTooLong:
        counts.left_out["parse_too_long"] += 1
        return []
    recipe = replace(settings.recipe, seed=settings.seed)
    kinds = set(recipe.kinds)
    by_syntax = tuple(sorted(kinds - {Kind.RANDOM}))
    spans = find_spans(
        parsed, file.path, replace(recipe, kinds=by_syntax, max_per_kind_and_file=NO_LIMIT)
    ).spans
    if Kind.RANDOM in kinds:
        # Found apart, so that their number takes no place from the others.
        limits = replace(recipe, kinds=(Kind.RANDOM,), max_per_kind_and_file=RANDOM_PER_FILE)
        places = {(span.start, span.end) for span in spans}
        found = find_spans(parsed, file.path, limits).spans
        spans += [span for span in found if (span.start, span.end) not in places]
    return spans


def _make_rows(
    repository: Repository,
    drawn: list[_Lot],
    settings: BenchmarkSettings,
    counts: BenchmarkCounts,
) -> Iterator[BenchmarkRow]:
    by_file: dict[tuple[str, str], list[_Lot]] = {}
    for one in sorted(drawn, key=lambda o: (o.file.path, o.span.start, o.span.end, o.span.kind)):
        by_file.setdefault((one.file.path, one.file.blob), []).append(one)
    files = as_tree_files(tuple(group[0].file for group in by_file.values()))
    index = None
    if settings.snippet_tokens and drawn:
        found = _read_files(repository, settings, BenchmarkCounts())
        index = RepositoryIndex((file.path, text) for file, text in found)
    for tree_file, content in read_blobs(repository.git_dir, files):
        text = decode_source(content) or ""
        for one in by_file[tree_file.path, tree_file.blob]:
            counts.drawn[one.span.kind] += 1
            yield _make_row(repository, one, text, settings, index)


def _make_row(
    repository: Repository,
    one: _Lot,
    text: str,
    settings: BenchmarkSettings,
    index: RepositoryIndex | None,
) -> BenchmarkRow:
    span, path = one.span, one.file.path
    prefix = text[max(0, span.start - MAX_PREFIX_CHARS) : span.start]
    suffix = text[span.end : span.end + MAX_SUFFIX_CHARS]
    line = text.count("\n", 0, span.start) + 1
    snippets = (
        []
        if index is None
        else find_snippets(index, path, prefix, None, suffix, settings.snippet_tokens)
    )
    return BenchmarkRow(
        task_id=f"{repository.name}:{path}:{line}:{span.kind}:{span.start}-{span.end}",
        repository=repository.name,
        commit=repository.commit,
        path=path,
        language=one.file.language,
        kind=span.kind,
        line=line,
        prefix=prefix,
        middle=text[span.start : span.end],
        suffix=suffix,
        snippets=[{"path": s.path, "text": s.text, "reason": s.reason} for s in snippets],
    )
