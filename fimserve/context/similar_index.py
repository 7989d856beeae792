"""BM25 over windows of lines, kept in step with files that change.

bm25s' indexes never change once made, so there are several, as in a log-structured store: a large
one over what a repository held at first, small ones over what changed since. A window that is gone
is masked where it was. The newest small one is made anew with each change and closed once it holds
enough files; a new `SimilarIndex` makes all into one large one again, which takes seconds and
belongs into the background.

BM25 weighs words by how rare they are, and a handful of windows knows nothing of that: a small
index also holds a sample of the large one's windows, which it never returns.
"""

import logging
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from fimserve.context.chunk import Chunk, ChunkWords

if TYPE_CHECKING:
    from bm25s import BM25

__all__ = ["Prepared", "Similar", "SimilarIndex"]

OPEN_FILES = 8
"""Changed files in the index that is made anew with each change."""
MAX_SEGMENTS = 16
MAX_DEAD_SHARE = 0.25
SAMPLE_CHUNKS = 96
SMALL_CHUNKS = 1_000
"""Below this many windows an index gets the sample."""
MAX_QUERY_WORDS = 48
MAX_WORD_SHARE = 0.1
"""Words in more windows than this share tell little and cost the most."""


class Similar(NamedTuple):
    """A window and how well it fits."""

    score: float
    chunk: Chunk


class _Segment:
    """One BM25 index that never changes, and which of its windows still exist."""

    def __init__(self, windows: Iterable[ChunkWords], sample: Iterable[ChunkWords] = ()) -> None:
        import numpy as np

        self.chunks: list[Chunk] = []
        vocabulary: dict[str, int] = {}
        ids = [self._take(window, vocabulary) for window in windows]
        self.num_alive = len(ids)
        ids += [_number(window.words, vocabulary) for window in sample]
        self._alive = np.zeros(len(ids), np.float32)
        self._alive[: len(self.chunks)] = 1.0
        self._places: dict[str, list[int]] = {}
        for place, chunk in enumerate(self.chunks):
            self._places.setdefault(chunk.path, []).append(place)
        self._bm25 = _index(ids, vocabulary) if ids else None

    def _take(self, window: ChunkWords, vocabulary: dict[str, int]) -> list[int]:
        self.chunks.append(window.chunk)
        return _number(window.words, vocabulary)

    def drop(self, path: str) -> None:
        """Mask the windows of a file."""
        places = self._places.pop(path, [])
        self._alive[places] = 0.0
        self.num_alive -= len(places)

    def count_windows_with(self, words: Iterable[str]) -> dict[str, int]:
        """Return in how many windows each word occurs; those in none are left out."""
        if self._bm25 is None:
            return {}
        starts = self._bm25.scores["indptr"]
        ids = ((word, self._bm25.vocab_dict.get(word)) for word in words)
        return {word: int(starts[i + 1] - starts[i]) for word, i in ids if i is not None}

    def search(self, words: list[str], k: int, skipped: str) -> list[Similar]:
        """Return the best windows, those of one file left out."""
        import numpy as np

        known = [word for word in words if self._bm25 and word in self._bm25.vocab_dict]
        if self._bm25 is None or not known:
            return []
        scores = self._bm25.get_scores(known) * self._alive
        scores[self._places.get(skipped, [])] = 0.0
        k = min(k, len(scores))
        best = np.argpartition(scores, -k)[-k:]
        return [Similar(float(scores[i]), self.chunks[i]) for i in best if scores[i] > 0.0]


def _number(words: list[str], vocabulary: dict[str, int]) -> list[int]:
    return [vocabulary.setdefault(word, len(vocabulary)) for word in words]


def _index(ids: list[list[int]], vocabulary: dict[str, int]) -> "BM25":
    import bm25s

    # It logs each index, to a handler of its own.
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    made = bm25s.BM25()
    made.index((ids, vocabulary), show_progress=False)
    return made


class Prepared(NamedTuple):
    """A change of a `SimilarIndex` that is ready to be taken over."""

    files: dict[str, list[ChunkWords]]
    """What the newest small index holds then."""
    segment: _Segment
    starts_anew: bool
    """Whether the newest small index before it is closed."""


class _Sample:
    """Hands windows on and keeps some of them, each equally likely (reservoir sampling)."""

    def __init__(self, windows: Iterable[ChunkWords], size: int) -> None:
        self._windows = windows
        self._size = size
        self.sample: list[ChunkWords] = []

    def __iter__(self) -> Iterator[ChunkWords]:
        rng = random.Random(0)  # the same sample for the same repository
        for place, window in enumerate(self._windows):
            if place < self._size:
                self.sample.append(window)
            elif (kept := rng.randrange(place + 1)) < self._size:
                self.sample[kept] = window
            yield window


class SimilarIndex:
    """Finds windows that read like a text.

    Searching and changing exclude each other; `RepositoryIndex` sees to that.

    Args:
        windows: Windows of all files.
    """

    def __init__(self, windows: Iterable[ChunkWords] = ()) -> None:
        kept = _Sample(windows, SAMPLE_CHUNKS)
        self._segments = [_Segment(kept)]
        self._sample = kept.sample
        self._open: dict[str, list[ChunkWords]] = {}
        self._newest = _Segment(())

    @property
    def needs_compaction(self) -> bool:
        """Whether so much has changed that searching gets slower."""
        held = sum(len(segment.chunks) for segment in self._segments)
        dead = held - sum(segment.num_alive for segment in self._segments)
        return len(self._segments) > MAX_SEGMENTS or dead > max(
            SMALL_CHUNKS, int(held * MAX_DEAD_SHARE)
        )

    def prepare(self, changed: Mapping[str, list[ChunkWords]]) -> Prepared:
        """Return what `take_over` needs; this is the slow part and changes nothing.

        Args:
            changed: For each file its windows now, none for one that is gone.

        Returns:
            The change.
        """
        starts_anew = len(self._open.keys() | changed.keys()) > OPEN_FILES
        held = {**changed} if starts_anew else {**self._open, **changed}
        windows = [window for of_file in held.values() for window in of_file]
        is_small = 0 < len(windows) < SMALL_CHUNKS
        segment = _Segment(windows, self._sample if is_small else ())
        return Prepared(held, segment, starts_anew)

    def take_over(self, prepared: Prepared) -> None:
        """Make a prepared change hold; there must have been no other since.

        Args:
            prepared: The change.
        """
        if prepared.starts_anew:
            if self._newest.num_alive:
                self._segments.append(self._newest)
            self._open = {}
        for segment in self._segments:
            for path in prepared.files:
                segment.drop(path)
        self._open, self._newest = prepared.files, prepared.segment

    def search(self, words: Iterable[str], k: int, skipped: str = "") -> list[Similar]:
        """Return the windows that fit best, best first.

        Args:
            words: Words of the text, weighed alike.
            k: How many at most.
            skipped: File whose windows are not wanted.

        Returns:
            Windows with scores above 0; equal ones in the order of their places.
        """
        asked = self._choose(list(dict.fromkeys(words)))
        found = [
            similar
            for segment in (*self._segments, self._newest)
            for similar in segment.search(asked, k, skipped)
        ]
        found.sort(key=lambda each: (-each.score, each.chunk.path, each.chunk.start_line))
        return found[:k]

    def _choose(self, words: list[str]) -> list[str]:
        """Return the rare words, which decide, and at most as many as can be asked quickly."""
        large = self._segments[0]
        counts = large.count_windows_with(words)
        limit = max(SAMPLE_CHUNKS, int(len(large.chunks) * MAX_WORD_SHARE))
        rare = [word for word in words if counts.get(word, 0) <= limit]
        return sorted(rare, key=lambda word: counts.get(word, 0))[:MAX_QUERY_WORDS]
