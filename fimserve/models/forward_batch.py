"""What one step of the model computes: pieces of many sequences, laid end to end.

`Piece` is written by the scheduler in plain numbers; `ForwardBatch` is the same as tensors.
Knows nothing of models, weights or where keys and values are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Piece:
    """Holds what one sequence does in a step: some tokens of a prompt, or the last one written."""

    token_ids: Sequence[int]
    """Tokens to compute, at least one."""
    num_context: int
    """Tokens before them, whose keys and values are in the pool."""
    blocks: Sequence[int]
    """Block table; covers context and new tokens."""
    adapter: int = 0
    """Slot of a LoRA adapter in the model; 0 = none."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Holds the rows of a batch that belong to one sequence, and what they may look at."""

    start: int
    """First row."""
    num_tokens: int
    """Number of rows."""
    num_context: int
    """Tokens before the first row, whose keys and values are in the pool."""
    blocks: Sequence[int]
    """Block table; covers context and rows."""

    @property
    def num_all(self) -> int:
        """Context and new tokens together."""
        return self.num_context + self.num_tokens


@dataclass(frozen=True, slots=True)
class ForwardBatch:
    """Holds the tokens of one step, T in all."""

    token_ids: Tensor
    """[T] int64."""
    positions: Tensor
    """[T] int64: place of each token in its own sequence, from 0."""
    slots: Tensor
    """[T] int64: block * block_tokens + offset, where keys and values are written."""
    segments: tuple[Segment, ...]
    """The sequences, in the order of their rows."""
    adapters: Tensor | None
    """[T] int64: slot of each token's adapter; None when no token has one."""
    adapter_rows: tuple[tuple[int, int, int], ...] = ()
    """Runs of rows with one adapter: slot, first row, row behind the last."""

    @classmethod
    def make(
        cls, pieces: Sequence[Piece], block_tokens: int, device: torch.device | str
    ) -> ForwardBatch:
        """Return the batch of some pieces.

        Args:
            pieces: What each sequence does; at least one.
            block_tokens: Tokens in a block of the pool.
            device: Where the model is.

        Returns:
            Tensors on the device.

        Raises:
            ValueError: If there is no piece, one has no token, or blocks are missing.
        """
        if not pieces:
            raise ValueError("a step needs at least one piece")
        token_ids: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        segments: list[Segment] = []
        for piece in pieces:
            _check_piece(piece, block_tokens)
            first, end = piece.num_context, piece.num_context + len(piece.token_ids)
            segments.append(Segment(len(token_ids), end - first, first, piece.blocks))
            token_ids += piece.token_ids
            positions += range(first, end)
            slots += _list_slots(piece.blocks, first, end, block_tokens)
        # One tensor, so that a GPU gets one copy.
        joined = torch.tensor((token_ids, positions, slots), dtype=torch.int64).to(device)
        runs = _find_adapter_runs(pieces, segments)
        adapters = None
        if runs:
            per_row = [piece.adapter for piece in pieces for _ in piece.token_ids]
            adapters = torch.tensor(per_row, dtype=torch.int64, device=device)
        return cls(joined[0], joined[1], joined[2], tuple(segments), adapters, runs)


def _check_piece(piece: Piece, block_tokens: int) -> None:
    num_all = piece.num_context + len(piece.token_ids)
    if not piece.token_ids:
        raise ValueError("a piece needs at least one token")
    if len(piece.blocks) * block_tokens < num_all:
        raise ValueError(
            f"{len(piece.blocks)} blocks of {block_tokens} tokens do not hold {num_all} tokens"
        )


def _list_slots(blocks: Sequence[int], first: int, end: int, block_tokens: int) -> list[int]:
    slots: list[int] = []
    for index in range(first // block_tokens, (end - 1) // block_tokens + 1):
        # The slot that token 0 would have were all blocks before this one's neighbours.
        origin = (blocks[index] - index) * block_tokens
        start, stop = index * block_tokens, (index + 1) * block_tokens
        slots += range(origin + max(first, start), origin + min(end, stop))
    return slots


def _find_adapter_runs(
    pieces: Sequence[Piece], segments: Sequence[Segment]
) -> tuple[tuple[int, int, int], ...]:
    runs: list[tuple[int, int, int]] = []
    for piece, segment in zip(pieces, segments, strict=True):
        if not piece.adapter:
            continue
        start, end = segment.start, segment.start + segment.num_tokens
        if runs and runs[-1][0] == piece.adapter and runs[-1][2] == start:
            start = runs.pop()[1]
        runs.append((piece.adapter, start, end))
    return tuple(runs)
