"""The safetensors files of a checkpoint directory as one set of named tensors.

One file or a sharded set with its index; pickles are refused, because loading one runs code.
Knows nothing of model shapes: it hands out what is stored, int8 matrices as they are.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fimserve.models.errors import BrokenCheckpoint, PickleCheckpointRefused
from fimserve.models.int4_codes import GROUP_SIZE, unpack_matrix
from fimserve.models.json_file import read_json

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class WeightFiles:
    """Reads single tensors by name; a context manager that keeps the files open.

    Opening raises PickleCheckpointRefused where all weights are pickles, and BrokenCheckpoint
    where a file is missing or damaged.

    Args:
        directory: Checkpoint directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file_of: dict[str, safe_open] = {}
        with ExitStack() as stack:
            for path in _list_files(directory):
                file = stack.enter_context(open_weights(path))
                self._file_of |= dict.fromkeys(file.keys(), file)
            self._stack = stack.pop_all()  # from here on it is ours to close

    def __enter__(self) -> WeightFiles:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all files."""
        self._stack.close()

    @property
    def names(self) -> frozenset[str]:
        """Names of all stored tensors."""
        return frozenset(self._file_of)

    def read(self, name: str) -> Tensor:
        """Return one tensor as stored, on the CPU.

        Args:
            name: Its name.

        Returns:
            The tensor.

        Raises:
            BrokenCheckpoint: If there is none of this name.
        """
        if name not in self._file_of:
            raise BrokenCheckpoint(f"{self._directory} holds no tensor {name!r}")
        tensor: Tensor = self._file_of[name].get_tensor(name)  # type: ignore[no-untyped-call]
        return tensor

    def read_dense(self, name: str) -> Tensor:
        """Return one tensor, an int8 or packed int4 matrix multiplied out to fp32 by its scales.

        Fails as `read` and `read_scales` do.

        Args:
            name: Its name.

        Returns:
            The tensor in floating point.
        """
        tensor = self.read(name)
        if tensor.dtype == torch.uint8:
            return unpack_matrix(tensor, self._read_group_scales(name))
        if tensor.dtype != torch.int8:
            return tensor
        return tensor.float().mul_(self.read_scales(name))

    def read_scales(self, name: str) -> Tensor:
        """Return the row scales of an int8 matrix.

        Shapes:
            returns: [out, 1]  fp32

        Args:
            name: Name of the matrix.

        Returns:
            One scale per row.

        Raises:
            BrokenCheckpoint: If there are none, or they have the wrong shape.
        """
        num_rows = self.shape(name)[0]
        scales = self.read(scale_name(name))
        if scales.shape != (num_rows, 1):
            raise BrokenCheckpoint(
                f"{self._directory}: {scale_name(name)!r} has shape {list(scales.shape)}; "
                f"one scale per row is [{num_rows}, 1]"
            )
        return scales.float()

    def _read_group_scales(self, name: str) -> Tensor:
        rows, columns = self.shape(name)
        scales = self.read(scale_name(name))
        if scales.shape != (rows, columns // GROUP_SIZE):
            raise BrokenCheckpoint(
                f"{self._directory}: {scale_name(name)!r} has shape {list(scales.shape)}; "
                f"one scale per {GROUP_SIZE} weights is [{rows}, {columns // GROUP_SIZE}]"
            )
        return scales

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it; of int4 codes two are in a byte."""
        part = self._file_of[name].get_slice(name)  # type: ignore[no-untyped-call]
        shape = tuple(part.get_shape())
        return (*shape[:-1], 2 * shape[-1]) if part.get_dtype() == "U8" else shape


def open_weights(path: Path) -> safe_open:
    """Return a safetensors file, open.

    Args:
        path: The file.

    Returns:
        The file; a context manager that closes it.

    Raises:
        BrokenCheckpoint: If it is missing or damaged.
    """
    try:
        return safe_open(path, framework="pt", device="cpu")
    except FileNotFoundError:
        raise BrokenCheckpoint(f"{path} is missing; download the checkpoint again") from None
    except (SafetensorError, OSError) as error:
        raise BrokenCheckpoint(f"{path} is damaged ({error}); download it again") from error


def write_weights(directory: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as the single file of a checkpoint directory."""
    path = directory / SINGLE_FILE
    save_file(tensors, path, metadata={"format": "pt"})
    # safetensors makes the file private to its owner; a packaged model is for every user.
    path.chmod(0o644)


def describe_conversion(source: str) -> str:
    """Return how to turn a directory or hub model of pickles into one of safetensors."""
    return (
        'If you trust it, convert it once: python -c "from transformers import '
        "AutoModelForCausalLM as M, AutoTokenizer as T; "
        f"M.from_pretrained({source!r}, dtype='auto').save_pretrained('CONVERTED'); "
        f"T.from_pretrained({source!r}).save_pretrained('CONVERTED')\" and load CONVERTED"
    )


def scale_name(name: str) -> str:
    """Return the name under which the row scales of an int8 matrix are stored."""
    return f"{name}_scale"


def is_scale(name: str) -> bool:
    """Return whether a stored tensor holds the row scales of another one."""
    return name.endswith(".weight_scale")


def _list_files(directory: Path) -> list[Path]:
    if (directory / SINGLE_FILE).exists():
        return [directory / SINGLE_FILE]
    if (directory / INDEX_FILE).exists():
        return _list_shards(directory / INDEX_FILE)
    _refuse_pickles(directory)
    raise BrokenCheckpoint(
        f"{directory} holds no weights: neither {SINGLE_FILE} nor {INDEX_FILE} is there"
    )


def _list_shards(index: Path) -> list[Path]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise BrokenCheckpoint(f"{index} has no 'weight_map'; download the checkpoint again")
    names = sorted({str(name) for name in weight_map.values()})
    # An index names files beside itself; one that points elsewhere is not to be followed.
    strays = [name for name in names if Path(name).name != name]
    if strays:
        raise BrokenCheckpoint(f"{index} names files outside its directory: {strays[0]!r}")
    return [index.parent / name for name in names]


def _refuse_pickles(directory: Path) -> None:
    pickles = sorted(path.name for pattern in PICKLE_PATTERNS for path in directory.glob(pattern))
    if pickles:
        raise PickleCheckpointRefused(
            f"{directory} holds its weights only as a pickle ({pickles[0]}), and loading a pickle "
            f"runs whatever code is in it. {describe_conversion(str(directory))}"
        )
