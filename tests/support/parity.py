"""The same tokens through a model of ours and through transformers, chunk by chunk.

Needs torch and transformers; tests of every model family use it.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from fimserve.models import CausalModel, ForwardBatch, KvPool, Piece, load_model
from support.tiny_checkpoint import VOCAB_SIZE

NUM_TOKENS = 70


def load_both(directory: Path, dtype: torch.dtype) -> tuple[CausalModel, PreTrainedModel]:
    """Return one checkpoint loaded by us and by transformers."""
    transformers_logging.disable_progress_bar()
    theirs = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype).eval()
    name = {torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype]
    return load_model(str(directory), device="cpu", dtype=name).model, theirs


def make_ids(seed: int = 0) -> Tensor:
    """Return NUM_TOKENS random token ids."""
    return torch.randint(VOCAB_SIZE, (NUM_TOKENS,), generator=torch.Generator().manual_seed(seed))


def compute_logits(model: CausalModel, token_ids: Tensor, chunk: int) -> Tensor:
    """Return the logits of every token, computed chunk by chunk over one pool."""
    pool = make_pool(model, len(token_ids))
    rows, num_context = [], 0
    for part in token_ids.split(chunk):
        piece = Piece(part.tolist(), num_context, range(pool.num_blocks))
        rows.append(run(model, pool, piece))
        num_context += len(part)
    return torch.cat(rows)


def make_pool(model: CausalModel, num_tokens: int, block_tokens: int = 16) -> KvPool:
    """Return a pool for some tokens, filled with NaN: what is read without being written shows."""
    pool = model.make_pool(-(-num_tokens // block_tokens), block_tokens)
    pool.data.fill_(math.nan)
    return pool


def run(model: CausalModel, pool: KvPool, *pieces: Piece) -> Tensor:
    """Return the logits of every token of a step."""
    batch = ForwardBatch.make(pieces, pool.block_tokens, model.device)
    return model.logits(model(batch, pool))


def compute_their_logits(model: PreTrainedModel, token_ids: Tensor, chunk: int) -> Tensor:
    """Return the same from transformers, through its own cache."""
    past, rows = None, []
    for part in token_ids.split(chunk):
        output = model(part[None], past_key_values=past, use_cache=True)
        past = output.past_key_values
        rows.append(output.logits[0])
    return torch.cat(rows)


def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference as a share of the largest logit."""
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()
