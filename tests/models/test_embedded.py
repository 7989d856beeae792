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


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp32", 1e-4), ("bf16", 1e-2)])
def test_logits_equal_transformers(directory: Path, dtype: str, tolerance: float) -> None:
    pytest.importorskip("compressed_tensors", reason="transformers needs it to read int8 weights")
    transformers = pytest.importorskip("transformers")
    ours = load_model("embedded", "cpu", dtype)
    torch_dtype = torch.float32 if dtype == "fp32" else torch.bfloat16
    theirs = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch_dtype).eval()
    encoder = TextEncoder.from_file(ours.encoder_path)
    renderer = Renderer(load_format("fimserve"), encoder)
    source = Path(__file__).read_text(encoding="utf-8")
    parts = PromptParts(source[:900], source[950:1400])
    ids = torch.tensor(renderer.render(parts, Order.SPM).token_ids)
    with torch.inference_mode():
        difference = compute_logits(ours.model, ids, len(ids)) - theirs(ids[None]).logits[0]
    assert difference.abs().max().item() < tolerance
