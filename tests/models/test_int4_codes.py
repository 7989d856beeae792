"""int4 matrices: near the original, half the bytes of int8, and the same to every reader."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from fimserve.models import BrokenCheckpoint, export_checkpoint, load_model, quantise_checkpoint
from fimserve.models.int4_codes import GROUP_SIZE, MAX_CODE, pack_matrix, unpack_matrix
from fimserve.models.weight_files import SINGLE_FILE
from support.parity import compute_logits
from support.tiny_checkpoint import write_tiny_checkpoint


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 4), st.floats(1e-3, 1e3))
def test_matrix_comes_back_near_enough(seed: int, rows: int, groups: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = size * torch.randn(rows, groups * GROUP_SIZE, generator=generator)
    packed, scales = pack_matrix(weight)
    assert packed.shape == (rows, groups * GROUP_SIZE // 2)
    assert scales.shape == (rows, groups)
    back = unpack_matrix(packed, scales)
    error = (back - weight).view(rows, groups, -1).square().sum(-1).sqrt()
    plain = weight.view(rows, groups, -1).abs().amax(-1) / MAX_CODE
    # At most what rounding with the whole range gives, half a step each.
    assert bool((error <= 0.51 * plain * GROUP_SIZE**0.5).all())


def test_whole_numbers_come_back_exactly() -> None:
    weight = torch.arange(-7, 8).repeat(3)[:32].float()[None].repeat(2, 1) * 0.5
    assert torch.equal(unpack_matrix(*pack_matrix(weight)), weight)
    assert torch.equal(unpack_matrix(*pack_matrix(torch.zeros(2, 32))), torch.zeros(2, 32))


def test_what_cannot_be_packed_is_refused() -> None:
    with pytest.raises(BrokenCheckpoint, match="no whole groups"):
        pack_matrix(torch.ones(2, 33))
    with pytest.raises(BrokenCheckpoint, match="NaN or infinity"):
        pack_matrix(torch.full((2, 32), float("nan")))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_tiny_checkpoint(tmp_path / "source", dtype=torch.bfloat16, seed=5)


@pytest.fixture
def names(source: Path) -> frozenset[str]:
    """The matrices of the first layer whose rows are whole groups."""
    tensors = load_file(source / SINGLE_FILE)
    return frozenset(
        name
        for name, tensor in tensors.items()
        if tensor.ndim == 2 and ".layers.0." in name and tensor.shape[1] % GROUP_SIZE == 0
    )


def logits_of(directory: Path, dtype: str = "fp32") -> torch.Tensor:
    model = load_model(str(directory), "cpu", dtype).model
    with torch.inference_mode():
        return compute_logits(model, torch.arange(20, 60), 40).float()


def test_named_matrices_take_half_the_bytes(
    source: Path, names: frozenset[str], tmp_path: Path
) -> None:
    assert len(names) > 3
    quantise_checkpoint(source, tmp_path / "mixed", names)
    stored = load_file(tmp_path / "mixed" / SINGLE_FILE)
    assert {name for name, tensor in stored.items() if tensor.dtype == torch.uint8} == names


def test_mixed_checkpoint_is_served_in_every_precision(
    source: Path, names: frozenset[str], tmp_path: Path
) -> None:
    mixed = quantise_checkpoint(source, tmp_path / "mixed", names)
    original, dense = logits_of(source), logits_of(mixed)
    assert 0 < (dense - original).std() < 0.5 * original.std()  # random weights bear little
    # In memory the int4 matrices are int8: rounded once more, and hardly to be told apart.
    assert (logits_of(mixed, "int8") - dense).std() < 0.05 * dense.std()


def test_export_gives_what_is_served(source: Path, names: frozenset[str], tmp_path: Path) -> None:
    mixed = quantise_checkpoint(source, tmp_path / "mixed", names)
    plain = export_checkpoint(mixed, tmp_path / "plain", torch.float32)
    assert torch.allclose(logits_of(plain), logits_of(mixed), atol=1e-5)


def test_unknown_names_and_wrong_scales_are_refused(
    source: Path, names: frozenset[str], tmp_path: Path
) -> None:
    with pytest.raises(BrokenCheckpoint, match="no tensor 'absent'"):
        quantise_checkpoint(source, tmp_path / "absent", frozenset({"absent"}))
    mixed = quantise_checkpoint(source, tmp_path / "mixed", names)
    tensors = load_file(mixed / SINGLE_FILE)
    name = sorted(names)[0]
    tensors[f"{name}_scale"] = tensors[f"{name}_scale"][:, :1].repeat(1, 3)
    save_file(tensors, mixed / SINGLE_FILE)
    with pytest.raises(BrokenCheckpoint, match="one scale per 32 weights"):
        load_model(str(mixed), "cpu", "fp32")
