"""Rows are full, borders are right, and a stored position resumes the very same stream."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from fimtraining import packing
from fimtraining.examples import Example, ExampleMix, SourceFile
from fimtraining.packing import Batch, Corpus, PackedRows, Row, collate, shuffled
from fimtraining.tokenizer import MARKERS
from support.tiny_corpus import make_row, write_shard, write_tiny_corpus

# Python 3.12 warns of forking beside other threads; a worker uses none of their locks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # few cores
]

ROW_TOKENS = 700
END = 0


def make_rows(corpus_dir: Path, tokenizer_dir: Path, **settings: object) -> PackedRows:
    defaults: dict[str, object] = {"row_tokens": ROW_TOKENS, "seed": 20}
    return PackedRows(
        Corpus(corpus_dir, "train"),
        tokenizer_dir / "tokenizer.json",
        ExampleMix(),
        **(defaults | settings),  # type: ignore[arg-type]
    )


def same_rows(left: list[Row], right: list[Row]) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a.token_ids, b.token_ids)
        and torch.equal(a.lengths, b.lengths)
        and torch.equal(a.is_answer, b.is_answer)
        and a[3:] == b[3:]
        for a, b in zip(left, right, strict=True)
    )


# ------------------------------------------------------------------------------------------ rows


def test_rows_are_exactly_full(corpus_dir: Path, tokenizer_dir: Path) -> None:
    for row in islice(make_rows(corpus_dir, tokenizer_dir), 30):
        assert len(row.token_ids) == ROW_TOKENS
        assert int(row.lengths.sum()) == ROW_TOKENS
        assert int(row.lengths.min()) > 0


def test_only_the_last_example_of_a_row_is_cut(corpus_dir: Path, tokenizer_dir: Path) -> None:
    cut = 0
    for row in islice(make_rows(corpus_dir, tokenizer_dir), 30):
        examples = row.token_ids.split(row.lengths.tolist())
        assert all(int(example[-1]) == END for example in examples[:-1])
        assert all(END not in example[:-1].tolist() for example in examples)
        cut += int(examples[-1][-1]) != END
    assert cut > 15


def test_example_longer_than_a_row_fills_it(corpus_dir: Path, tokenizer_dir: Path) -> None:
    row = next(iter(make_rows(corpus_dir, tokenizer_dir, row_tokens=10)))
    assert row.lengths.tolist() == [10]
    assert row.position == 1


def test_rows_are_a_function_of_the_seed(corpus_dir: Path, tokenizer_dir: Path) -> None:
    def take(seed: int) -> list[Row]:
        return list(islice(make_rows(corpus_dir, tokenizer_dir, seed=seed), 5))

    assert same_rows(take(1), take(1))
    assert not same_rows(take(1), take(2))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the documents in the order in which streams take them up."""
    paths: list[str] = []

    def make_example(file: SourceFile, *_: object) -> Example:
        paths.append(file.path)
        return Example([7, END], 1)

    monkeypatch.setattr(packing, "make_example", make_example)
    return paths


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_every_epoch_holds_every_document_once(
    num_ranks: int, corpus_dir: Path, tokenizer_dir: Path, served: list[str]
) -> None:
    num_documents = len(Corpus(corpus_dir, "train"))
    everyone = sorted(Corpus(corpus_dir, "train").file(i).path for i in range(num_documents))
    by_rank: list[list[str]] = []
    for rank in range(num_ranks):
        served.clear()
        rows = iter(
            make_rows(corpus_dir, tokenizer_dir, row_tokens=2, rank=rank, num_ranks=num_ranks)
        )
        list(islice(rows, 2 * num_documents // num_ranks))
        by_rank.append(list(served))
    per_epoch = num_documents // num_ranks
    first = [path for paths in by_rank for path in paths[:per_epoch]]
    second = [path for paths in by_rank for path in paths[per_epoch:]]
    assert sorted(first) == sorted(second) == everyone
    assert first != second


# ------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("stop", [0, 1, 7])
def test_stored_position_resumes_with_the_rows_that_would_have_followed(
    stop: int, corpus_dir: Path, tokenizer_dir: Path
) -> None:
    whole = list(islice(make_rows(corpus_dir, tokenizer_dir), 20))
    positions = {whole[stop].stream: whole[stop].position}
    rest = make_rows(corpus_dir, tokenizer_dir, positions=positions)
    assert same_rows(list(islice(rest, 19 - stop)), whole[stop + 1 :])


def take_batches(
    rows: PackedRows, num_workers: int, skip: int, count: int, positions: dict[int, int]
) -> list[Batch]:
    """Return some batches of a loader and note in `positions` how far its streams are then."""
    loader = DataLoader(
        rows,
        batch_size=2,
        num_workers=num_workers,
        collate_fn=partial(collate, max_examples=40),
        prefetch_factor=4 if num_workers else None,
    )
    batches: Iterator[Batch] = iter(loader)
    taken = []
    for batch in islice(batches, skip + count):
        positions.update(batch.stream_positions)
        taken.append(batch)
    return taken[skip:]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("num_workers", "stop"), [(0, 3), (2, 4), (2, 5), (3, 7)])
def test_loader_resumes_with_the_batches_that_would_have_followed(
    num_workers: int, stop: int, rank: int, corpus_dir: Path, tokenizer_dir: Path
) -> None:
    place = {"rank": rank, "num_ranks": 2}
    rows = make_rows(corpus_dir, tokenizer_dir, **place)
    expected = take_batches(rows, num_workers, stop, 6, {})
    positions: dict[int, int] = {}
    take_batches(make_rows(corpus_dir, tokenizer_dir, **place), num_workers, 0, stop, positions)
    resumed = make_rows(corpus_dir, tokenizer_dir, **place, positions=positions, rotation=stop)
    found = take_batches(resumed, num_workers, 0, 6, {})
    for one, other in zip(expected, found, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:5], other[:5], strict=True))
        assert one.stream_positions == other.stream_positions


def test_workers_never_share_a_document(corpus_dir: Path, tokenizer_dir: Path) -> None:
    positions: dict[int, int] = {}
    rows = make_rows(corpus_dir, tokenizer_dir, rank=1, num_ranks=2)
    take_batches(rows, 3, 0, 6, positions)
    assert sorted(positions) == [3, 4, 5]  # rank 1 of 2, three workers each


# -------------------------------------------------------------------------------- the shuffle


@settings(deadline=None)
@given(st.integers(1, 3000), st.text(max_size=5))
def test_shuffled_is_a_permutation(size: int, key: str) -> None:
    assert sorted(shuffled(place, size, key) for place in range(size)) == list(range(size))


def test_shuffled_differs_by_key_and_leaves_little_in_place() -> None:
    orders = [[shuffled(place, 1000, f"20:{epoch}") for place in range(1000)] for epoch in range(3)]
    for order in orders:
        assert sum(place == index for place, index in enumerate(order)) < 20
        steps = [abs(b - a) for a, b in pairwise(order)]
        assert 250 < sum(steps) / len(steps) < 420  # a third of the range, if nothing clings
    assert orders[0] != orders[1] != orders[2]


# ---------------------------------------------------------------------------------- the batches

ROWS = st.integers(1, 4).flatmap(
    lambda count: st.lists(
        st.lists(st.integers(1, 6), min_size=1, max_size=6), min_size=count, max_size=count
    )
)


def fill_rows(lengths: list[list[int]]) -> list[Row]:
    """Return rows of these examples, padded by one more so that all are equally long."""
    width = max(sum(row) for row in lengths) + 1
    full = [[*row, width - sum(row)] for row in lengths]
    return [
        Row(
            torch.arange(number * width, (number + 1) * width, dtype=torch.int32),
            torch.tensor(row, dtype=torch.int32),
            torch.arange(width) % 3 == 1,
            stream=number % 2,
            position=10 + number,
        )
        for number, row in enumerate(full)
    ]


@settings(deadline=None)
@given(ROWS)
def test_batch_is_right_token_by_token(lengths: list[list[int]]) -> None:
    rows = fill_rows(lengths)
    batch = collate(rows, max_examples=40)
    ids, targets, positions, borders = [], [], [], [0]
    for row in rows:
        for example in row.token_ids.split(row.lengths.tolist()):
            ids += example.tolist()
            targets += [*example[1:].tolist(), -100]
            positions += list(range(len(example)))
            borders.append(borders[-1] + len(example))
    assert batch.token_ids.tolist() == ids
    assert batch.targets.tolist() == targets
    assert batch.positions.tolist() == positions
    assert batch.cu_seqlens.tolist() == borders + [len(ids)] * (41 - len(borders))
    assert batch.token_ids.dtype == batch.targets.dtype == batch.positions.dtype == torch.int64
    assert batch.cu_seqlens.dtype == torch.int32


@settings(deadline=None)
@given(ROWS)
def test_no_target_crosses_a_border(lengths: list[list[int]]) -> None:
    batch = collate(fill_rows(lengths), max_examples=40)
    starts = [place for place, position in enumerate(batch.positions.tolist()) if position == 0]
    lasts = {place - 1 for place in starts} - {-1} | {len(batch.targets) - 1}
    for place, target in enumerate(batch.targets.tolist()):
        assert (target == -100) == (place in lasts)


@settings(deadline=None)
@given(ROWS, st.integers(1, 8))
def test_surplus_examples_get_no_loss(lengths: list[list[int]], max_examples: int) -> None:
    rows = fill_rows(lengths)
    batch = collate(rows, max_examples)
    plain = collate(rows, max_examples=40)
    num_examples = sum(len(row.lengths) for row in rows)
    assert len(batch.cu_seqlens) == max_examples + 1
    assert int(batch.cu_seqlens[0]) == 0
    assert int(batch.cu_seqlens[-1]) == len(batch.token_ids)
    assert bool((batch.cu_seqlens.diff() >= 0).all())
    kept = num_examples if num_examples <= max_examples else max_examples - 1
    border = int(plain.cu_seqlens[kept])
    assert torch.equal(batch.targets[:border], plain.targets[:border])
    assert bool((batch.targets[border:] == -100).all())
    assert torch.equal(batch.cu_seqlens[:kept], plain.cu_seqlens[:kept])


@settings(deadline=None)
@given(ROWS, st.integers(1, 40))
def test_weight_lies_where_an_answer_token_is_predicted(
    lengths: list[list[int]], max_examples: int
) -> None:
    rows = fill_rows(lengths)
    batch = collate(rows, max_examples, middle_weight=5.0, context_weight=0.25)
    is_answer = [flag for row in rows for flag in row.is_answer.tolist()]
    for place, weight in enumerate(batch.weights.tolist()):
        if int(batch.targets[place]) == -100:
            assert weight == 0.0
        else:
            assert weight == (5.0 if is_answer[place + 1] else 0.25)


def test_weights_of_real_rows_are_on_middles_and_end_tokens(
    corpus_dir: Path, tokenizer_dir: Path
) -> None:
    rows = make_rows(corpus_dir, tokenizer_dir, row_tokens=6000)
    rows.mix = replace(rows.mix, fim_rate=1.0, orders={"psm": 1.0}, spans={"line": 1.0})
    taken = list(islice(rows, 10))
    batch = collate(taken, 200, middle_weight=5.0)
    ends = batch.targets == END
    assert int(ends.sum()) > 20
    assert bool((batch.weights[ends] == 5.0).all())
    middle_marker = MARKERS.index("<|fim_middle|>")
    for start, end in pairwise(batch.cu_seqlens.unique().tolist()):
        ids, weights = batch.token_ids[start:end], batch.weights[start:end]
        marker = (ids == middle_marker).nonzero()
        if len(marker):  # not cut before its middle
            at = int(marker[0])
            assert bool((weights[:at] == 1.0).all())
            assert bool((weights[at:-1] == 5.0).all())


def test_long_files_are_visited_more_often(corpus_dir: Path) -> None:
    corpus = Corpus(corpus_dir, "train")
    assert corpus.visits(0).tolist() == list(range(len(corpus)))
    counts = np.bincount(corpus.visits(100))
    expected = [math.ceil(len(corpus.file(i).text) / 100) for i in range(len(corpus))]
    assert counts.tolist() == expected


def test_named_repositories_are_visited_more_often(corpus_dir: Path) -> None:
    corpus = Corpus(corpus_dir, "train")
    name = corpus.file(0).repository
    once, counts = (
        np.bincount(corpus.visits(100, factors)) for factors in ({}, {name: 3, "nobody/none": 9})
    )
    factors = [3 if corpus.file(i).repository == name else 1 for i in range(len(corpus))]
    assert counts.tolist() == (once * factors).tolist()


def test_named_languages_are_visited_more_often_and_factors_multiply(corpus_dir: Path) -> None:
    corpus = Corpus(corpus_dir, "train")
    name = corpus.file(0).repository
    once = np.bincount(corpus.visits(100))
    counts = np.bincount(corpus.visits(100, {name: 3}, {"python": 2, "cobol": 9}))
    files = [corpus.file(i) for i in range(len(corpus))]
    factors = [
        (3 if file.repository == name else 1) * (2 if file.language == "python" else 1)
        for file in files
    ]
    assert {file.language for file in files} > {"python"}
    assert counts.tolist() == (once * factors).tolist()


def test_batch_remembers_the_last_position_of_each_stream() -> None:
    batch = collate(fill_rows([[1], [2], [3]]), max_examples=10)
    assert batch.stream_positions == {0: 12, 1: 11}


# ----------------------------------------------------------------------------------- the corpus


def test_documents_are_read_over_all_shards(tmp_path: Path) -> None:
    corpus = Corpus(write_tiny_corpus(tmp_path, num_train=10, num_shards=3), "train")
    rows = [make_row(number, "acme/train") for number in range(10)]
    assert [corpus.file(index) for index in range(len(corpus))] == [
        SourceFile(row["repository"], row["path"], row["language"], row["text"]) for row in rows
    ]
    assert corpus.languages() == ["go", "python"]


def test_one_language_is_read_by_name(corpus_dir: Path) -> None:
    corpus = Corpus(corpus_dir, "train", "go")
    assert len(corpus) == 6
    assert {corpus.file(index).language for index in range(6)} == {"go"}
    assert len(Corpus(corpus_dir, "train", "cobol")) == 0


def test_missing_split_is_an_error_that_names_it(tmp_path: Path) -> None:
    write_tiny_corpus(tmp_path, num_validation=0)
    with pytest.raises(FileNotFoundError, match=r"no validation-\*\.parquet"):
        Corpus(tmp_path, "validation")


def test_neighbours_are_other_files_of_the_repository(corpus_dir: Path) -> None:
    corpus = Corpus(corpus_dir, "train")
    counts = set()
    for index in range(len(corpus)):
        file = corpus.file(index)
        found = corpus.neighbours(index, random.Random(index), 3)
        paths = [neighbour.path for neighbour in found]
        assert {neighbour.repository for neighbour in found} <= {file.repository}
        assert file.path not in paths
        assert len(set(paths)) == len(paths) <= 3
        counts.add(len(paths))
    assert max(counts) >= 2


def test_lonely_file_has_no_neighbours(tmp_path: Path) -> None:
    rows = [make_row(0, "acme/a"), make_row(1, "acme/b"), make_row(2, "acme/a")]
    write_shard(tmp_path / "train-00000.parquet", rows)
    corpus = Corpus(tmp_path, "train")
    assert corpus.neighbours(1, random.Random(1), 3) == []


# ------------------------------------------------------------------------------------ imports


def write_linked(directory: Path, imports: list[list[int]]) -> Corpus:
    """Write documents of one repository with distances to their imports."""
    directory.mkdir()
    rows = [
        {"repository": "acme/a", "path": f"{n}.py", "language": "python", "text": f"x = {n}\n"}
        | {"imports": distances}
        for n, distances in enumerate(imports)
    ]
    schema = pa.schema(
        [(name, pa.large_string()) for name in ("repository", "path", "language", "text")]
        + [("imports", pa.list_(pa.int32()))]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), directory / "train-00000.parquet")
    return Corpus(directory, "train")


def test_imported_files_come_before_what_imports_them(tmp_path: Path) -> None:
    # 0 imports 1 and 2, 1 imports 3, 2 imports 1.
    corpus = write_linked(tmp_path / "linked", [[1, 2], [2], [-1], []])
    for seed in range(20):
        paths = [file.path for file in corpus.imported(0, random.Random(seed), 3)]
        assert paths == ["3.py", "1.py", "2.py"]
    direct = {file.path for s in range(20) for file in corpus.imported(0, random.Random(s), 1)}
    assert direct == {"1.py", "2.py"}
    assert corpus.imported(3, random.Random(1), 3) == []


def test_circles_of_imports_end(tmp_path: Path) -> None:
    corpus = write_linked(tmp_path / "circle", [[1], [1], [-1, -2]])
    assert {f.path for f in corpus.imported(0, random.Random(1), 5)} == {"1.py", "2.py"}


def test_a_corpus_without_imports_has_none(corpus_dir: Path) -> None:
    assert Corpus(corpus_dir, "train").imported(0, random.Random(1), 3) == []


def test_rows_with_imports_are_a_function_of_the_seed(tmp_path: Path, tokenizer_dir: Path) -> None:
    corpus = write_linked(tmp_path / "linked", [[1, 2], [2], [-1], []])
    mix = ExampleMix(repository_rate=1.0, import_rate=1.0, fim_rate=0.0)

    def take() -> list[Row]:
        rows = PackedRows(corpus, tokenizer_dir / "tokenizer.json", mix, 60, 1)
        return list(islice(rows, 5))

    assert same_rows(take(), take())
