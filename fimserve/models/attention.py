"""The attention layer of a block: project, rotate, store, gather, project back.

Grouped-query attention of every family; they differ in stored names, biases and whether positions
are rotated in. Knows nothing of norms, feed-forward layers or where keys and values lie.
"""

from __future__ import annotations

from torch import Tensor

from fimserve.models.config import ModelConfig
from fimserve.models.linear import Linear
from fimserve.models.rope import rotate_in_place
from fimserve.models.step import Step


class Attention:
    """Computes grouped-query attention of new tokens over the stored ones and themselves.

    Args:
        config: Shape of the model.
        layer: Number of the block, from 0.
        projection: Computes queries, keys and values side by side.
        output: Projects the gathered values back.
    """

    def __init__(self, config: ModelConfig, layer: int, projection: Linear, output: Linear) -> None:
        self.projection, self.output = projection, output
        self._layer = layer
        self._num_heads, self._num_kv_heads = config.num_heads, config.num_kv_heads
        self._head_dim = config.head_dim

    def __call__(self, hidden: Tensor, step: Step) -> Tensor:
        """Return what each token gathers from the tokens up to itself.

        Shapes:
            hidden:  [T, E]
            returns: [T, E]  a new tensor

        Args:
            hidden: Normed input.
            step: What all layers share.

        Returns:
            The attention output behind its projection.
        """
        num_heads, num_kv_heads = self._num_heads, self._num_kv_heads
        projected = self.projection(hidden, step.lora)
        heads = projected.view(-1, num_heads + 2 * num_kv_heads, self._head_dim)
        if step.rotation is not None:
            rotate_in_place(heads[:, : num_heads + num_kv_heads], *step.rotation)
        keys_values = heads[:, num_heads:].view(-1, 2, num_kv_heads, self._head_dim)
        step.attention.write(self._layer, keys_values)
        gathered = step.attention.attend(self._layer, heads[:, :num_heads])
        return self.output(gathered, step.lora)
