"""Whole Hugging Face checkpoints of every family, a few hundred kilobytes of random weights each.

All have the tokenizer and the metadata of our own prompt family, so that one test can ask any of
them the same. Names and shapes are those that our models expect; that transformers expects the
same is what `support.parity` checks. Needs torch, tokenizers and safetensors, no network.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from fimserve.models.families import make_model, read_model_config
from support.tiny_checkpoint import MARKERS, VOCAB_SIZE, make_tiny_tokenizer, write_tiny_checkpoint

Keys = dict[str, object]

FAMILIES = ("llama", "qwen2", "starcoder2", "gpt_bigcode")
"""Every family, by its model_type."""

_ROTARY: Keys = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "rope_theta": 10000.0,
}
_CONFIGS: dict[str, Keys] = {
    "qwen2": _ROTARY
    | {
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "use_sliding_window": False,
        "sliding_window": 16,  # released configs name one and do not use it
        "max_window_layers": 1,
        "tie_word_embeddings": True,
    },
    "starcoder2": _ROTARY
    | {
        "architectures": ["Starcoder2ForCausalLM"],
        "hidden_act": "gelu_pytorch_tanh",
        "norm_epsilon": 1e-5,
        "rope_theta": 999999.4420358813,
        "sliding_window": 16,
        "use_bias": True,
        "tie_word_embeddings": True,
    },
    "gpt_bigcode": {
        "architectures": ["GPTBigCodeForCausalLM"],
        "n_embd": 64,
        "n_inner": 160,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 1024,
        "activation_function": "gelu_pytorch_tanh",
        "layer_norm_epsilon": 1e-5,
        "multi_query": True,
        "scale_attn_weights": True,
        "tie_word_embeddings": True,
    },
}


def write_tiny_family(
    directory: Path,
    model_type: str,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    endless: bool = False,
    **overrides: object,
) -> Path:
    """Write config, tokenizer, weights and metadata of a tiny random model.

    Args:
        directory: Where to write; created if absent.
        model_type: One of FAMILIES.
        seed: Seed of the weights.
        dtype: Precision of the stored weights.
        endless: Whether the model never writes a marker; its output layer is not tied then.
        **overrides: Keys of config.json that replace or join the usual ones.

    Returns:
        The directory, ready for `load_model` and for transformers.
    """
    if model_type == "llama":
        return write_tiny_checkpoint(
            directory, seed=seed, dtype=dtype, endless=endless, **overrides
        )
    directory.mkdir(parents=True, exist_ok=True)
    config = _CONFIGS[model_type] | {
        "model_type": model_type,
        "vocab_size": VOCAB_SIZE,
        "bos_token_id": None,
        "eos_token_id": 0,
        "dtype": str(dtype).removeprefix("torch."),
    }
    config |= overrides
    if endless:
        config["tie_word_embeddings"] = False
    _write_json(directory / "config.json", config)
    fim = {"family": "fimserve", "orders": ["psm", "spm", "middle-increment"]}
    _write_json(directory / "fim.json", fim | {"default_order": "spm"})
    make_tiny_tokenizer().save(str(directory / "tokenizer.json"))
    weights = _make_weights(directory / "config.json", seed)
    if endless:
        _forbid_markers(weights)
    tensors = {name: tensor.to(dtype) for name, tensor in weights.items()}
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def _make_weights(config_path: Path, seed: int) -> dict[str, Tensor]:
    config = read_model_config(config_path)
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}
    for part in make_model(config).weights():
        for name, shape in part.stored_shapes().items():
            tensor = torch.randn(shape, generator=generator)
            if len(shape) == 2:
                # Variance 2 / columns: logits spread enough that greedy text does not repeat.
                tensor *= (2.0 / shape[1]) ** 0.5
            elif name.endswith(".bias"):
                tensor *= 0.3
            else:
                tensor = 1.0 + 0.1 * tensor  # a norm
            prefix = "" if name.startswith("lm_head") else config.stored_prefix
            weights[prefix + name] = tensor
    return weights


def _forbid_markers(weights: dict[str, Tensor]) -> None:
    """Give every position a constant 1 in column 0, which counts against markers only."""
    final_norm = next(n for n in ("model.norm", "transformer.ln_f") if f"{n}.weight" in weights)
    if f"{final_norm}.bias" in weights:
        weights[f"{final_norm}.weight"][0] = 0.0
        weights[f"{final_norm}.bias"][0] = 1.0
    else:  # a root mean square keeps what is alike in all rows, and no layer writes to the column
        weights["model.embed_tokens.weight"][:, 0] = 1.0
        for name, tensor in weights.items():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                tensor[0] = 0.0
        weights[f"{final_norm}.weight"][0] = 1.0
    weights["lm_head.weight"][:, 0] = 0.0
    weights["lm_head.weight"][: len(MARKERS), 0] = -100.0


def _write_json(path: Path, content: Keys) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
