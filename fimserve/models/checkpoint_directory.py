"""What lies in a checkpoint directory beside weights and config: tokenizer, metadata, card.

`fim.json` says what the model was trained for: its prompt family, the orders, the order to use.
Knows nothing of tensors.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from fimserve.models.config import ModelConfig
from fimserve.models.config_reader import read_token_ids
from fimserve.models.errors import BrokenCheckpoint
from fimserve.models.json_file import read_json


@dataclass(frozen=True, slots=True)
class FimMetadata:
    """Holds what a checkpoint says about its own prompt format."""

    family: str | None = None
    """Name of the prompt format; None = find out from the tokenizer."""
    orders: tuple[str, ...] = ()
    """Prompt orders the model was trained for; empty = unknown."""
    default_order: str | None = None
    """Order to use when the request names none."""
    multiline_order: str | None = None
    """The same where several lines are wanted; None = the default one."""


def read_fim_metadata(directory: Path) -> FimMetadata:
    """Return what fim.json says, or nothing known where there is none.

    Args:
        directory: Checkpoint directory.

    Returns:
        Family and orders.

    Raises:
        BrokenCheckpoint: If the file is there and its values are of the wrong kind.
    """
    path = directory / "fim.json"
    if not path.exists():
        return FimMetadata()
    keys = read_json(path)
    names: dict[str, str | None] = {}
    for key in ("family", "default_order", "multiline_order"):
        value = keys.get(key)
        if value is not None and not isinstance(value, str):
            raise BrokenCheckpoint(f"{path}: {key!r} is {value!r}, not a string")
        names[key] = value
    orders = keys.get("orders") or []
    if not isinstance(orders, list) or not all(isinstance(order, str) for order in orders):
        raise BrokenCheckpoint(f"{path}: 'orders' is {orders!r}, not a list of strings")
    for key in ("default_order", "multiline_order"):
        if names[key] is not None and orders and names[key] not in orders:
            raise BrokenCheckpoint(f"{path}: {key} {names[key]!r} is not among {orders!r}")
    return FimMetadata(orders=tuple(orders), **names)


def read_eos_token_ids(directory: Path, config: ModelConfig) -> frozenset[int]:
    """Return the end tokens that config.json and generation_config.json name together."""
    path = directory / "generation_config.json"
    if not path.exists():
        return config.eos_token_ids
    return config.eos_token_ids | read_token_ids(read_json(path).get("eos_token_id"))


def copy_side_files(source: Path, target: Path) -> None:
    """Copy everything but weights and config.json into a new checkpoint directory.

    Args:
        source: Checkpoint directory.
        target: Directory to fill; created if absent.

    Raises:
        BrokenCheckpoint: If both are the same directory.
    """
    target.mkdir(parents=True, exist_ok=True)
    if source.resolve() == target.resolve():
        raise BrokenCheckpoint(f"{target} is the source itself; name another directory")
    for path in sorted(source.iterdir()):
        if path.is_file() and not _is_weights(path) and path.name != "config.json":
            shutil.copyfile(path, target / path.name)


def _is_weights(path: Path) -> bool:
    weights = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".pkl"}
    return path.suffix in weights or path.name.endswith(".index.json")
