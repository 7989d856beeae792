"""The forward pass as a chain of fused kernels over tensors of fixed sizes.

The same numbers as `CausalModel.forward`, rounded in other places: norm and residual, bias and
rotation and storing, matrix and activation are one launch each, and nothing waits for the device,
so that a CUDA graph can hold the whole step. Without Triton the same chain runs in plain PyTorch,
which is how it is tested on a CPU.
Steps with adapters have a chain of their own, as adapters need what the fused products keep to
themselves: normed rows, and products before their activation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fimkernels import ops
from fimkernels.packed_weight import PackedWeight, pack_dense, pack_int8
from fimkernels.ref.matmul import NormOf
from fimserve.models.causal_model import CausalModel
from fimserve.models.errors import UnsupportedModel
from fimserve.models.feed_forward import GatedFeedForward
from fimserve.models.int8_matrix import Int8Matrix
from fimserve.models.kv_pool import KvPool
from fimserve.models.linear import Linear
from fimserve.models.lora_memory import LoraMemory, LoraStack
from fimserve.models.matrix import DenseMatrix, Matrix
from fimserve.models.norms import LayerNorm, Norm, RmsNorm
from fimserve.models.packed_step import PackedStep

MAX_LONE_ROWS = 2
"""Rows up to which decoded tokens take their attention from the projection on."""


@dataclass(frozen=True, slots=True)
class _Product:
    weight: PackedWeight
    bias: Tensor | None
    lora: LoraStack | None


@dataclass(frozen=True, slots=True)
class _Layer:
    attention_norm: NormOf
    projection: _Product
    output: _Product
    feed_forward_norm: NormOf
    up: _Product
    down: _Product
    activation: Literal["gelu", "swiglu"]


class FusedForward:
    """Computes the scores of a step.

    Fails with UnsupportedModel where the matrices lie in a form that the kernels do not read.

    Args:
        model: The weights, filled; they are shared, not copied.
        pool: Keys and values.
        lora: Factors of adapters; None where no step has any.
    """

    def __init__(self, model: CausalModel, pool: KvPool, lora: LoraMemory | None = None) -> None:
        self._model, self._pool = model, pool
        self._layers = [
            _Layer(
                _norm_of(block.attention_norm),
                _pack(block.attention.projection, lora),
                _pack(block.attention.output, lora),
                _norm_of(block.feed_forward_norm),
                _pack(block.feed_forward.linears[0], lora),
                _pack(block.feed_forward.linears[1], lora),
                "swiglu" if isinstance(block.feed_forward, GatedFeedForward) else "gelu",
            )
            for block in model.parts.blocks
        ]
        self._counters = torch.zeros(
            MAX_LONE_ROWS * model.config.num_heads, dtype=torch.int32, device=model.device
        )
        self._rotations = _tabulate_rotations(model)
        self._norm = _norm_of(model.parts.norm)
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
        parts = self._model.parts
        hidden = parts.tokens(step.token_ids)
        if parts.positions is not None:
            hidden = hidden + parts.positions(step.positions)
        rotation: tuple[Tensor, Tensor] | None = None
        if self._rotations is not None:
            cosines, sines = self._rotations.index_select(0, step.positions).chunk(2, dim=1)
            rotation = (cosines, sines)
        if step.lora_tiles is not None:
            hidden = self._compute_adapted(hidden, step, step.lora_tiles, rotation)
        elif len(hidden) <= ops.MAX_SKINNY_ROWS:
            hidden = self._compute_few(hidden, step, rotation)
        else:
            hidden = self._compute_many(hidden, step, rotation)
        if len(hidden) > 1:
            hidden = hidden.index_select(0, step.score_rows)
        return ops.multiply(hidden, self._head, norm=self._norm)

    def _compute_few(
        self, hidden: Tensor, step: PackedStep, rotation: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Norms belong to the products behind them, sums to those in front: fewest launches."""
        for number, layer in enumerate(self._layers):
            output, up, down = layer.output, layer.up, layer.down
            projected = ops.multiply(hidden, layer.projection.weight, norm=layer.attention_norm)
            gathered = self._attend(number, projected, step, rotation)
            hidden = ops.multiply(gathered, output.weight, output.bias, residual=hidden)
            inner = ops.multiply(
                hidden, up.weight, up.bias, layer.activation, norm=layer.feed_forward_norm
            )
            hidden = ops.multiply(inner, down.weight, down.bias, residual=hidden)
        return hidden

    def _compute_many(
        self, hidden: Tensor, step: PackedStep, rotation: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Products are the library's; sums belong to the norms behind them: fewest bytes moved."""
        change: Tensor | None = None
        for number, layer in enumerate(self._layers):
            normed, hidden = _add_norm(layer.attention_norm, hidden, change)
            projected = ops.multiply(normed, layer.projection.weight)
            gathered = self._attend(number, projected, step, rotation)
            change = ops.multiply(gathered, layer.output.weight, layer.output.bias)
            normed, hidden = _add_norm(layer.feed_forward_norm, hidden, change)
            inner = ops.multiply(normed, layer.up.weight, layer.up.bias, layer.activation)
            change = ops.multiply(inner, layer.down.weight, layer.down.bias)
        return hidden if change is None else hidden + change

    def _compute_adapted(
        self,
        hidden: Tensor,
        step: PackedStep,
        tiles: Tensor,
        rotation: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Adapters add to bare products; sums belong to the norms, which are launches anyway."""
        rows = step.lora_tile_rows
        change: Tensor | None = None
        for number, layer in enumerate(self._layers):
            normed, hidden = _add_norm(layer.attention_norm, hidden, change)
            # The projection's bias is added where heads are rotated.
            projected = _multiply_adapted(normed, layer.projection, None, tiles, rows)
            gathered = self._attend(number, projected, step, rotation)
            change = _multiply_adapted(gathered, layer.output, layer.output.bias, tiles, rows)
            normed, hidden = _add_norm(layer.feed_forward_norm, hidden, change)
            inner = _multiply_adapted(normed, layer.up, layer.up.bias, tiles, rows)
            activate = ops.silu_and_multiply if layer.activation == "swiglu" else ops.gelu_tanh
            change = _multiply_adapted(activate(inner), layer.down, layer.down.bias, tiles, rows)
        return hidden if change is None else hidden + change

    def _attend(
        self,
        number: int,
        projected: Tensor,
        step: PackedStep,
        rotation: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Store a layer's keys and values; return what its tokens gather."""
        config, pool = self._model.config, self._pool
        layer, keys_values = self._layers[number], pool.rows[number]
        scale = config.head_dim**-0.5 if config.attention_scale is None else config.attention_scale
        if (
            step.tile_rows == 1
            and len(projected) <= MAX_LONE_ROWS
            and config.num_heads == config.num_kv_heads
        ):
            return ops.decode_attention(
                projected,
                layer.projection.bias,
                rotation,
                keys_values,
                step.slots,
                step.positions,
                step.tables,
                step.tiles,
                self._counters,
                scale=scale,
                block_tokens=pool.block_tokens,
                window=config.sliding_window,
                num_splits=step.num_splits,
            )
        queries = ops.rotate_and_store(
            projected, layer.projection.bias, rotation, keys_values, step.slots, config.num_heads
        )
        return ops.paged_attention(
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


def _tabulate_rotations(model: CausalModel) -> Tensor | None:
    """Return cosines and signed sines [P, 2 D] of every position; None = no rope."""
    positions = torch.arange(model.config.max_context_tokens, device=model.device)
    rotation = model.rotation_at(positions)
    return None if rotation is None else torch.cat(rotation, dim=1)


def _norm_of(norm: Norm) -> NormOf:
    """Return a norm in the form that the kernels take."""
    if isinstance(norm, RmsNorm):
        return NormOf(norm.weight, None, norm.eps)
    if isinstance(norm, LayerNorm):
        return NormOf(norm.weight, norm.bias, norm.eps)
    raise UnsupportedModel(f"no kernel for {type(norm).__name__}")


def _add_norm(norm: NormOf, hidden: Tensor, change: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the normed sum and the sum."""
    if norm.bias is None:
        return ops.add_rms_norm(hidden, change, norm.weight, norm.eps)
    return ops.add_layer_norm(hidden, change, norm.weight, norm.bias, norm.eps)


def _multiply_adapted(
    x: Tensor, product: _Product, bias: Tensor | None, tiles: Tensor, tile_rows: int
) -> Tensor:
    """Return a product with what the rows' adapters add to it."""
    output, lora = ops.multiply(x, product.weight, bias), product.lora
    if lora is not None:
        ops.add_lora(output, x, lora.down, lora.up, lora.ranks, tiles, tile_rows)
    return output


def _pack(linear: Linear, lora: LoraMemory | None) -> _Product:
    stack = None if lora is None else lora.stack_of(linear)
    return _Product(_pack_matrix(linear.matrix), linear.bias, stack)


def _pack_matrix(matrix: Matrix) -> PackedWeight:
    if isinstance(matrix, DenseMatrix):
        return pack_dense(matrix.weight)
    if isinstance(matrix, Int8Matrix):
        return pack_int8(matrix.codes, matrix.scales)
    raise UnsupportedModel(f"no kernel reads a {type(matrix).__name__}; use bf16, fp32 or int8")
