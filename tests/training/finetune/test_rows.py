"""Rows of a run: whole examples, labels on the middle, context by regime, the same again."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fimserve.prompt import Order
from fimtraining.finetune.base import open_base
from fimtraining.finetune.examples import find_orders
from fimtraining.finetune.recipe import TrainRecipe
from fimtraining.finetune.rows import IGNORED, RowCounts, hash_rows, prepare_rows
from fimtraining.finetune.spans import MinedSpans, SpansError
from support.mined import MineDesk
from support.tiny_checkpoint import write_tiny_checkpoint
from support.tiny_spans import write_tiny_spans

RECIPE = TrainRecipe(
    name="t",
    base="b",
    row_tokens=256,
    max_middle_tokens=64,
    rows_per_step=2,
    rows_per_pass=1,
    orders={"psm": 1.0},
)


def make(tmp_path: Path, recipe: TrainRecipe, num_rows: int = 8) -> tuple[object, RowCounts]:
    base = open_base(str(write_tiny_checkpoint(tmp_path / "base")), tmp_path)
    spans = MinedSpans(write_tiny_spans(tmp_path / "spans"), "train")
    orders = find_orders(recipe, base.orders)
    name = hash_rows(recipe, spans.sha256, base.tokenizer_sha256)
    return prepare_rows(tmp_path / name, spans, recipe, orders, base.renderer, num_rows)


def read(tmp_path: Path, recipe: TrainRecipe = RECIPE) -> list[dict[str, np.ndarray]]:
    rows, _ = make(tmp_path, recipe)
    return [{key: np.array(value) for key, value in row.items()} for row in rows]  # type: ignore[attr-defined]


def test_the_loss_is_on_the_middle_and_the_end_token(tmp_path: Path) -> None:
    base = open_base(str(write_tiny_checkpoint(tmp_path / "base")), tmp_path)
    row = read(tmp_path)[0]
    starts = np.flatnonzero(row["position_ids"] == 0)
    first = slice(starts[0], starts[1])
    labels = row["labels"][first]
    answer = labels[labels != IGNORED]
    assert answer[-1] == base.renderer.end_token_id
    text = b"".join(base.renderer.encoder.token_bytes(int(token)) for token in answer[:-1])
    assert text.startswith(b"sum(values) + ")
    assert (labels == IGNORED).sum() + len(answer) == len(labels)


def test_on_all_every_token_counts_but_the_first_of_an_example_and_padding(tmp_path: Path) -> None:
    row = read(tmp_path, RECIPE.model_copy(update={"loss_on": "all"}))[0]
    starts = np.flatnonzero(row["position_ids"] == 0)
    assert (row["labels"][starts] == IGNORED).all()
    inside = row["position_ids"] > 0
    inside[starts[-1] :] = False  # padding, an example of its own
    assert (row["labels"][inside] == row["input_ids"][inside]).all()


def test_rows_lie_on_disk_and_are_made_once(tmp_path: Path) -> None:
    first, counts = make(tmp_path, RECIPE)
    folder = next(tmp_path.glob("*/counts.json")).parent
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again, same_counts = make(tmp_path, RECIPE)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps
    assert counts == same_counts
    assert list(first) == list(again)  # type: ignore[call-overload]
    assert counts.num_rows == 8
    assert sum(counts.kinds.values()) == counts.num_examples


def test_what_a_killed_process_left_is_made_anew(tmp_path: Path) -> None:
    _, counts = make(tmp_path, RECIPE)
    folder = next(tmp_path.glob("*/counts.json")).parent
    (folder / "counts.json").unlink()
    (folder / "state.json").write_text("torn")
    _, again = make(tmp_path, RECIPE)
    assert again == counts


@pytest.mark.parametrize(("source", "own"), [("own", True), ("shuffled", False)])
def test_context_is_the_spans_own_or_anothers(tmp_path: Path, source: str, own: bool) -> None:
    recipe = RECIPE.model_copy(
        update={
            "context": RECIPE.context.model_copy(update={"source": source, "drop_rate": 0.0}),
        }
    )
    base = open_base(str(write_tiny_checkpoint(tmp_path / "base")), tmp_path)
    same = other = 0
    for row in read(tmp_path, recipe):
        starts = [*np.flatnonzero(row["position_ids"] == 0), len(row["position_ids"])]
        for start, end in pairwise(starts[:-1]):
            ids = row["input_ids"][start:end]
            text = b"".join(base.renderer.encoder.token_bytes(int(token)) for token in ids)
            helper = text.split(b"def helper")[1].split(b"(")[0]
            own_number = text.split(b"def f")[1].split(b"(")[0]
            same += helper == own_number
            other += helper != own_number
    assert (other == 0) is own
    assert same + other > 10


def test_without_context_nothing_of_other_files_is_shown(tmp_path: Path) -> None:
    context = RECIPE.context.model_copy(update={"source": "none"})
    _, counts = make(tmp_path, RECIPE.model_copy(update={"context": context}))
    assert counts.num_snippet_tokens == 0


def test_long_middles_are_left_out_and_counted(tmp_path: Path) -> None:
    base = open_base(str(write_tiny_checkpoint(tmp_path / "base")), tmp_path)
    short = len(base.renderer.encoder.encode_continuation("sum(values) + 1"))
    _, counts = make(tmp_path, RECIPE.model_copy(update={"max_middle_tokens": short}))
    assert counts.num_too_long > 0  # those with two digits
    with pytest.raises(ValueError, match="raise max_middle_tokens"):
        make(tmp_path, RECIPE.model_copy(update={"max_middle_tokens": 1}))


def test_orders_are_those_of_the_recipe_or_of_the_base(tmp_path: Path) -> None:
    _, counts = make(tmp_path, RECIPE)
    assert set(counts.orders) == {"psm"}
    _, counts = make(tmp_path, RECIPE.model_copy(update={"orders": {}}))
    assert set(counts.orders) == {order.value for order in Order}


def test_a_directory_without_spans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpansError, match=r"has no data/train/\*\.parquet"):
        MinedSpans(tmp_path, "train")
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "a.parquet").write_bytes(b"nothing")
    with pytest.raises(SpansError, match="cannot be read"):
        MinedSpans(tmp_path, "train")


def test_signals_are_read_and_name_the_rows_that_depend_on_them(tmp_path: Path) -> None:
    plain = MinedSpans(write_tiny_spans(tmp_path / "plain"), "train")
    told = MinedSpans(write_tiny_spans(tmp_path / "told", refusal={"call": 0.75}), "train")
    assert plain.refusal == {}
    assert told.refusal == {"call": 0.75}
    assert plain.sha256 == told.sha256
    assert plain.signals_sha256 != told.signals_sha256


def test_what_the_miner_wrote_is_read(tmp_path: Path) -> None:
    desk = MineDesk(tmp_path)
    desk.mine()
    counts = Counter(row["split"] for row in desk.rows())
    for split in ("train", "validation"):
        spans = MinedSpans(desk.out, split)
        assert len(spans) == counts[split] > 0
        assert spans[0].middle
