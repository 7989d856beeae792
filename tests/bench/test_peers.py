"""llama.cpp's file and command line, written without llama.cpp."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fimeval.bench.token_ruler import find_embedded_tokenizer
from fimeval.errors import EvalError
from fimeval.peers.gguf_file import find_pre_tokenizer, permute, rename, write_gguf
from fimeval.peers.llama_cpp import build_command, find_checkpoint
from fimeval.peers.stored_tensors import read_tensors


def test_every_stored_precision_is_read_as_fp32(tmp_path: Path) -> None:
    exact = torch.tensor([[1.5, -2.0], [0.25, 4.0]])
    codes = torch.tensor([[2, -4], [1, 3]], dtype=torch.int8)
    scales = torch.tensor([[0.5], [2.0]])
    tensors = {
        "full": exact,
        "half": exact.half(),
        "brain": exact.bfloat16(),
        "codes.weight": codes,
        "codes.weight_scale": scales,
    }
    save_file(tensors, tmp_path / "model.safetensors")
    found = dict(read_tensors(tmp_path))
    assert sorted(found) == ["brain", "codes.weight", "full", "half"]
    assert all(values.dtype == np.float32 for values in found.values())
    for name in ("full", "half", "brain"):
        assert np.array_equal(found[name], exact.numpy())
    assert np.array_equal(found["codes.weight"], (codes * scales).numpy())


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match=r"holds no \*.safetensors"):
        list(read_tensors(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"\x05\x00")
    with pytest.raises(EvalError, match="is damaged"):
        list(read_tensors(tmp_path))
    save_file({"x": torch.zeros(2, dtype=torch.int64)}, tmp_path / "model.safetensors")
    with pytest.raises(EvalError, match="holds I64"):
        list(read_tensors(tmp_path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("lm_head.weight", "output.weight"),
        ("model.norm.weight", "output_norm.weight"),
        ("model.layers.11.self_attn.q_proj.bias", "blk.11.attn_q.bias"),
        ("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight"),
    ],
)
def test_tensors_get_the_names_of_gguf(name: str, expected: str) -> None:
    assert rename(name) == expected


def test_a_tensor_of_another_shape_is_named() -> None:
    with pytest.raises(EvalError, match=r"model.layers.0.attn.c_attn.weight"):
        rename("model.layers.0.attn.c_attn.weight")


def test_halves_of_each_head_become_neighbours() -> None:
    config = {"num_attention_heads": 2, "num_key_value_heads": 1}
    rows = np.arange(8, dtype=np.float32)[:, None]  # two heads of four rows, halves one by one
    queries = permute("model.layers.0.self_attn.q_proj.weight", rows, config)
    assert queries[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    keys = permute("model.layers.0.self_attn.k_proj.weight", rows[:4], config)
    assert keys[:, 0].tolist() == [0, 2, 1, 3]
    same = permute("model.layers.0.self_attn.v_proj.weight", rows, config)
    assert same is rows


def test_the_embedded_tokenizer_is_known_to_llama_cpp() -> None:
    tokenizer = json.loads(find_embedded_tokenizer().read_text())
    assert find_pre_tokenizer(tokenizer) == "qwen2"
    with pytest.raises(EvalError, match="not known here"):
        find_pre_tokenizer({"pre_tokenizer": {"type": "ByteLevel"}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "starcoder2"}, "only llama is written"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling is set"),
    ],
)
def test_what_llama_cpp_should_convert_itself_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    class Library:
        """As much of `gguf` as comes before the refusal."""

        class GGUFWriter:
            def __init__(self, path: str, architecture: str) -> None:
                pass

    monkeypatch.setitem(sys.modules, "gguf", Library)  # type: ignore[arg-type]
    config = json.loads((find_checkpoint("embedded") / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(EvalError, match=words):
        write_gguf(tmp_path, tmp_path / "out.gguf")


def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(EvalError, match=r"fimserve\[peers\]"):
        write_gguf(find_checkpoint("embedded"), tmp_path / "out.gguf")


def test_command_lines_name_model_port_and_threads() -> None:
    ours = build_command(Path("m.gguf"), 8200, 2, None)
    assert ours[:3] == [sys.executable, "-m", "llama_cpp.server"]
    theirs = build_command(Path("m.gguf"), 8200, 3, sys.executable)
    assert theirs[:3] == [sys.executable, "--model", "m.gguf"]
    assert theirs[theirs.index("--threads") + 1] == "3"
    assert theirs[theirs.index("--port") + 1] == "8200"
    with pytest.raises(EvalError, match="is not there"):
        build_command(Path("m.gguf"), 8200, 2, "no-such-llama-server")
