"""The training model: same logits as the served one, and no document sees another."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from fimserve.models import load_model
from fimtraining.export import save_model
from fimtraining.model import (
    MASK_TOKENS,
    ModelShape,
    TrainingLlama,
    attend,
    attend_by_document,
    document_mask,
)
from support import parity

SHAPE = ModelShape(
    vocab_size=400,
    hidden_size=64,
    intermediate_size=160,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    max_tokens=256,
)


def make_model(seed: int = 1) -> TrainingLlama:
    """Return a model whose weights are large enough for every part to show in the logits."""
    torch.manual_seed(seed)
    model = TrainingLlama(SHAPE)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.normal_(std=1 / weight.shape[1] ** 0.5)
            else:
                weight.add_(0.1 * torch.randn_like(weight))
            assert weight.dtype == torch.float32, name
    return model.eval()


def make_ids(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(SHAPE.vocab_size, (count,), generator=generator)


def pack(*documents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return token ids, positions and borders of documents laid end to end."""
    lengths = torch.tensor([0, *map(len, documents)])
    positions = torch.cat([torch.arange(len(document)) for document in documents])
    return torch.cat(documents), positions, lengths.cumsum(0).int()


@torch.no_grad()
def compute_logits(model: TrainingLlama, *documents: Tensor) -> Tensor:
    return functional.linear(model.hidden(*pack(*documents)), model.embed_tokens.weight)


# ------------------------------------------------------------------------------------- attention


@pytest.mark.parametrize(
    "lengths",
    [[256], [100, 156], [128, 128], [1] * 256, [3, 200, 1, 1, 51], [129, 127]],
    ids=["one", "across a block", "blocks", "single tokens", "five", "one token over"],
)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_attention_under_a_mask_of_blocks_equals_that_by_document(lengths: list[int]) -> None:
    torch.manual_seed(3)
    assert sum(lengths) == 2 * MASK_TOKENS
    q, k, v = (torch.randn(2 * MASK_TOKENS, heads, 16) for heads in (4, 2, 2))
    borders = torch.tensor([0, *lengths]).cumsum(0).int()
    positions = torch.cat([torch.arange(length) for length in lengths])
    found = attend(q, k, v, document_mask(positions), 256)
    assert torch.allclose(found, attend_by_document(q, k, v, borders), atol=1e-5)


def test_a_mask_names_no_block_in_vain() -> None:
    positions = torch.cat([torch.arange(length) for length in (2 * MASK_TOKENS, MASK_TOKENS + 1)])
    positions = torch.cat([positions, torch.arange(MASK_TOKENS - 1)])
    mask = document_mask(positions)
    # Blocks 0, 1 are one document, 2 another, and 3 holds its last token and a third document.
    assert mask.kv_num_blocks.flatten().tolist() == [1, 2, 1, 2]
    seen = [mask.kv_indices[0, 0, block].tolist() for block in range(4)]
    assert [row[:n] for row, n in zip(seen, (1, 2, 1, 2), strict=True)] == [
        [0],
        [0, 1],
        [2],
        [2, 3],
    ]


@pytest.mark.parametrize(
    "borders",
    [[0, 37], [0, 1, 2, 37], [0, 5, 20, 37], [0, 5, 5, 37], [0, 20, 37, 37, 37]],
    ids=["one", "single tokens", "three", "an empty one", "padded borders"],
)
def test_attention_equals_dense_attention_under_a_block_mask(borders: list[int]) -> None:
    torch.manual_seed(2)
    q, k, v = (torch.randn(37, heads, 16) for heads in (4, 2, 2))
    document = torch.cat(
        [
            torch.full((end - start,), number)
            for number, (start, end) in enumerate(pairwise(borders))
        ]
    )
    mask = (document[:, None] == document[None, :]) & torch.ones(37, 37).tril().bool()
    dense = functional.scaled_dot_product_attention(
        q.transpose(0, 1),
        k.repeat_interleave(2, dim=1).transpose(0, 1),
        v.repeat_interleave(2, dim=1).transpose(0, 1),
        attn_mask=mask,
    ).transpose(0, 1)
    cu_seqlens = torch.tensor(borders, dtype=torch.int32)
    torch.testing.assert_close(attend_by_document(q, k, v, cu_seqlens), dense)
    torch.testing.assert_close(attend(q, k, v, cu_seqlens, 256), dense)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_kernel_on_a_gpu_errs_no_more_than_its_slow_twin(dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    q, k, v = (torch.randn(1000, heads, 64, device="cuda", dtype=dtype) for heads in (4, 2, 2))
    borders = torch.tensor([0, 1, 300, 301, 1000, 1000], dtype=torch.int32, device="cuda")
    truth = attend_by_document(q.double(), k.double(), v.double(), borders)
    rounded = truth.to(dtype)
    plain_error = (attend_by_document(q, k, v, borders) - truth).abs().max()
    rounding = ((rounded + 0.3 - 0.3) - rounded).abs().max()
    assert (attend(q, k, v, borders, 1000) - truth).abs().max() <= 2 * plain_error + 2 * rounding


# ------------------------------------------------------------------------------------- documents


def test_documents_of_a_pack_do_not_influence_each_other() -> None:
    model = make_model()
    documents = [make_ids(count, seed) for seed, count in enumerate((30, 1, 17, 52))]
    together = compute_logits(model, *documents)
    alone = torch.cat([compute_logits(model, document) for document in documents])
    torch.testing.assert_close(together, alone)
    others = [make_ids(30, 7), documents[1], make_ids(17, 8), documents[3]]
    changed = compute_logits(model, *others)
    kept = torch.tensor([30, *range(48, 100)])
    torch.testing.assert_close(changed[kept], together[kept])
    assert not torch.allclose(changed[:30], together[:30])


def test_token_sees_nothing_behind_it() -> None:
    model = make_model()
    ids = make_ids(40)
    changed = torch.cat([ids[:25], make_ids(15, seed=9)])
    torch.testing.assert_close(compute_logits(model, changed)[:25], compute_logits(model, ids)[:25])


# ------------------------------------------------------------------------------------ the twins


def test_logits_equal_those_of_the_served_model(tokenizer_dir: Path, tmp_path: Path) -> None:
    model = make_model()
    save_model(model, tokenizer_dir, tmp_path, torch.float32)
    ids = make_ids(90)
    ours = compute_logits(model, ids)
    served = load_model(str(tmp_path), device="cpu", dtype="fp32").model
    theirs = parity.compute_logits(served, ids, chunk=len(ids))
    assert (ours - theirs).abs().max() < 1e-4
    assert ours.abs().max() > 1


def test_logits_equal_those_of_transformers(tokenizer_dir: Path, tmp_path: Path) -> None:
    model = make_model()
    save_model(model, tokenizer_dir, tmp_path, torch.float32)
    ids = make_ids(90)
    transformers_logging.disable_progress_bar()
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.inference_mode():
        expected = theirs(ids[None]).logits[0]
    assert (compute_logits(model, ids) - expected).abs().max() < 1e-4


# ------------------------------------------------------------------------------------- the loss


def test_loss_is_the_mean_cross_entropy_of_known_targets() -> None:
    model = make_model()
    documents = make_ids(30), make_ids(20, seed=1)
    ids, positions, borders = pack(*documents)
    targets = make_ids(50, seed=2)
    targets[[0, 29, 49]] = -100
    with torch.no_grad():
        loss, z_loss = model(ids, targets, positions, borders)
    logits = compute_logits(model, *documents)
    known = targets >= 0
    torch.testing.assert_close(loss, functional.cross_entropy(logits, targets, ignore_index=-100))
    torch.testing.assert_close(z_loss, logits[known].logsumexp(-1).square().mean())


def test_loss_without_any_target_is_zero() -> None:
    ids, positions, borders = pack(make_ids(10))
    with torch.no_grad():
        loss, z_loss = make_model()(ids, torch.full((10,), -100), positions, borders)
    assert (float(loss), float(z_loss)) == (0, 0)


def test_every_weight_gets_a_gradient() -> None:
    model = make_model()
    ids, positions, borders = pack(make_ids(30), make_ids(20, seed=1))
    loss, _ = model(ids, make_ids(50, seed=2), positions, borders)
    loss.backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert bool((weight.grad != 0).any()), name


def test_autocast_keeps_the_residual_stream_in_bf16() -> None:
    model = make_model()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        hidden = model.hidden(*pack(make_ids(20)))
    assert hidden.dtype == torch.bfloat16
    plain = compute_logits(model, make_ids(20))
    rounded = functional.linear(hidden.float(), model.embed_tokens.weight)
    assert (rounded - plain).abs().max() < 0.05 * plain.abs().max()


def test_first_loss_is_that_of_a_guess() -> None:
    torch.manual_seed(4)
    model = TrainingLlama(SHAPE)
    ids, positions, borders = pack(make_ids(200))
    with torch.no_grad():
        loss, _ = model(ids, make_ids(200, seed=1), positions, borders)
    assert abs(float(loss) - torch.tensor(float(SHAPE.vocab_size)).log()) < 0.1


def test_layers_that_write_to_the_residual_start_smaller() -> None:
    torch.manual_seed(5)
    for name, module in TrainingLlama(SHAPE).named_modules():
        if isinstance(module, nn.Linear):
            is_residual = name.endswith(("o_proj", "down_proj"))
            expected = 0.02 / (2 * SHAPE.num_layers) ** 0.5 if is_residual else 0.02
            assert float(module.weight.detach().std()) == pytest.approx(expected, rel=0.1)


def test_config_is_that_of_the_shape() -> None:
    config = ModelShape().config()
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert (config["hidden_size"], config["num_hidden_layers"], config["head_dim"]) == (640, 8, 64)
    assert (config["num_attention_heads"], config["num_key_value_heads"]) == (10, 2)
    assert (config["eos_token_id"], config["bos_token_id"]) == (0, None)
    with torch.device("meta"):
        model = TrainingLlama(ModelShape())
    assert 44e6 < sum(p.numel() for p in model.parameters()) < 48e6
