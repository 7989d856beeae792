"""Feed a training run: corpus shards -> examples -> rows of a fixed number of tokens.

A row holds whole examples one after another; only its last one is cut. `cu_seqlens` tells attention
where each begins, so none sees another. The stream is a pure function of (seed, position): workers
take every n-th document of an epoch's shuffle, and a position alone resumes it.
"""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from fimserve.prompt import Renderer, TextEncoder, load_format
from fimtraining.examples import Example, ExampleMix, SourceFile, make_example
from fimtraining.objective import make_horizons


class Row(NamedTuple):
    """One packed row and where its stream goes on."""

    token_ids: Tensor
    """[row_tokens] int32."""
    lengths: Tensor
    """[number of examples] int32, adding up to row_tokens."""
    is_answer: Tensor
    """[row_tokens] bool, whether a token is of a middle or the end token behind it."""
    stream: int
    """Number of the stream that made it."""
    position: int
    """Documents of the stream used up, this row included."""


class Corpus:
    """The documents of one split, held once in Arrow memory that forked workers share.

    Args:
        directory: Output of `fimtraining.corpus build`.
        split: "train" or "validation".
        language: Keep this language only.

    Raises:
        FileNotFoundError: If the split has no shard.
    """

    def __init__(self, directory: Path, split: str, language: str | None = None) -> None:
        shards = sorted(directory.glob(f"{split}-*.parquet"))
        if not shards:
            raise FileNotFoundError(f"no {split}-*.parquet in {directory}; build the corpus first")
        columns = ["repository", "path", "language", "text"]
        known = pq.read_schema(shards[0]).names
        extra = ["imports"] if "imports" in known and not language else []
        table = pa.concat_tables(
            [pq.read_table(shard, columns=columns + extra) for shard in shards]
        )
        if language:
            table = table.filter(pc.equal(table["language"], language))
        self._columns = {name: table[name].combine_chunks() for name in columns}
        # Absent from older corpora; of one language alone, distances in rows mean nothing.
        self._imports = table["imports"].combine_chunks() if extra else None
        self._first, self._last = self._repository_bounds()

    def visits(
        self,
        chars: int,
        repositories: Mapping[str, int] | None = None,
        languages: Mapping[str, int] | None = None,
    ) -> np.ndarray:
        """Return document numbers, each as often as an epoch has it.

        Args:
            chars: Once for every so many characters; 0: once.
            repositories: Repository -> how many times as often.
            languages: Language -> how many times as often; both factors count.

        Returns:
            Numbers in rising order.
        """
        times = np.ones(len(self), dtype=np.int64)
        if chars:
            lengths = pc.utf8_length(self._columns["text"]).to_numpy()
            times = np.maximum(1, -(-lengths // chars))
        for column, factors in (("repository", repositories), ("language", languages)):
            for name, factor in (factors or {}).items():
                times[pc.equal(self._columns[column], name).to_numpy(False)] *= factor
        return np.repeat(np.arange(len(self)), times)

    def __len__(self) -> int:
        return len(self._columns["text"])

    def languages(self) -> list[str]:
        """Return the languages of the documents, sorted."""
        return sorted(pc.unique(self._columns["language"]).to_pylist())

    def file(self, index: int) -> SourceFile:
        """Return one document."""
        value = {name: column[index].as_py() for name, column in self._columns.items()}
        return SourceFile(**value)

    def neighbours(self, index: int, rng: random.Random, count: int) -> list[SourceFile]:
        """Return up to `count` other files of the same repository, near ones more often.

        Files are stored in tree order, so a small distance means the same or a close directory.
        """
        first, last = int(self._first[index]), int(self._last[index])
        found: dict[int, SourceFile] = {}
        for _ in range(2 * count):
            other = index + int(rng.gauss(0, 6))
            if first <= other < last and other != index and other not in found:
                found[other] = self.file(other)
        return list(found.values())[:count]

    def imported(self, index: int, rng: random.Random, count: int) -> list[SourceFile]:
        """Return up to `count` files that a document imports, what is imported before what does.

        Imports of imports come in where there is room. A circle is opened somewhere.
        """
        chosen: dict[int, list[int]] = {}
        waiting = self._direct(index, rng)
        while waiting and len(chosen) < count:
            other = waiting.pop(0)
            if other != index and other not in chosen:
                chosen[other] = self._direct(other, rng)
                waiting += chosen[other]
        return [self.file(other) for other in _in_dependency_order(chosen)]

    def _direct(self, index: int, rng: random.Random) -> list[int]:
        """Return numbers of the documents that a document imports, shuffled."""
        if self._imports is None:
            return []
        found = [index + distance for distance in self._imports[index].as_py() or ()]
        rng.shuffle(found)
        return found

    def _repository_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        names = self._columns["repository"].dictionary_encode().indices.to_numpy()
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        ends = np.r_[starts[1:], len(names)]
        sizes = ends - starts
        return np.repeat(starts, sizes), np.repeat(ends, sizes)


def _in_dependency_order(imports: Mapping[int, list[int]]) -> list[int]:
    """Return the keys so that each comes behind those it imports, as far as circles allow."""
    order: dict[int, None] = {}
    begun: set[int] = set()

    def place(number: int) -> None:
        begun.add(number)
        for other in imports[number]:
            if other in imports and other not in begun:
                place(other)
        order[number] = None

    for number in imports:
        if number not in begun:
            place(number)
    return list(order)


class PackedRows(IterableDataset[Row]):
    """Endless rows of a corpus for one process of a run; every worker is a stream of its own.

    Nothing is read until a worker iterates.

    Args:
        corpus: Documents.
        tokenizer: `tokenizer.json` of the model.
        mix: Shares of the kinds of examples.
        row_tokens: Tokens per row.
        seed: Seed of order and examples.
        rank: Number of this process.
        num_ranks: Processes of the run.
        positions: Where each stream resumes; a stream not named starts at 0.
        rotation: Batches already taken in turn from the workers, so that the turn goes on.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Path,
        mix: ExampleMix,
        row_tokens: int,
        seed: int,
        rank: int = 0,
        num_ranks: int = 1,
        positions: dict[int, int] | None = None,
        rotation: int = 0,
    ) -> None:
        super().__init__()
        self.corpus, self.tokenizer, self.mix = corpus, tokenizer, mix
        self.row_tokens, self.seed = row_tokens, seed
        self.rank, self.num_ranks = rank, num_ranks
        self.positions, self.rotation = positions or {}, rotation
        self._visits = corpus.visits(mix.visit_chars, mix.repository_visits, mix.language_visits)

    def __iter__(self) -> Iterator[Row]:
        """Yield rows for ever."""
        worker = get_worker_info()
        num_workers = worker.num_workers if worker else 1
        turn = ((worker.id if worker else 0) + self.rotation) % num_workers
        stream = self.rank * num_workers + turn
        return self._rows(stream, self.num_ranks * num_workers)

    def _rows(self, stream: int, num_streams: int) -> Iterator[Row]:
        renderer = Renderer(load_format("fimserve"), TextEncoder.from_file(self.tokenizer))
        position = self.positions.get(stream, 0)
        ids: list[int] = []
        lengths: list[int] = []
        is_answer: list[bool] = []
        while True:
            example, num_answer = self._example(position * num_streams + stream, renderer)
            position += 1
            flags = [False] * (len(example) - num_answer) + [True] * num_answer
            room = self.row_tokens - len(ids)
            ids += example[:room]
            is_answer += flags[:room]
            lengths.append(min(room, len(example)))
            if len(ids) == self.row_tokens:
                yield Row(
                    torch.tensor(ids, dtype=torch.int32),
                    torch.tensor(lengths, dtype=torch.int32),
                    torch.tensor(is_answer, dtype=torch.bool),
                    stream,
                    position,
                )
                ids, lengths, is_answer = [], [], []

    def _example(self, number: int, renderer: Renderer) -> Example:
        """Return the example of a global number: epoch and place in its shuffle."""
        epoch, place = divmod(number, len(self._visits))
        visit = shuffled(place, len(self._visits), f"{self.seed}:{epoch}")
        rng = random.Random(f"{self.seed}:{epoch}:{visit}")
        index = int(self._visits[visit])
        near = self.corpus.neighbours(index, rng, self.mix.max_snippets)
        imported: list[SourceFile] = []
        if self.mix.import_rate:
            imported = self.corpus.imported(index, rng, self.mix.max_snippets)
        return make_example(self.corpus.file(index), near, self.mix, renderer, rng, imported)


def shuffled(place: int, size: int, key: str) -> int:
    """Return the element at a place of a pseudo-random permutation of range(size).

    A four-round Feistel network walks a cycle until it lands below `size`: no table of the
    permutation is needed, so resuming anywhere costs nothing. Source: Black and Rogaway, "Ciphers
    with Arbitrary Finite Domains", 2002.
    """
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half_bits) - 1
    seed = random.Random(key).getrandbits(64)
    value = place
    while True:
        left, right = value >> half_bits, value & mask
        for turn in range(4):
            mixed = (right * 0x9E3779B97F4A7C15 + seed + turn * 0xD1B54A32D192ED03) & (2**64 - 1)
            mixed = (mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
            left, right = right, left ^ ((mixed >> 32) & mask)
        value = left << half_bits | right
        if value < size:
            return value


class Batch(NamedTuple):
    """Rows laid end to end, ready for a variable-length attention."""

    token_ids: Tensor
    """[T] int64."""
    targets: Tensor
    """[T] int64, the next token of the same example; -100 behind an example's last token."""
    positions: Tensor
    """[T] int64, from 0 in each example."""
    cu_seqlens: Tensor
    """[C] int32, example borders from 0 to T, the last one repeated up to a fixed C."""
    weights: Tensor
    """[T] float32, share of each target in the loss; 0 where there is none."""
    horizons: Tensor
    """[T] float32, share of the middle that is still to come; -1 where none is."""
    stream_positions: dict[int, int]
    """Stream -> position, to resume behind this batch."""


def collate(
    rows: list[Row], max_examples: int, middle_weight: float = 1.0, context_weight: float = 1.0
) -> Batch:
    """Join rows into one batch.

    Args:
        rows: Rows of equal size.
        max_examples: Fixed length of `cu_seqlens` less one, so that compiled code sees one shape.
            Surplus examples get no loss.
        middle_weight: Weight of the targets that are a middle or the end token behind it.
        context_weight: Weight of all others.

    Returns:
        The batch, as long as its rows together.
    """
    ids = torch.cat([row.token_ids for row in rows]).long()
    lengths = torch.cat([row.lengths for row in rows]).long()
    ends = lengths.cumsum(0)
    positions = torch.arange(len(ids)) - torch.repeat_interleave(ends - lengths, lengths)
    targets = torch.cat([ids[1:], ids.new_full((1,), -100)])
    targets[ends - 1] = -100
    borders = torch.cat([ends.new_zeros(1), ends])
    if len(borders) > max_examples + 1:
        targets[borders[max_examples - 1] :] = -100
        borders = torch.cat([borders[:max_examples], borders[-1:]])
    padded = torch.full((max_examples + 1,), len(ids), dtype=torch.int32)
    padded[: len(borders)] = borders.int()
    # A weight belongs to what is predicted, one place before the token itself.
    is_answer = torch.cat([row.is_answer for row in rows]).roll(-1)
    weights = torch.where(is_answer, middle_weight, context_weight).float()
    weights[targets < 0] = 0.0
    horizons = make_horizons(torch.cat([row.is_answer for row in rows]), lengths)
    resume = {row.stream: row.position for row in rows}
    return Batch(ids, targets, positions, padded, weights, horizons, resume)
