"""A whole Hugging Face llama checkpoint of a few hundred kilobytes, written in milliseconds.

Same family, marker ids and layout as the embedded model, with random weights: what it writes is
nonsense, but it is loaded, served, cancelled and cached like the real one. Tests of the engine,
the server and the command line use it; it needs torch, tokenizers and safetensors, no network.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

MARKERS = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
"""Markers of the "fimserve" family, in the order of their ids."""

VOCAB_SIZE = 400
"""Rows of the embedding: a little more than the tokenizer has tokens, as in many checkpoints."""

_TRAINING_TEXT = (
    "def mean(values):\n    return sum(values) / len(values)\n\n\n"
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n\n"
    "for index, value in enumerate(values):\n    if value is None:\n        continue\n"
    "    print(index, value)\n\nimport os\nfrom pathlib import Path\n\ttab\r\n# größe 数 😀\n"
)


def write_tiny_checkpoint(
    directory: Path,
    *,
    seed: int = 0,
    max_context_tokens: int = 1024,
    dtype: torch.dtype = torch.float32,
    default_order: str = "spm",
    endless: bool = False,
    **overrides: object,
) -> Path:
    """Write config, tokenizer, weights and metadata of a tiny random model.

    Args:
        directory: Where to write; created if absent.
        seed: Seed of the weights; the same seed writes the same model.
        max_context_tokens: `max_position_embeddings` of the model.
        dtype: Precision of the stored weights.
        default_order: Prompt order named in `fim.json`.
        endless: Whether the model never writes a marker, so that every completion goes on until a
            limit ends it. Its output layer is not tied then.
        **overrides: Keys of config.json that replace or join the usual ones.

    Returns:
        The directory, ready for `load_model` and for transformers.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = _make_config(max_context_tokens, dtype) | overrides
    if endless:
        config["tie_word_embeddings"] = False
    _write_json(directory / "config.json", config)
    _write_json(directory / "generation_config.json", {"eos_token_id": 0, "pad_token_id": 4})
    _write_json(
        directory / "fim.json",
        {
            "family": "fimserve",
            "orders": ["psm", "spm", "middle-increment"],
            "default_order": default_order,
        },
    )
    make_tiny_tokenizer().save(str(directory / "tokenizer.json"))
    weights = make_tiny_weights(config, seed=seed, dtype=dtype)
    if endless:
        _forbid_markers(weights)
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def make_tiny_tokenizer() -> Tokenizer:
    """Return a byte-level BPE of at most 400 tokens: the markers, 256 bytes, a few merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        show_progress=False,
        special_tokens=[AddedToken(marker, special=True, normalized=False) for marker in MARKERS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([_TRAINING_TEXT] * 2, trainer)
    return tokenizer


def make_tiny_weights(
    config: dict[str, object], *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> dict[str, torch.Tensor]:
    """Return random tensors under Hugging Face's names for the shape that config describes."""
    hidden, inner, vocab = (
        _size(config, key) for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    num_heads, num_kv_heads = (
        _size(config, "num_attention_heads"),
        _size(config, "num_key_value_heads"),
    )
    head_dim = _size(config, "head_dim")
    generator = torch.Generator().manual_seed(seed)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        # Variance 2 / columns: logits spread enough that greedy text does not repeat one token.
        scale = (2.0 / columns) ** 0.5
        return (torch.randn(rows, columns, generator=generator) * scale).to(dtype)

    def norm() -> torch.Tensor:
        return (1.0 + 0.1 * torch.randn(hidden, generator=generator)).to(dtype)

    weights = {"model.embed_tokens.weight": matrix(vocab, hidden), "model.norm.weight": norm()}
    shapes = {
        "self_attn.q_proj": (num_heads * head_dim, hidden),
        "self_attn.k_proj": (num_kv_heads * head_dim, hidden),
        "self_attn.v_proj": (num_kv_heads * head_dim, hidden),
        "self_attn.o_proj": (hidden, num_heads * head_dim),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    for index in range(_size(config, "num_hidden_layers")):
        layer = f"model.layers.{index}"
        weights[f"{layer}.input_layernorm.weight"] = norm()
        weights[f"{layer}.post_attention_layernorm.weight"] = norm()
        for name, (rows, columns) in shapes.items():
            weights[f"{layer}.{name}.weight"] = matrix(rows, columns)
            if config["mlp_bias" if name.startswith("mlp") else "attention_bias"]:
                weights[f"{layer}.{name}.bias"] = matrix(1, rows)[0].contiguous()
    if not config["tie_word_embeddings"]:
        weights["lm_head.weight"] = matrix(vocab, hidden)
    return weights


def _forbid_markers(weights: dict[str, torch.Tensor]) -> None:
    """Give every position a constant 1 in column 0, which counts against markers only."""
    weights["model.embed_tokens.weight"][:, 0] = 1.0
    for name, tensor in weights.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            tensor[0] = 0.0  # no layer writes to the column
    weights["model.norm.weight"][0] = 1.0
    weights["lm_head.weight"][:, 0] = 0.0
    weights["lm_head.weight"][: len(MARKERS), 0] = -100.0


def _make_config(max_context_tokens: int, dtype: torch.dtype) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "hidden_act": "silu",
        "max_position_embeddings": max_context_tokens,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 4,
        "dtype": str(dtype).removeprefix("torch."),
    }


def _size(config: dict[str, object], key: str) -> int:
    value = config[key]
    assert isinstance(value, int)
    return value


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
