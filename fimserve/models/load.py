"""From a model's name to its weights in memory, ready to run.

Every tensor of the shape must be there and none that the shape does not know: a checkpoint that
half fits is refused rather than run, before any weight is read. Then the model is filled part by
part, so that little exists twice.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from fimserve.models.aside import run_aside
from fimserve.models.causal_model import CausalModel
from fimserve.models.checkpoint_directory import read_eos_token_ids, read_fim_metadata
from fimserve.models.config import ModelConfig
from fimserve.models.errors import BrokenCheckpoint
from fimserve.models.families import make_model, read_model_config
from fimserve.models.placement import choose_device, choose_precision
from fimserve.models.precision import Precision
from fimserve.models.resolve import resolve_model
from fimserve.models.weight_files import WeightFiles, is_scale
from fimserve.models.weight_source import WeightSource

logger = logging.getLogger(__name__)

_IGNORED_SUFFIXES = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""Old checkpoints store rope frequencies and causal masks, which follow from the config."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Holds a model in memory and what its checkpoint says about itself."""

    name: str
    """Name to show: the hub id, "embedded", or the directory's last part."""
    model: CausalModel
    """The weights."""
    config: ModelConfig
    """Shape of the model."""
    encoder_path: Path
    """Its tokenizer.json."""
    family: str | None
    """Prompt format named by the checkpoint; None = unknown."""
    orders: tuple[str, ...]
    """Prompt orders it was trained for; empty = unknown."""
    default_order: str | None
    """Order to use when the request names none; None = unknown."""
    multiline_order: str | None
    """The same where several lines are wanted; None = the default one."""
    eos_token_ids: frozenset[int]
    """Ids that end a completion."""


def load_model(
    name: str, device: str = "auto", dtype: str = "auto", allow_download: bool = True
) -> LoadedModel:
    """Return a model ready to run.

    Fails with a ModelError that says what to do: see `fimserve.models.errors`.

    Args:
        name: "embedded", a checkpoint directory, or a hub id.
        device: "auto", "cpu", "cuda" or "cuda:N".
        dtype: "auto", "fp32", "bf16", "int8" or "int8-dynamic"; see `placement.py`.
        allow_download: Whether the hub may be asked.

    Returns:
        Weights, shape and metadata.

    Raises:
        BrokenCheckpoint: If there is no tokenizer.json.
    """
    started = time.perf_counter()
    directory = resolve_model(name, allow_download)
    config = read_model_config(directory / "config.json")
    encoder_path = directory / "tokenizer.json"
    if not encoder_path.exists():
        raise BrokenCheckpoint(
            f"{directory} has no tokenizer.json; save the tokenizer in its fast form beside it"
        )
    metadata = read_fim_metadata(directory)
    chosen_device = choose_device(device)
    precision = choose_precision(dtype, chosen_device, config.quantised)
    model = load_weights(directory, config, chosen_device, precision)
    logger.info(
        "loaded %s from %s on %s in %s, %.1f s",
        name, directory, chosen_device, precision, time.perf_counter() - started,
    )  # fmt: skip
    return LoadedModel(
        name=name if not Path(name).expanduser().is_dir() else directory.resolve().name,
        model=model,
        config=config,
        encoder_path=encoder_path,
        family=metadata.family,
        orders=metadata.orders,
        default_order=metadata.default_order,
        multiline_order=metadata.multiline_order,
        eos_token_ids=read_eos_token_ids(directory, config),
    )


def load_weights(
    directory: Path, config: ModelConfig, device: torch.device, precision: Precision
) -> CausalModel:
    """Return the model of a checkpoint directory.

    Args:
        directory: Checkpoint directory.
        config: Its shape.
        device: Where to put the weights.
        precision: Their precision in memory.

    Returns:
        The model, ready to run.

    Raises:
        BrokenCheckpoint: If tensors are missing, unknown or of the wrong shape.
    """
    model = make_model(config)
    expected: dict[str, tuple[int, ...]] = {}
    for part in model.weights():
        expected |= part.stored_shapes()
    with WeightFiles(directory) as files:
        stored = {
            name.removeprefix(config.stored_prefix): name
            for name in sorted(files.names)
            if _is_wanted(name, config)
        }
        _check_names(directory, set(expected), set(stored))
        for name, shape in expected.items():
            if files.shape(stored[name]) != shape:
                raise BrokenCheckpoint(
                    f"{directory}: {stored[name]!r} has shape {list(files.shape(stored[name]))}, "
                    f"config.json says {list(shape)}"
                )
        source = WeightSource(files, stored, precision, device)
        run_aside(lambda: model.fill(source))
    return model


def _is_wanted(name: str, config: ModelConfig) -> bool:
    if is_scale(name) or name.endswith(_IGNORED_SUFFIXES):
        return False
    return not (config.tie_embeddings and name == "lm_head.weight")


def _check_names(directory: Path, expected: set[str], stored: set[str]) -> None:
    missing, unknown = sorted(expected - stored), sorted(stored - expected)
    if missing or unknown:
        raise BrokenCheckpoint(
            f"{directory}: the weights do not fit config.json; {len(missing)} tensors missing "
            f"{missing[:3]}, {len(unknown)} unknown {unknown[:3]}"
        )
