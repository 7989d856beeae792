"""The tensors of a safetensors checkpoint as fp32 arrays, without torch.

Reads bf16, which NumPy lacks, and multiplies int8 matrices out by their row scales.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fimeval.errors import EvalError

Array = NDArray[np.float32]

SCALE_SUFFIX = "_scale"
DTYPES: dict[str, Any] = {"F32": "<f4", "F16": "<f2", "I8": "<i1", "BF16": "<u2"}


def read_tensors(directory: Path) -> Iterator[tuple[str, Array]]:
    """Yield every tensor of a checkpoint, scales apart, in the order of the names of its files.

    Args:
        directory: Holds one or several `*.safetensors`.

    Yields:
        tuple[str, Array]: Name and values.

    Raises:
        EvalError: If there is no such file, or it holds something else.
    """
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        raise EvalError(f"{directory} holds no *.safetensors; name a checkpoint directory")
    for path in files:
        yield from _read_file(path)


def _read_file(path: Path) -> Iterator[tuple[str, Array]]:
    data = np.memmap(path, mode="r")
    try:
        (header_bytes,) = struct.unpack("<Q", data[:8].tobytes())
        header = json.loads(data[8 : 8 + header_bytes].tobytes())
    except (struct.error, ValueError) as error:
        raise EvalError(f"{path.name} is damaged ({error}); fetch it again") from None
    header.pop("__metadata__", None)
    body = data[8 + header_bytes :]
    for name in sorted(header):
        if name.endswith(SCALE_SUFFIX):
            continue
        values = _read_tensor(body, header[name], path)
        if scale := header.get(name + SCALE_SUFFIX):
            values = values * _read_tensor(body, scale, path)
        yield name, values


def _read_tensor(body: NDArray[np.uint8], entry: dict[str, Any], path: Path) -> Array:
    stored = entry["dtype"]
    if stored not in DTYPES:
        raise EvalError(f"{path.name} holds {stored}; only {', '.join(DTYPES)} are read")
    start, end = entry["data_offsets"]
    values = np.frombuffer(body[start:end].tobytes(), dtype=DTYPES[stored])
    if stored == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32).reshape(entry["shape"])
