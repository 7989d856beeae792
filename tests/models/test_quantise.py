"""int8 checkpoints: small, close to the original, and readable by transformers unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import load_file

from fimserve.models import BrokenCheckpoint, load_model, quantise_checkpoint
from fimserve.models.int8_codes import quantise_matrix
from fimserve.models.weight_files import SINGLE_FILE
from support.parity import compute_logits
from support.tiny_checkpoint import VOCAB_SIZE, write_tiny_checkpoint

FLOATS = st.floats(-1e4, 1e4, width=32)
MATRICES = st.integers(1, 5).flatmap(
    lambda columns: st.lists(
        st.lists(FLOATS, min_size=columns, max_size=columns), min_size=1, max_size=6
    )
)


@given(MATRICES)
@example([[1.4e-45], [1e-37]])  # a scale that is 0, and one without precision
def test_every_weight_is_within_half_a_step(rows: list[list[float]]) -> None:
    weight = torch.tensor(rows)
    codes, scales = quantise_matrix(weight)
    assert codes.dtype == torch.int8
    assert scales.shape == (len(rows), 1)
    error = (codes.double() * scales.double() - weight.double()).abs()
    assert (error <= scales.double() * 0.5001).all()


def test_rows_are_scaled_on_their_own() -> None:
    codes, scales = quantise_matrix(torch.tensor([[127.0, -1.0], [0.0, 0.0], [0.5, 1.0]]))
    assert codes.tolist() == [[127, -1], [0, 0], [64, 127]]
    assert scales.flatten().tolist() == pytest.approx([1.0, 1.0, 1 / 127])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(BrokenCheckpoint, match="NaN or infinity"):
        quantise_matrix(torch.tensor([[1.0, value]]))


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_tiny_checkpoint(
        tmp_path / "source", dtype=torch.bfloat16, seed=5, tie_word_embeddings=request.param
    )


def logits_of(directory: Path, dtype: str = "fp32") -> torch.Tensor:
    model = load_model(str(directory), "cpu", dtype).model
    with torch.inference_mode():
        return compute_logits(model, torch.arange(20, 60), 40).float()


def test_every_matrix_becomes_int8_and_every_norm_stays(source: Path, tmp_path: Path) -> None:
    quantise_checkpoint(source, tmp_path / "int8")
    before, after = load_file(source / SINGLE_FILE), load_file(tmp_path / "int8" / SINGLE_FILE)
    for name, tensor in before.items():
        if tensor.ndim == 2:
            assert after.pop(name).dtype == torch.int8
            assert after.pop(f"{name}_scale").dtype == torch.float32
        else:
            assert torch.equal(after.pop(name), tensor)
    assert not after
    size = (tmp_path / "int8" / SINGLE_FILE).stat().st_size
    assert size < 0.6 * (source / SINGLE_FILE).stat().st_size


def test_everything_else_is_copied(source: Path, tmp_path: Path) -> None:
    (source / "README.md").write_text("card", encoding="utf-8")
    (source / "pytorch_model.bin").write_bytes(b"old weights")
    quantise_checkpoint(source, tmp_path / "int8")
    names = {path.name for path in (tmp_path / "int8").iterdir()}
    assert names == {path.name for path in source.iterdir()} - {"pytorch_model.bin"}
    keys = json.loads((tmp_path / "int8" / "config.json").read_text(encoding="utf-8"))
    assert keys.pop("quantization_config")["quant_method"] == "compressed-tensors"
    assert keys == json.loads((source / "config.json").read_text(encoding="utf-8"))


def test_logits_stay_close_to_the_original(source: Path, tmp_path: Path) -> None:
    original = logits_of(source)
    difference = logits_of(quantise_checkpoint(source, tmp_path / "int8")) - original
    assert 0 < difference.std() < 0.05 * original.std()


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_transformers_loads_it_unchanged(source: Path, tmp_path: Path, dtype: str) -> None:
    pytest.importorskip("compressed_tensors")
    from transformers import AutoModelForCausalLM

    directory = quantise_checkpoint(source, tmp_path / "int8")
    torch_dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    theirs, report = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch_dtype, output_loading_info=True
    )
    assert not any(report.values()), "tensors missing, unexpected or of the wrong shape"
    with torch.inference_mode():
        reference = theirs(torch.arange(20, 60)[None]).logits[0].float()
    assert reference.shape == (40, VOCAB_SIZE)
    ours = logits_of(directory, dtype)
    assert (ours - reference).abs().max() < (1e-4 if dtype == "fp32" else 1e-2)


def test_a_quantised_checkpoint_is_not_quantised_again(source: Path, tmp_path: Path) -> None:
    directory = quantise_checkpoint(source, tmp_path / "int8")
    with pytest.raises(BrokenCheckpoint, match="quantised already"):
        quantise_checkpoint(directory, tmp_path / "twice")


def test_the_source_is_never_overwritten(source: Path) -> None:
    with pytest.raises(BrokenCheckpoint, match="is the source itself"):
        quantise_checkpoint(source, source / ".." / "source")
