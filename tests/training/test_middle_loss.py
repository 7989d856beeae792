"""The loss of known middles: as computed token by token, and the same precision against itself."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from fimserve.models import load_model
from fimserve.prompt import Order, Renderer, TextEncoder, load_format
from fimtraining.middle_loss import measure, read_rows, score_rows
from support.parity import compute_logits
from support.tiny_checkpoint import write_tiny_checkpoint

ROWS = [("def f(x):\n    return ", "\n", "x + 1"), ("a = ", "\nb = a\n", "len(values)")]


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    lines = [
        json.dumps({"prompt": prefix, "suffix": suffix, "canonical_solution": middle})
        for prefix, suffix, middle in ROWS * 3
    ]
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_rows_are_spread_over_the_file(rows_file: Path) -> None:
    rows = read_rows(rows_file, 3)
    assert [row.middle for row in rows] == ["x + 1"] * 3
    assert len(read_rows(rows_file, 100)) == 6


def test_the_loss_is_that_of_the_tokens_one_by_one(rows_file: Path, tmp_path: Path) -> None:
    loaded = load_model(str(write_tiny_checkpoint(tmp_path / "model")), "cpu", "fp32")
    encoder = TextEncoder.from_file(loaded.encoder_path)
    renderer = Renderer(load_format("fimserve"), encoder)
    (row, *_) = read_rows(rows_file, 1)
    ((loss, chosen, is_exact),) = score_rows(loaded.model, renderer, [row], Order.SPM)
    prompt = renderer.render(row.parts, Order.SPM).token_ids
    wanted = [*encoder.encode(row.middle), renderer.end_token_id]
    with torch.inference_mode():
        logits = compute_logits(loaded.model, torch.tensor([*prompt, *wanted]), 1)
    scores = logits[len(prompt) - 1 : -1].log_softmax(-1)
    assert loss == pytest.approx(-sum(scores[i, t].item() for i, t in enumerate(wanted)), rel=1e-4)
    assert chosen.tolist() == scores.argmax(-1).tolist()
    assert is_exact == (chosen.tolist()[:-1] == wanted[:-1])


def test_precisions_are_compared_with_the_first(rows_file: Path, tmp_path: Path) -> None:
    directory = write_tiny_checkpoint(tmp_path / "model")
    rows = read_rows(rows_file, 6)
    exact, again, rounded = measure(str(directory), rows, ["fp32", "fp32", "bf16"])
    assert exact == again
    assert exact.same_choice_share == 1.0
    assert exact.num_rows == 6
    assert 0 < abs(rounded.nats_per_token - exact.nats_per_token) < 0.1
