"""Adapters in the model: the logits of PEFT, any number in one step, none left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fimserve.models import (
    Adapter,
    AdapterMismatch,
    CausalModel,
    LowRankChange,
    Piece,
    export_checkpoint,
    load_model,
    quantise_checkpoint,
    read_adapter,
)
from support.parity import (
    NUM_TOKENS,
    compute_logits,
    compute_their_logits,
    make_ids,
    make_pool,
    run,
)
from support.tiny_adapter import TARGETS, load_with_peft, write_tiny_adapter
from support.tiny_checkpoint import VOCAB_SIZE
from support.tiny_families import FAMILIES, write_tiny_family

KINDS: dict[str, dict[str, object]] = {
    "plain": {},
    "rsLoRA": {"use_rslora": True},
    "ranks of their own": {
        "rank_pattern": {"k_proj": 2, r"layers\.1\.self_attn\.q_proj": 6},
        "alpha_pattern": {"v_proj": 3, "down_proj": 16},
    },
}


def load(directory: Path, dtype: str = "fp32") -> CausalModel:
    return load_model(str(directory), "cpu", dtype).model


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a base model, and adapters a and b of every linear layer over it."""
    directory = tmp_path_factory.mktemp(request.param)
    base = write_tiny_family(directory / "base", request.param, seed=3)
    for seed, name in enumerate("ab"):
        write_tiny_adapter(directory / name, base, TARGETS[request.param], seed=seed)
    return directory


@pytest.mark.parametrize("chunk", [NUM_TOKENS, 1], ids=["whole prompt", "step by step"])
def test_logits_equal_those_of_peft_in_every_family(family: Path, chunk: int) -> None:
    model = load(family / "base")
    model.add_adapter(3, read_adapter(family / "a"))
    theirs = load_with_peft(family / "base", family / "a")
    with torch.inference_mode():
        plain = compute_logits(model, make_ids(), NUM_TOKENS)
        mine = compute_logits(model, make_ids(), chunk, adapter=3)
        reference = compute_their_logits(theirs, make_ids(), chunk)
    assert (plain - reference).abs().max() > 0.1, "an adapter that changes nothing proves nothing"
    assert (mine - reference).abs().max() < 1e-4


def test_many_adapters_in_one_step_equal_each_alone(family: Path) -> None:
    model = load(family / "base")
    model.add_adapter(1, read_adapter(family / "a"))
    model.add_adapter(2, read_adapter(family / "b"))
    slots, lengths = [0, 1, 2, 2, 0, 1], [5, 1, 17, 3, 1, 2]
    with torch.inference_mode():
        alone: list[torch.Tensor] = []
        pool = make_pool(model, 16 * 2 * len(slots))
        pieces: list[Piece] = []
        for index, (slot, length) in enumerate(zip(slots, lengths, strict=True)):
            token_ids, blocks = make_ids(index)[: 10 + length], [2 * index, 2 * index + 1]
            alone.append(compute_logits(model, token_ids, len(token_ids), adapter=slot)[10:])
            run(model, pool, Piece(token_ids[:10].tolist(), 0, blocks, slot))
            pieces.append(Piece(token_ids[10:].tolist(), 10, blocks, slot))
        together = run(model, pool, *pieces)
    assert (together - torch.cat(alone)).abs().max() < 1e-4


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["k_proj"], TARGETS["llama"]], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_any_part_of_a_stacked_layer_may_be_changed(
    kind: str, targets: list[str], tmp_path: Path
) -> None:
    base = write_tiny_family(tmp_path / "base", "llama", seed=3)
    write_tiny_adapter(tmp_path / "a", base, targets, **KINDS[kind])
    model = load(base)
    model.add_adapter(1, read_adapter(tmp_path / "a"))
    with torch.inference_mode():
        mine = compute_logits(model, make_ids(), NUM_TOKENS, adapter=1)
        theirs = load_with_peft(base, tmp_path / "a")
        reference = compute_their_logits(theirs, make_ids(), NUM_TOKENS)
    assert (mine - reference).abs().max() < 1e-4


def test_in_bf16_the_error_is_at_most_twice_that_of_peft(tmp_path: Path) -> None:
    base = write_tiny_family(tmp_path / "base", "llama", seed=3, dtype=torch.bfloat16)
    adapter = write_tiny_adapter(tmp_path / "a", base, TARGETS["llama"])
    model = load(base, "bf16")
    model.add_adapter(1, read_adapter(adapter))
    with torch.inference_mode():
        mine = compute_logits(model, make_ids(), NUM_TOKENS, adapter=1).float()
        plain, truth = (
            compute_their_logits(load_with_peft(base, adapter, theirs), make_ids(), NUM_TOKENS)
            for theirs in (torch.bfloat16, torch.float32)
        )
    assert (mine - truth).abs().max() < 2 * (plain.float() - truth).abs().max()


def test_an_adapter_works_over_int8(tmp_path: Path) -> None:
    base = write_tiny_family(tmp_path / "base", "llama", seed=3, dtype=torch.bfloat16)
    write_tiny_adapter(tmp_path / "a", base, TARGETS["llama"])
    int8 = quantise_checkpoint(base, tmp_path / "int8")
    plain = export_checkpoint(int8, tmp_path / "plain", torch.float32)
    model = load(int8, "fp32")
    model.add_adapter(1, read_adapter(tmp_path / "a"))
    with torch.inference_mode():
        mine = compute_logits(model, make_ids(), NUM_TOKENS, adapter=1)
        theirs = load_with_peft(plain, tmp_path / "a")
        reference = compute_their_logits(theirs, make_ids(), NUM_TOKENS)
    assert (mine - reference).abs().max() < 1e-4


def test_a_removed_adapter_leaves_nothing_behind(family: Path) -> None:
    model = load(family / "base")
    with torch.inference_mode():
        before = compute_logits(model, make_ids(), NUM_TOKENS)
        model.add_adapter(1, read_adapter(family / "b"))
        model.add_adapter(1, read_adapter(family / "a"))
        replaced = compute_logits(model, make_ids(), NUM_TOKENS, adapter=1)
        model.remove_adapter(1)
        assert torch.equal(compute_logits(model, make_ids(), NUM_TOKENS), before)
        model.add_adapter(2, read_adapter(family / "a"))
        assert torch.equal(compute_logits(model, make_ids(), NUM_TOKENS, adapter=2), replaced)
        with pytest.raises(ValueError, match="no adapter in slot 1"):
            compute_logits(model, make_ids(), NUM_TOKENS, adapter=1)
    with pytest.raises(ValueError, match="slot is 0"):
        model.add_adapter(0, read_adapter(family / "a"))


def test_an_adapter_of_another_shape_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    base = write_tiny_family(tmp_path / "base", "llama")
    wide = write_tiny_family(tmp_path / "wide", "llama", intermediate_size=96)
    write_tiny_adapter(tmp_path / "fits", base, ["q_proj", "down_proj"])
    write_tiny_adapter(tmp_path / "wrong", wide, ["q_proj", "down_proj"], seed=1)
    model = load(base)
    model.add_adapter(1, read_adapter(tmp_path / "fits"))
    with torch.inference_mode():
        before = compute_logits(model, make_ids(), NUM_TOKENS, adapter=1)
        with pytest.raises(AdapterMismatch) as caught:
            model.add_adapter(1, read_adapter(tmp_path / "wrong"))
        assert torch.equal(compute_logits(model, make_ids(), NUM_TOKENS, adapter=1), before)
    message = str(caught.value)
    assert message.startswith(f"adapter {tmp_path / 'wrong'}, made for '{wide}', changes ")
    assert message.endswith("of shape [64, 96]; this model's has shape [64, 160]")


def test_an_adapter_of_another_family_is_refused_by_a_layer_of_it(tmp_path: Path) -> None:
    base = write_tiny_family(tmp_path / "base", "gpt_bigcode")
    write_tiny_adapter(tmp_path / "a", base, ["c_attn"])
    model = load(write_tiny_family(tmp_path / "llama", "llama"))
    with pytest.raises(AdapterMismatch, match=r"2 layers .* 'transformer.h.0.attn.c_attn'"):
        model.add_adapter(1, read_adapter(tmp_path / "a"))


def test_the_output_layer_takes_no_adapter(tmp_path: Path) -> None:
    base = write_tiny_family(tmp_path / "base", "llama", tie_word_embeddings=False)
    change = LowRankChange(torch.ones(2, 64), torch.ones(VOCAB_SIZE, 2), 1.0)
    with pytest.raises(AdapterMismatch, match=r"1 layers that .* 'lm_head'"):
        load(base).add_adapter(1, Adapter("here", None, {"lm_head": change}))
