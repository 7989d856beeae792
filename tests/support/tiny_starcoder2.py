"""A tiny StarCoder2 checkpoint as such models lie on the hub.

Without `fim.json`: the prompt family is told by the markers of its tokenizer.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from support.tiny_checkpoint import VOCAB_SIZE
from support.tiny_families import write_tiny_family

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
    write_tiny_family(directory, "starcoder2", seed=seed, dtype=dtype, **overrides)
    (directory / "fim.json").unlink()
    _make_tokenizer().save(str(directory / "tokenizer.json"))
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
