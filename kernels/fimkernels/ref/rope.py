"""From the projection's output to rotated queries and stored keys and values, in one go.

Adds the projection's bias, rotates queries and keys by their positions (halves, not pairs), and
writes keys and values where the pool wants them.
"""

from __future__ import annotations

from torch import Tensor


def rotate_and_store(
    projected: Tensor,
    bias: Tensor | None,
    rotation: tuple[Tensor, Tensor] | None,
    keys_values: Tensor,
    slots: Tensor,
    num_heads: int,
) -> Tensor:
    """Return the rotated queries; write the step's keys and values into one layer of the pool.

    Shapes:
        projected:   [T, (H + 2 * Hkv) * D]  bf16|fp16|fp32: queries, keys, values
        bias:        [(H + 2 * Hkv) * D]     dtype of projected
        rotation:    two of [T, D]           dtype of projected: cosines, signed sines
        keys_values: [2, S, Hkv, D]          dtype of projected, contiguous; written
        slots:       [T]                     int64; -1 stores nothing
        returns:     [T, H, D]               dtype of projected

    Args:
        projected: What the projection put out.
        bias: Its bias; None = none.
        rotation: Cosines and sines of each token, sines negative in the first half of the columns;
            None = positions are not rotated in.
        keys_values: Memory of one layer by slot; 0 = keys, 1 = values.
        slots: Where each token's keys and values go.
        num_heads: Query heads H.

    Returns:
        The queries.
    """
    num_kv_heads, head_dim = keys_values.shape[2:]
    if bias is not None:
        projected = projected + bias
    heads = projected.reshape(-1, num_heads + 2 * num_kv_heads, head_dim)  # [T, H + 2 Hkv, D]
    turned, values = heads[:, : num_heads + num_kv_heads], heads[:, num_heads + num_kv_heads :]
    if rotation is not None:
        cosines, sines = (part[:, None] for part in rotation)
        turned = turned * cosines + turned.roll(head_dim // 2, -1) * sines
    kept = (slots >= 0).nonzero().flatten()
    keys_values[0, slots[kept]] = turned[kept, num_heads:]
    keys_values[1, slots[kept]] = values[kept]
    return turned[:, :num_heads].contiguous()
