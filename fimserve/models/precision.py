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

_DTYPE_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16"}


@dataclass(frozen=True, slots=True)
class Precision:
    """Holds the precision of activations and the form of matrices."""

    dtype: torch.dtype
    """Precision of activations, norms, biases, keys and values."""
    matrices: MatrixForm = "dense"
    """Form of every matrix, unless its own module asks for another."""

    @property
    def name(self) -> str:
        """What a user asks for it by, such as "bf16" or "int8-dynamic"."""
        return _DTYPE_NAMES[self.dtype] if self.matrices == "dense" else self.matrices

    def __str__(self) -> str:
        """Return the name for logs, with the precision of the activations."""
        dtype = _DTYPE_NAMES[self.dtype]
        return dtype if self.matrices == "dense" else f"{self.matrices} on {dtype}"
