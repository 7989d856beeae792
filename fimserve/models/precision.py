"""In which precision a model computes and in which its matrices lie in memory.

| name | activations, norms, keys, values | matrices |
| --- | --- | --- |
| fp32 | fp32 | fp32 |
| bf16 | bf16 | bf16 |
| int8 | bf16 where the hardware multiplies in it, else fp32 | int8, multiplied out on the fly |
| int8-dynamic | fp32 | int8, multiplied as integers; CPU only |

Knows nothing of files or machines; `placement.py` chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

MatrixForm = Literal["dense", "int8", "int8-dynamic"]


@dataclass(frozen=True, slots=True)
class Precision:
    """Holds the precision of activations and the form of matrices."""

    dtype: torch.dtype
    """Precision of activations, norms, biases, keys and values."""
    matrices: MatrixForm = "dense"
    """Form of every matrix, unless its own module asks for another."""

    def __str__(self) -> str:
        """Return the name for logs."""
        dtype = str(self.dtype).removeprefix("torch.")
        return dtype if self.matrices == "dense" else f"{self.matrices} on {dtype}"
