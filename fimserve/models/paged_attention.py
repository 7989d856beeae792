"""Attention of one step over the paged pool, in plain PyTorch: the only place that reads it.

Everything that is the same in all layers is decided once per step: which memory each sequence
reads, in which pieces its queries go through the kernel, who may look at whom. A faster kernel
replaces this class and nothing else.

Sequences go one by one, so what a sequence gets does not depend on its neighbours. The query heads
that share a key head are folded into the rows of one attention call: measured on 2 cores, fp32, 10
query heads on 2 key heads of 64, 1300 tokens, one new token took 66 us folded and 153 us by SDPA's
`enable_gqa`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fimserve.models.attention_tiles import plan_tiles
from fimserve.models.config import ModelConfig
from fimserve.models.forward_batch import ForwardBatch
from fimserve.models.kv_pool import KvPool
from fimserve.models.kv_reader import are_neighbours, plan_read


class PagedAttention:
    """Writes and reads the keys and values of one step, layer by layer.

    Args:
        batch: Tokens of the step.
        pool: Memory of keys and values.
        config: Shape of the model.
    """

    def __init__(self, batch: ForwardBatch, pool: KvPool, config: ModelConfig) -> None:
        self._rows, self._slots = pool.rows, batch.slots
        self._targets = _find_targets(batch, pool)
        self._scale = config.attention_scale
        self._num_kv_heads, self._head_dim = config.num_kv_heads, config.head_dim
        self._group = config.num_heads // config.num_kv_heads
        tiles_of = plan_tiles(
            batch.segments, self._group, config.sliding_window, pool.data.dtype, pool.data.device
        )
        self._plans = [
            (plan_read(pool, segment.blocks, tiles[0].first_key, segment.num_all), tiles)
            for segment, tiles in zip(batch.segments, tiles_of, strict=True)
        ]

    def write(self, layer: int, keys_values: Tensor) -> None:
        """Store the new keys and values of a layer.

        Args:
            layer: Number of the layer.
            keys_values: [T, 2, Hkv, D] of this step, keys already rotated.
        """
        source = keys_values.transpose(0, 1)  # [2, T, Hkv, D]
        if self._targets is not None:
            self._targets[layer].copy_(source)
        else:
            self._rows[layer].index_copy_(1, self._slots, source)

    def attend(self, layer: int, queries: Tensor) -> Tensor:
        """Return what each token gathers from the tokens up to itself.

        Shapes:
            queries: [T, H, D]
            returns: [T, H * D]

        Args:
            layer: Number of the layer; its new keys and values are written already.
            queries: Rotated queries of this step.

        Returns:
            The gathered values of all heads, side by side.
        """
        heads, group, head_dim = self._num_kv_heads, self._group, self._head_dim
        outputs: list[Tensor] = []
        for memory, tiles in self._plans:
            keys, values = memory.read(layer)  # [1, Hkv, S, D]
            for tile in tiles:
                rows = tile.end - tile.start
                folded = queries[tile.start : tile.end].view(rows, heads, group, head_dim)
                if rows > 1:
                    folded = folded.transpose(0, 1)
                gathered = functional.scaled_dot_product_attention(
                    folded.reshape(1, heads, rows * group, head_dim),
                    keys if tile.keys is None else keys[:, :, tile.keys],
                    values if tile.keys is None else values[:, :, tile.keys],
                    attn_mask=tile.mask,
                    scale=self._scale,
                )  # [1, Hkv, rows * G, D]
                if rows > 1:
                    gathered = gathered.view(heads, rows, group, head_dim).transpose(0, 1)
                outputs.append(gathered.reshape(rows, heads * group * head_dim))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _find_targets(batch: ForwardBatch, pool: KvPool) -> tuple[Tensor, ...] | None:
    """Return per layer where to write, [2, T, Hkv, D]; None if the slots do not follow each other.

    A decode step is few bytes and many calls, and copying to a view is the cheaper call.
    """
    if len(batch.segments) > 1:
        return None
    segment = batch.segments[0]
    first_block = segment.num_context // pool.block_tokens
    used = segment.blocks[first_block : (segment.num_all - 1) // pool.block_tokens + 1]
    if not are_neighbours(used):
        return None
    first = used[0] * pool.block_tokens + segment.num_context % pool.block_tokens
    return pool.rows.narrow(2, first, segment.num_tokens).unbind(0)
