"""The model that ships: its size, its files, and the same logits here and in transformers."""

import json
from pathlib import Path

import pytest
import torch

from fimserve.models import load_model, resolve_model
from fimserve.prompt import Order, PromptParts, Renderer, TextEncoder, load_format
from support.parity import compute_logits

pytestmark = pytest.mark.model

MAX_BYTES = 48 * 2**20


@pytest.fixture(scope="module")
def directory() -> Path:
    return resolve_model("embedded", allow_download=False)


def test_package_carries_at_most_48_mib(directory: Path) -> None:
    files = [path for path in directory.iterdir() if path.is_file()]
    assert {"config.json", "fim.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in files
    }
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES


def test_every_order_of_the_metadata_renders(directory: Path) -> None:
    metadata = json.loads((directory / "fim.json").read_text())
    encoder = TextEncoder.from_file(directory / "tokenizer.json")
    renderer = Renderer(load_format(metadata["family"]), encoder)
    for order in metadata["orders"]:
        prompt = renderer.render(PromptParts("a = ", "\n"), Order(order))
        assert prompt.num_prefix_tokens
        assert prompt.num_suffix_tokens
    assert metadata["default_order"] in metadata["orders"]
    assert metadata["multiline_order"] in metadata["orders"]


@pytest.fixture(scope="module")
def prompt_ids(directory: Path) -> torch.Tensor:
    encoder = TextEncoder.from_file(directory / "tokenizer.json")
    renderer = Renderer(load_format("fimserve"), encoder)
    source = Path(__file__).read_text(encoding="utf-8")
    parts = PromptParts(source[:900], source[950:1400])
    return torch.tensor(renderer.render(parts, Order.SPM).token_ids)


def our_logits(ids: torch.Tensor, dtype: str) -> torch.Tensor:
    with torch.inference_mode():
        return compute_logits(load_model("embedded", "cpu", dtype).model, ids, len(ids)).float()


def their_logits(directory: Path, ids: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    pytest.importorskip("compressed_tensors", reason="transformers needs it to read int8 weights")
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=dtype).eval()
    with torch.inference_mode():
        logits = model(ids[None]).logits[0].float()
    assert isinstance(logits, torch.Tensor)
    return logits


def test_logits_equal_transformers(directory: Path, prompt_ids: torch.Tensor) -> None:
    theirs = their_logits(directory, prompt_ids, torch.float32)
    assert (our_logits(prompt_ids, "fp32") - theirs).abs().max().item() < 1e-4


def test_bf16_errs_no_more_than_transformers_does(
    directory: Path, prompt_ids: torch.Tensor
) -> None:
    # Processors without bf16 arithmetic round elsewhere in a sum, so two right programs differ by
    # more than a rounding there; both are held against fp32.
    exact = their_logits(directory, prompt_ids, torch.float32)
    theirs = (their_logits(directory, prompt_ids, torch.bfloat16) - exact).abs()
    ours = (our_logits(prompt_ids, "bf16") - exact).abs()
    assert ours.mean() <= 1.5 * theirs.mean()
    assert ours.max() <= 2 * theirs.max()
