"""The forward pass as a chain of fused kernels over tensors of fixed sizes.

The same numbers as `CausalModel.forward`, rounded in other places: norm and residual, bias and
rotation and storing, matrix and activation are one launch each, and nothing waits for the device,
so that a CUDA graph can hold the whole step. Without Triton the same chain runs in plain PyTorch,
which is how it is tested on a CPU. Adapters are not served here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fimkernels import ops
from fimkernels.packed_weight import PackedWeight, pack_dense, pack_int8
from fimserve.models.causal_model import CausalModel
from fimserve.models.errors import UnsupportedModel
from fimserve.models.feed_forward import GatedFeedForward
from fimserve.models.int8_matrix import Int8Matrix
from fimserve.models.kv_pool import KvPool
from fimserve.models.linear import Linear
from fimserve.models.matrix import DenseMatrix, Matrix
from fimserve.models.norms import LayerNorm, Norm, RmsNorm
from fimserve.models.packed_step import PackedStep


@dataclass(frozen=True, slots=True)
class _Layer:
    attention_norm: Norm
    projection: PackedWeight
    projection_bias: Tensor | None
    output: PackedWeight
    output_bias: Tensor | None
    feed_forward_norm: Norm
    up: PackedWeight
    up_bias: Tensor | None
    down: PackedWeight
    down_bias: Tensor | None
    activation: Literal["gelu", "swiglu"]


class FusedForward:
    """Computes the scores of a step.

    Fails with UnsupportedModel where the matrices lie in a form that the kernels do not read.

    Args:
        model: The weights, filled; they are shared, not copied.
        pool: Keys and values.
    """

    def __init__(self, model: CausalModel, pool: KvPool) -> None:
        self._model, self._pool = model, pool
        self._layers = [
            _Layer(
                block.attention_norm,
                *_pack(block.attention.projection),
                *_pack(block.attention.output),
                block.feed_forward_norm,
                *_pack(block.feed_forward.linears[0]),
                *_pack(block.feed_forward.linears[1]),
                "swiglu" if isinstance(block.feed_forward, GatedFeedForward) else "gelu",
            )
            for block in model.parts.blocks
        ]
        self._rotations = _tabulate_rotations(model)
        head = model.parts.head
        self._head = _pack_matrix((model.parts.tokens if head is None else head).matrix)

    @property
    def device_type(self) -> str:
        """Kind of device that the weights are on."""
        return self._model.device.type

    def __call__(self, step: PackedStep) -> Tensor:
        """Return the scores of the rows asked for; store the step's keys and values.

        Shapes:
            returns: [R, V]  model dtype

        Args:
            step: The step.

        Returns:
            Unnormalised log-probabilities.
        """
        model, pool = self._model, self._pool
        config, parts = model.config, model.parts
        hidden = parts.tokens(step.token_ids)
        if parts.positions is not None:
            hidden = hidden + parts.positions(step.positions)
        rotation: tuple[Tensor, Tensor] | None = None
        if self._rotations is not None:
            cosines, sines = self._rotations.index_select(0, step.positions).chunk(2, dim=1)
            rotation = (cosines, sines)
        scale = config.head_dim**-0.5 if config.attention_scale is None else config.attention_scale
        change: Tensor | None = None
        for number, layer in enumerate(self._layers):
            normed, hidden = _add_norm(layer.attention_norm, hidden, change)
            projected = ops.multiply(normed, layer.projection)
            keys_values = pool.rows[number]
            queries = ops.rotate_and_store(
                projected,
                layer.projection_bias,
                rotation,
                keys_values,
                step.slots,
                config.num_heads,
            )
            gathered = ops.paged_attention(
                queries,
                keys_values,
                step.positions,
                step.tables,
                step.tiles,
                scale=scale,
                block_tokens=pool.block_tokens,
                tile_rows=step.tile_rows,
                window=config.sliding_window,
                num_splits=step.num_splits,
            )
            change = ops.multiply(gathered, layer.output, layer.output_bias)
            normed, hidden = _add_norm(layer.feed_forward_norm, hidden, change)
            inner = ops.multiply(normed, layer.up, layer.up_bias, layer.activation)
            change = ops.multiply(inner, layer.down, layer.down_bias)
        normed, _ = _add_norm(parts.norm, hidden, change)
        return ops.multiply(normed.index_select(0, step.score_rows), self._head)


def _tabulate_rotations(model: CausalModel) -> Tensor | None:
    """Return cosines and signed sines [P, 2 D] of every position; None = no rope."""
    positions = torch.arange(model.config.max_context_tokens, device=model.device)
    rotation = model.rotation_at(positions)
    return None if rotation is None else torch.cat(rotation, dim=1)


def _add_norm(norm: Norm, hidden: Tensor, change: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the normed sum and the sum."""
    if isinstance(norm, RmsNorm):
        return ops.add_rms_norm(hidden, change, norm.weight, norm.eps)
    if isinstance(norm, LayerNorm):
        return ops.add_layer_norm(hidden, change, norm.weight, norm.bias, norm.eps)
    raise UnsupportedModel(f"no kernel for {type(norm).__name__}")


def _pack(linear: Linear) -> tuple[PackedWeight, Tensor | None]:
    return _pack_matrix(linear.matrix), linear.bias


def _pack_matrix(matrix: Matrix) -> PackedWeight:
    if isinstance(matrix, DenseMatrix):
        return pack_dense(matrix.weight)
    if isinstance(matrix, Int8Matrix):
        return pack_int8(matrix.codes, matrix.scales)
    raise UnsupportedModel(f"no kernel reads a {type(matrix).__name__}; use bf16, fp32 or int8")
