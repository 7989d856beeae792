"""Loading: everything in its place, or a message that names what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fimserve.models import BrokenCheckpoint, load_model
from fimserve.models.weight_files import SINGLE_FILE

Tensors = dict[str, Tensor]


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def edit_weights(directory: Path, edit: Callable[[Tensors], object]) -> None:
    tensors = load_file(directory / SINGLE_FILE)
    edit(tensors)
    save_file(tensors, directory / SINGLE_FILE)


def test_a_checkpoint_says_what_it_is(tiny_directory: Path) -> None:
    loaded = load_model(str(tiny_directory), "cpu", "fp32")
    assert loaded.name == "tiny"
    assert loaded.encoder_path == tiny_directory / "tokenizer.json"
    assert (loaded.family, loaded.default_order) == ("fimserve", "spm")
    assert loaded.orders == ("psm", "spm", "middle-increment")
    assert loaded.eos_token_ids == {0}
    assert loaded.config.max_context_tokens == 1024


def test_weights_are_in_the_precision_asked_for_and_need_no_gradient(tiny_directory: Path) -> None:
    model = load_model(str(tiny_directory), "cpu", "bf16").model
    weights = [part.matrix.weight for part in (model.parts.tokens, *model.linears())]
    weights += [model.parts.norm.weight]
    assert {weight.dtype for weight in weights} == {torch.bfloat16}
    assert not any(weight.requires_grad for weight in weights)
    assert model.dtype == torch.bfloat16
    num_values = sum(tensor.numel() for tensor in load_file(tiny_directory / SINGLE_FILE).values())
    assert model.num_bytes == 2 * num_values


def test_end_tokens_of_both_files_count(own_directory: Path) -> None:
    edit_json(own_directory / "config.json", eos_token_id=[0, 4])
    edit_json(own_directory / "generation_config.json", eos_token_id=6)
    assert load_model(str(own_directory), "cpu").eos_token_ids == {0, 4, 6}


def test_without_metadata_nothing_is_claimed(own_directory: Path) -> None:
    (own_directory / "fim.json").unlink()
    (own_directory / "generation_config.json").unlink()
    loaded = load_model(str(own_directory), "cpu")
    assert (loaded.family, loaded.orders, loaded.default_order) == (None, (), None)
    assert loaded.eos_token_ids == {0}


@pytest.mark.parametrize(
    "changes",
    [{"family": 3}, {"orders": "psm"}, {"orders": [1]}, {"default_order": "mps"}],
)
def test_metadata_of_the_wrong_kind_is_named(
    changes: dict[str, object], own_directory: Path
) -> None:
    edit_json(own_directory / "fim.json", **changes)
    with pytest.raises(BrokenCheckpoint, match=rf"fim\.json: '?{next(iter(changes))}"):
        load_model(str(own_directory), "cpu")


def test_a_checkpoint_without_tokenizer_is_refused(own_directory: Path) -> None:
    (own_directory / "tokenizer.json").unlink()
    with pytest.raises(BrokenCheckpoint, match=r"no tokenizer\.json"):
        load_model(str(own_directory), "cpu")


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (
            lambda tensors: tensors.pop("model.norm.weight"),
            r"1 tensors missing \['norm.weight'\]",
        ),
        (
            lambda tensors: tensors.update({"model.layers.9.mlp.up_proj.weight": torch.ones(2)}),
            r"1 unknown \['layers.9.mlp.up_proj.weight'\]",
        ),
        (
            lambda tensors: tensors.update({"model.norm.weight": torch.ones(63)}),
            r"'model.norm.weight' has shape \[63\], config.json says \[64\]",
        ),
        (
            lambda tensors: tensors.update({"model.layers.0.mlp.up_proj.bias": torch.ones(160)}),
            r"1 unknown \['layers.0.mlp.up_proj.bias'\]",
        ),
    ],
    ids=["missing", "unknown layer", "wrong shape", "a bias config.json does not mention"],
)
def test_weights_that_do_not_fit_are_named(
    edit: Callable[[Tensors], object], named: str, own_directory: Path
) -> None:
    edit_weights(own_directory, edit)
    with pytest.raises(BrokenCheckpoint, match=named):
        load_model(str(own_directory), "cpu")


def test_what_old_checkpoints_store_twice_is_ignored(own_directory: Path) -> None:
    def add_copies(tensors: Tensors) -> None:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)

    edit_weights(own_directory, add_copies)
    assert load_model(str(own_directory), "cpu").model.config.tie_embeddings
