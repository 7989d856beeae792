"""The two norms in front of a layer: root mean square, and mean and variance with a bias.

In bf16 the root mean square follows transformers step by step: the mean is taken in fp32, its
result is rounded, and only then multiplied by the weight.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from fimserve.models.weight_source import WeightSource


class Norm(Protocol):
    """Norms each row of activations."""

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""

    def stored_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the tensors that `fill` reads."""

    def fill(self, source: WeightSource) -> None:
        """Take the weights."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return the normed rows in the dtype of x."""


class RmsNorm:
    """Scales each row to a root mean square of one, then each column by its weight.

    Args:
        name: Stored name, without ".weight".
        size: Number of columns.
        eps: Added to the mean square.
    """

    def __init__(self, name: str, size: int, eps: float) -> None:
        self.weight: Tensor
        self._name, self._size, self.eps = f"{name}.weight", size, eps

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        return self.weight.numel() * self.weight.element_size()

    def stored_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the tensors that `fill` reads."""
        return {self._name: (self._size,)}

    def fill(self, source: WeightSource) -> None:
        """Take the weights."""
        self.weight = source.vector([self._name])
        self._eps_tensor = torch.tensor(self.eps, device=source.device)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the normed rows in the dtype of x."""
        if x.dtype != torch.float32:
            wide = x.float()
            normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
            return normed.to(x.dtype).mul_(self.weight)
        # Few small calls: a step of one token is mostly the price of calls, and these take 6.5 us
        # where torch's own rms_norm takes 10.
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        factor = torch.addcmul(self._eps_tensor, length, length, value=1 / x.shape[-1]).rsqrt_()
        return (x * factor).mul_(self.weight)


class LayerNorm:
    """Shifts and scales each row to mean 0 and variance 1, then each column by weight and bias.

    Args:
        name: Stored name, without ".weight" and ".bias".
        size: Number of columns.
        eps: Added to the variance.
    """

    def __init__(self, name: str, size: int, eps: float) -> None:
        self.weight: Tensor
        self.bias: Tensor
        self._names, self._size, self.eps = (f"{name}.weight", f"{name}.bias"), size, eps

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        return 2 * self.weight.numel() * self.weight.element_size()

    def stored_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the tensors that `fill` reads."""
        return dict.fromkeys(self._names, (self._size,))

    def fill(self, source: WeightSource) -> None:
        """Take the weights."""
        self.weight, self.bias = (source.vector([name]) for name in self._names)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the normed rows in the dtype of x."""
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
