"""A whole Hugging Face StarCoder2 checkpoint of a few hundred kilobytes, random weights and biases.

Without `fim.json`, as on the hub: the prompt family is told by the markers of its tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from support.tiny_checkpoint import VOCAB_SIZE

STARCODER2_MARKERS = (
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<repo_name>",
    "<file_sep>",
)
"""Markers of the family, in the order of their ids."""

HIDDEN, INNER, NUM_LAYERS, NUM_HEADS = 64, 160, 2, 4


def write_tiny_starcoder2(
    directory: Path, *, seed: int = 0, dtype: torch.dtype = torch.float32, **overrides: object
) -> Path:
    """Write config, tokenizer and weights of a tiny random model.

    Args:
        directory: Where to write; created if absent.
        seed: Seed of the weights.
        dtype: Precision of the stored weights.
        **overrides: Keys of config.json that replace or join the usual ones.

    Returns:
        The directory, ready for `load_model` and for transformers.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["Starcoder2ForCausalLM"],
        "model_type": "starcoder2",
        "vocab_size": VOCAB_SIZE,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": NUM_LAYERS,
        "num_attention_heads": NUM_HEADS,
        "num_key_value_heads": 2,
        "hidden_act": "gelu_pytorch_tanh",
        "max_position_embeddings": 1024,
        "norm_epsilon": 1e-5,
        "rope_theta": 999999.4420358813,
        "sliding_window": 16,
        "use_bias": True,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": str(dtype).removeprefix("torch."),
    } | overrides
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    _make_tokenizer().save(str(directory / "tokenizer.json"))
    save_file(
        _make_weights(config, seed, dtype),
        directory / "model.safetensors",
        metadata={"format": "pt"},
    )
    return directory


def _make_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    markers = [AddedToken(text, special=True, normalized=False) for text in STARCODER2_MARKERS]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        show_progress=False,
        special_tokens=markers,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(["def mean(xs):\n    return sum(xs)\n"] * 2, trainer)
    return tokenizer


def _make_weights(config: dict[str, object], seed: int, dtype: torch.dtype) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int, scale: float) -> Tensor:
        return (torch.randn(*shape, generator=generator) * scale).to(dtype)

    def matrix(rows: int, columns: int) -> Tensor:
        return random(rows, columns, scale=(2.0 / columns) ** 0.5)

    weights = {"model.embed_tokens.weight": matrix(VOCAB_SIZE, HIDDEN)}
    num_kv_heads = config["num_key_value_heads"]
    assert isinstance(num_kv_heads, int)
    kv_size = HIDDEN // NUM_HEADS * num_kv_heads
    shapes = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (kv_size, HIDDEN),
        "self_attn.v_proj": (kv_size, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.c_fc": (INNER, HIDDEN),
        "mlp.c_proj": (HIDDEN, INNER),
    }
    norms = ["model.norm"]
    for index in range(NUM_LAYERS):
        layer = f"model.layers.{index}"
        norms += [f"{layer}.input_layernorm", f"{layer}.post_attention_layernorm"]
        for name, (rows, columns) in shapes.items():
            weights[f"{layer}.{name}.weight"] = matrix(rows, columns)
            if config["use_bias"]:
                weights[f"{layer}.{name}.bias"] = random(rows, scale=0.3)
    for name in norms:
        weights[f"{name}.weight"] = 1.0 + random(HIDDEN, scale=0.1)
        weights[f"{name}.bias"] = random(HIDDEN, scale=0.3)
    if config.get("tie_word_embeddings") is False:
        weights["lm_head.weight"] = matrix(VOCAB_SIZE, HIDDEN)
    return weights
