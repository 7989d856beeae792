"""Four bits go where they cost least, and what is chosen is what is written and served."""

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fimserve.models import load_model
from fimtraining import sensitivity
from fimtraining.export import load_weights, save_model
from fimtraining.model import ModelShape, TrainingLlama
from fimtraining.sensitivity import Cost, choose_int4, measure_costs

SHAPE = ModelShape(
    vocab_size=400,
    hidden_size=64,
    intermediate_size=96,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    max_tokens=64,
)
RECIPE = """
name = "tiny"
row_tokens = 64
rows_per_step = 4
rows_per_pass = 2
max_examples_per_pass = 20
[model]
vocab_size = 400
hidden_size = 64
intermediate_size = 96
num_layers = 2
num_heads = 2
num_kv_heads = 1
max_tokens = 64
"""


def make_model() -> TrainingLlama:
    torch.manual_seed(3)
    return TrainingLlama(SHAPE)


# --------------------------------------------------------------------------------------- choosing


def test_cheapest_bytes_go_first() -> None:
    costs = [Cost("dear", 0.5, 100), Cost("cheap", 0.1, 100), Cost("large", 0.2, 1000)]
    assert choose_int4(costs, 2000, 900, 1.0).names == ("large", "cheap")
    assert choose_int4(costs, 2000, 1500, 1.0) == (("large",), 0.2, 1000)
    assert choose_int4(costs, 2000, 2000, 1.0).names == ()


def test_without_a_size_all_that_the_loss_bears_is_taken() -> None:
    costs = [Cost("a", 0.5, 100), Cost("b", 0.1, 100), Cost("free", -0.01, 10)]
    assert choose_int4(costs, 1000, math.inf, 0.55).names == ("free", "b")
    assert choose_int4(costs, 1000, math.inf, 0.6).names == ("free", "b", "a")
    assert choose_int4(costs, 1000, math.inf, 0.0).names == ("free",)


COSTS = st.lists(st.tuples(st.floats(-0.1, 1), st.integers(1, 1000)), max_size=8).map(
    lambda pairs: [Cost(str(n), nats, size) for n, (nats, size) in enumerate(pairs)]
)


@given(COSTS, st.integers(0, 8000), st.floats(0, 3))
def test_choice_adds_up_and_stays_within_the_loss(
    costs: list[Cost], max_bytes: int, max_nats: float
) -> None:
    choice = choose_int4(costs, 8000, max_bytes, max_nats)
    chosen = [cost for cost in costs if cost.name in choice.names]
    assert choice.num_bytes == 8000 - sum(cost.saved_bytes for cost in chosen)
    assert choice.nats == pytest.approx(sum(max(0.0, cost.nats) for cost in chosen))
    assert choice.nats <= max_nats


# -------------------------------------------------------------------------------------- measuring


def test_every_matrix_is_measured_alone_and_put_back() -> None:
    model = make_model()
    seen: list[dict[str, torch.Tensor]] = []

    def measure() -> float:
        seen.append({n: w.detach().clone() for n, w in model.named_parameters()})
        return float(len(seen))

    base, costs = measure_costs(model, measure)
    assert base == 1.0
    assert [cost.nats for cost in costs] == [float(n) for n in range(1, len(costs) + 1)]
    names = [f"model.{n}" for n, w in model.named_parameters() if w.ndim == 2]
    assert [cost.name for cost in costs] == names
    for cost, state in zip(costs, seen[1:], strict=True):
        changed = {f"model.{n}" for n, w in state.items() if not torch.equal(w, seen[0][n])}
        assert changed == {cost.name}
    assert all(torch.equal(w, seen[0][n]) for n, w in model.named_parameters())


def test_command_measures_chooses_and_writes_what_is_served(
    corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    save_model(make_model(), tokenizer_dir, tmp_path / "model")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    app = sensitivity.typer.Typer()
    app.command()(sensitivity.main)
    out, written = tmp_path / "choice.json", tmp_path / "small"
    done = CliRunner().invoke(
        app,
        [
            *(str(tmp_path / "model"), "--corpus", str(corpus_dir)),
            *("--recipe", str(tmp_path / "tiny.toml")),
            *("--out", str(out), "--write", str(written)),
        ],
    )
    assert done.exit_code == 0, done.output
    result = json.loads(out.read_text())
    assert len(result["costs"]) == 15  # 7 in each of 2 layers, and the embedding
    assert len(result["int4"]) > 5
    assert result["chosen_mib"] < result["int8_mib"]
    assert abs(result["chosen_share"]) < 0.02
    size = (written / "model.safetensors").stat().st_size / (1 << 20)
    assert size == pytest.approx(result["chosen_mib"], rel=0.1)
    twin = TrainingLlama(SHAPE)
    load_weights(written, twin)
    served = load_model(str(written), device="cpu", dtype="fp32").model
    rows = served.parts.tokens(torch.arange(400))
    assert torch.allclose(rows.float(), twin.embed_tokens.weight, atol=1e-6)
