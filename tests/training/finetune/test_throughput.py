"""Packed beside padded training: the same examples on both sides. No time is asserted."""

import json
import sys
from pathlib import Path

import pytest
import typer

from fimtraining.finetune import throughput
from fimtraining.finetune.throughput import main
from support.tiny_checkpoint import write_tiny_checkpoint
from support.tiny_spans import write_tiny_spans

RECIPE = """
name = "t"
base = "BASE"
row_tokens = 256
max_middle_tokens = 64
rows_per_step = 2
rows_per_pass = 2
"""


def test_both_sides_train_on_the_same_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_tiny_checkpoint(tmp_path / "tiny")
    (tmp_path / "r.toml").write_text(RECIPE.replace("BASE", str(base)))
    counts: list[int] = []
    count = throughput._count_tokens

    def listen(batch: throughput.Batch) -> int:
        counts.append(count(batch))
        return counts[-1]

    monkeypatch.setattr(throughput, "_count_tokens", listen)
    monkeypatch.setattr(
        sys, "argv",
        ["t", str(tmp_path / "r.toml"), "--data", str(write_tiny_spans(tmp_path / "spans")),
         "--passes", "2", "--peak-tflops", "1", "--output", str(tmp_path / "out.jsonl")],
    )  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        typer.run(main)
    assert ended.value.code == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert json.loads((tmp_path / "out.jsonl").read_text()) == line
    assert line["base"] == "tiny"
    assert line["packed"]["tokens_per_s"] > 0
    assert line["padded"]["peak_share"] > 0
    assert 0 <= line["packed"]["padding_share"] < 1
    packed, padded = counts[: len(counts) // 2], counts[len(counts) // 2 :]
    assert len(packed) == 2 + throughput.WARMUP
    assert sum(padded) == pytest.approx(sum(packed), rel=0.35)  # whole batches on both sides
