"""Train the byte-level BPE tokenizer of our own models on a sample of a corpus.

    python -m fimtraining.tokenizer CORPUS_DIR --out DIR [--vocab-size 16384] [--sample-mb 300]

Digits are split one by one, runs of white space may become one token, and the fill-in-the-middle
markers stand first, so their ids never move. The pre-tokenizer is Qwen2's, which llama.cpp knows by
the name "qwen2"; StarCoder's was tried and needs 9 % more tokens for the same code (docs/LOG.md).
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer
from rich.console import Console
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)

# In the order of their ids. The strings are Qwen2.5-Coder's, so clients that template prompts for
# that family, and llama.cpp's /infill, serve our models as they are.
MARKERS = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)


_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_tokenizer() -> Tokenizer:
    """Return the untrained tokenizer: its splitting rules and its decoder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def train_tokenizer(texts: Iterator[str], vocab_size: int, num_texts: int) -> Tokenizer:
    """Train a tokenizer on texts.

    Args:
        texts: Source files.
        vocab_size: Entries in all, markers and the 256 bytes included.
        num_texts: How many texts will come, for the progress bar.

    Returns:
        The tokenizer, markers first.
    """
    tokenizer = make_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(marker, special=True, normalized=False) for marker in MARKERS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=32,
        show_progress=True,
    )
    tokenizer.train_from_iterator(texts, trainer, length=num_texts)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, out: Path, max_tokens: int = 8192) -> None:
    """Write tokenizer.json and the configuration that transformers reads beside it."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_tokens,
        "eos_token": MARKERS[0],
        "pad_token": "<|fim_pad|>",
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "additional_special_tokens": list(MARKERS[1:]),
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def sample_texts(corpus: Path, max_bytes: int, seed: int) -> list[str]:
    """Return whole documents of the training split drawn evenly up to a number of bytes.

    Args:
        corpus: Output of `fimtraining.corpus build`.
        max_bytes: Text to draw in all.
        seed: Seed of the draw.

    Returns:
        Texts, shard after shard.

    Raises:
        FileNotFoundError: If the corpus has no training shard.
    """
    shards = sorted(corpus.glob("train-*.parquet"))
    if not shards:
        raise FileNotFoundError(f"no train-*.parquet in {corpus}; build the corpus first")
    rng = random.Random(seed)
    chosen: list[str] = []
    for shard in shards:
        texts = pq.read_table(shard, columns=["text"])["text"].to_pylist()
        rng.shuffle(texts)
        room = max_bytes // len(shards)
        for text in texts:
            room -= len(text)
            if room < 0:
                break
            chosen.append(text)
    return chosen


def main(
    corpus: Annotated[Path, typer.Argument(exists=True, help="Output of fimtraining.corpus.")],
    out: Annotated[Path, typer.Option(help="Directory for tokenizer.json.")],
    vocab_size: Annotated[int, typer.Option(help="Entries in all.")] = 16_384,
    sample_mb: Annotated[int, typer.Option(help="Megabytes of text to train on.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 20,
) -> None:
    """Train the tokenizer and print how many bytes of code a token holds."""
    texts = sample_texts(corpus, sample_mb * 1_000_000, seed)
    tokenizer = train_tokenizer(iter(texts), vocab_size, len(texts))
    save_tokenizer(tokenizer, out)
    probe = texts[:: max(1, len(texts) // 2000)]
    num_tokens = sum(len(e) for e in tokenizer.encode_batch(probe, add_special_tokens=False))
    num_bytes = sum(len(text.encode()) for text in probe)
    Console().print(f"{out}: {vocab_size} entries, {num_bytes / num_tokens:.3f} bytes per token")


if __name__ == "__main__":
    typer.run(main)
