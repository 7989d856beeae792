"""The operations of a step: one function each, as Triton kernel or in plain PyTorch.

`backend.py` says which; shapes, meaning and errors are those of the functions in `ref`. Nothing
here waits for the device, except where the reference runs.
"""

from __future__ import annotations

from torch import Tensor

from fimkernels.backend import uses_triton
from fimkernels.packed_weight import PackedWeight
from fimkernels.ref import activations, attention, lora, matmul, norms, rope, sampling
from fimkernels.ref import decode_attention as decoding
from fimkernels.ref.matmul import Activation, NormOf

__all__ = [
    "add_layer_norm",
    "add_lora",
    "add_rms_norm",
    "decode_attention",
    "gelu_tanh",
    "multiply",
    "paged_attention",
    "rotate_and_store",
    "sample",
    "silu_and_multiply",
]

MAX_SKINNY_ROWS = 64
"""Rows up to which a product is bound by reading its weights, and a kernel of ours does it."""


def add_rms_norm(
    x: Tensor, residual: Tensor | None, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the normed sum and the sum; see `ref.norms.add_rms_norm`."""
    if uses_triton(x):
        from fimkernels.triton import norms as kernels

        return kernels.add_rms_norm(x, residual, weight, eps)
    return norms.add_rms_norm(x, residual, weight, eps)


def add_layer_norm(
    x: Tensor, residual: Tensor | None, weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Return the normed sum and the sum; see `ref.norms.add_layer_norm`."""
    if uses_triton(x):
        from fimkernels.triton import norms as kernels

        return kernels.add_layer_norm(x, residual, weight, bias, eps)
    return norms.add_layer_norm(x, residual, weight, bias, eps)


def rotate_and_store(
    projected: Tensor,
    bias: Tensor | None,
    rotation: tuple[Tensor, Tensor] | None,
    keys_values: Tensor,
    slots: Tensor,
    num_heads: int,
) -> Tensor:
    """Return rotated queries, store keys and values; see `ref.rope.rotate_and_store`."""
    if uses_triton(projected):
        from fimkernels.triton import rope as kernels

        return kernels.rotate_and_store(projected, bias, rotation, keys_values, slots, num_heads)
    return rope.rotate_and_store(projected, bias, rotation, keys_values, slots, num_heads)


def paged_attention(
    queries: Tensor,
    keys_values: Tensor,
    positions: Tensor,
    tables: Tensor,
    tiles: Tensor,
    *,
    scale: float,
    block_tokens: int,
    tile_rows: int,
    window: int | None = None,
    num_splits: int = 1,
) -> Tensor:
    """Return what each token gathers; see `ref.attention.paged_attention`."""
    attend = attention.paged_attention
    if uses_triton(queries):
        from fimkernels.triton import attention as kernels

        attend = kernels.paged_attention
    return attend(
        queries,
        keys_values,
        positions,
        tables,
        tiles,
        scale=scale,
        block_tokens=block_tokens,
        tile_rows=tile_rows,
        window=window,
        num_splits=num_splits,
    )


def decode_attention(
    projected: Tensor,
    bias: Tensor | None,
    rotation: tuple[Tensor, Tensor] | None,
    keys_values: Tensor,
    slots: Tensor,
    positions: Tensor,
    tables: Tensor,
    tiles: Tensor,
    counters: Tensor,
    *,
    scale: float,
    block_tokens: int,
    window: int | None = None,
    num_splits: int = 1,
) -> Tensor:
    """Return what decoded tokens gather; see `ref.decode_attention.decode_attention`."""
    decode = decoding.decode_attention
    if uses_triton(projected):
        from fimkernels.triton import decode_attention as kernels

        decode = kernels.decode_attention
    return decode(
        projected,
        bias,
        rotation,
        keys_values,
        slots,
        positions,
        tables,
        tiles,
        counters,
        scale=scale,
        block_tokens=block_tokens,
        window=window,
        num_splits=num_splits,
    )


def silu_and_multiply(gate_up: Tensor) -> Tensor:
    """Return silu(gate) * up; see `ref.activations.silu_and_multiply`."""
    if uses_triton(gate_up):
        from fimkernels.triton import activations as kernels

        return kernels.silu_and_multiply(gate_up)
    return activations.silu_and_multiply(gate_up)


def gelu_tanh(x: Tensor) -> Tensor:
    """Return GELU by its tanh formula; see `ref.activations.gelu_tanh`."""
    if uses_triton(x):
        from fimkernels.triton import activations as kernels

        return kernels.gelu_tanh(x)
    return activations.gelu_tanh(x)


def multiply(
    x: Tensor,
    weight: PackedWeight,
    bias: Tensor | None = None,
    activation: Activation = "none",
    residual: Tensor | None = None,
    norm: NormOf | None = None,
) -> Tensor:
    """Return activation(norm(x) W^T + bias) + residual; see `ref.matmul.multiply`.

    One row is normed by the kernel of the product, more by one in front. Above 64 rows a product is
    bound by arithmetic, and the library's is taken.
    """
    if not uses_triton(x):
        return matmul.multiply(x, weight, bias, activation, residual, norm)
    if norm is not None and x.shape[0] != 1:
        x, norm = _norm(x, norm), None
    if x.shape[0] <= MAX_SKINNY_ROWS:
        from fimkernels.triton import matmul as kernels

        return kernels.multiply(x, weight, bias, activation, residual, norm)
    product = matmul.multiply(x, weight, bias)
    if activation == "swiglu":
        product = silu_and_multiply(product)
    elif activation == "gelu":
        product = gelu_tanh(product)
    return product if residual is None else product + residual


def _norm(x: Tensor, norm: NormOf) -> Tensor:
    if norm.bias is None:
        return add_rms_norm(x, None, norm.weight, norm.eps)[0]
    return add_layer_norm(x, None, norm.weight, norm.bias, norm.eps)[0]


def add_lora(
    output: Tensor,
    x: Tensor,
    down: Tensor,
    up: Tensor,
    ranks: Tensor,
    tiles: Tensor,
    tile_rows: int,
) -> None:
    """Add what each tile's adapter changes, in place; see `ref.lora.add_lora`."""
    add = lora.add_lora
    if uses_triton(x):
        from fimkernels.triton import lora as kernels

        add = kernels.add_lora
    add(output, x, down, up, ranks, tiles, tile_rows)


def sample(
    scores: Tensor,
    mask: Tensor | None,
    temperatures: Tensor,
    top_ks: Tensor,
    top_ps: Tensor,
    min_ps: Tensor,
    numbers: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return chosen ids and their log-probabilities; see `ref.sampling.sample`."""
    draw = sampling.sample
    if uses_triton(scores):
        from fimkernels.triton import sampling as kernels

        draw = kernels.sample
    return draw(scores, mask, temperatures, top_ks, top_ps, min_ps, numbers)
