"""A linear layer of a model: stored matrices with one input, stacked into one multiplication.

q_proj, k_proj and v_proj are stored apart, as Hugging Face names them, and multiplied at once: a
decode step is mostly the price of calls. Adapters change the parts under their stored names.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fimserve.models.lora import LoraFactors
from fimserve.models.lora_rows import LoraRows
from fimserve.models.matrix import Matrix
from fimserve.models.weight_source import WeightSource


class Linear:
    """Computes x W^T + b, plus what each row's adapter adds.

    Args:
        in_features: Columns of the matrices.
        parts: Rows of each stored matrix under its name, in the order they are stacked.
        bias: Whether each part has a bias.
    """

    def __init__(self, in_features: int, parts: Mapping[str, int], bias: bool) -> None:
        self.matrix: Matrix
        """The stacked matrices; known once filled."""
        self.in_features = in_features
        self.parts = dict(parts)
        self.bias: Tensor | None = None
        self._has_bias = bias
        self._changes: dict[int, LoraFactors] = {}

    @property
    def num_bytes(self) -> int:
        """Bytes of memory held."""
        return self.matrix.num_bytes

    def stored_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the tensors that `fill` reads."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, rows in self.parts.items():
            shapes[f"{name}.weight"] = (rows, self.in_features)
            if self._has_bias:
                shapes[f"{name}.bias"] = (rows,)
        return shapes

    def fill(self, source: WeightSource) -> None:
        """Take the weights."""
        self.matrix = source.matrix([f"{name}.weight" for name in self.parts])
        if self._has_bias:
            self.bias = source.vector([f"{name}.bias" for name in self.parts])

    def __call__(self, x: Tensor, lora: LoraRows | None = None) -> Tensor:
        """Return the layer's output [T, out] for x [T, in]."""
        output = self.matrix.multiply(x, self.bias)
        if lora is not None and self._changes:
            lora.add(output, x, self._changes)
        return output

    def first_row(self, part: str) -> int:
        """Return where a part begins in the stacked matrix."""
        names = list(self.parts)
        return sum(self.parts[name] for name in names[: names.index(part)])

    @property
    def changes(self) -> Mapping[int, LoraFactors]:
        """Factors of the adapters that change this layer, by slot."""
        return self._changes

    def set_adapter(self, slot: int, factors: LoraFactors | None) -> None:
        """Let rows of a slot be changed from now on; None = not at all."""
        # A new dict: a forward that runs meanwhile keeps the old one.
        changes = {key: value for key, value in self._changes.items() if key != slot}
        self._changes = changes if factors is None else changes | {slot: factors}
