"""Take a run from one machine to another: small files that a narrow door lets through.

    python -m fimtraining.portable pack RUN OUT [--weights int8] [--optimisers] [--part-mib 15]
    python -m fimtraining.portable unpack OUT RUN
    python -m fimtraining.portable model RUN RECIPE.toml TOKENIZER MODEL_DIR

`pack` writes the weights of RUN/checkpoint.pt in few bytes, with where the run stands, split into
numbered parts with their checksums; `unpack` makes a checkpoint of them that `fimtraining.pretrain
--resume` goes on from, and `model` a Hugging Face directory of that. Without `--optimisers` their
state is left out, two thirds of the bytes: the rate then rises anew over a few steps. With it
momenta go as int8, second moments as bf16.
"""

import hashlib
import io
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from torch import Tensor

from fimtraining.export import save_model
from fimtraining.model import TrainingLlama
from fimtraining.recipe import load_recipe

PARTS = "parts.json"
_MIB = 1 << 20
_NOT_SMALL = ("exp_avg_sq", "step")

app = typer.Typer(no_args_is_help=True, help="Pack a run's checkpoint into small parts, and back.")


class Precision(StrEnum):
    """How weights travel."""

    INT8 = "int8"
    BF16 = "bf16"
    FP32 = "fp32"


class BrokenParts(Exception):
    """A part is missing or not what was packed."""


# --------------------------------------------------------------------------------------- tensors


def shrink(value: Tensor, precision: Precision) -> Tensor | dict[str, Tensor]:
    """Return a tensor in fewer bytes; of int8 only matrices become smaller, the rest bf16."""
    if precision is Precision.FP32 or not value.is_floating_point():
        return value
    if precision is Precision.BF16 or value.ndim != 2:
        return value.bfloat16()
    scale = value.float().abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
    return {"codes": (value.float() / scale).round().to(torch.int8), "scale": scale}


def grow(value: Any) -> Any:
    """Return what `shrink` made small as fp32 again."""
    if isinstance(value, dict) and set(value) == {"codes", "scale"}:
        return value["codes"].float() * value["scale"]
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.float()
    return value


def _shrink_optimisers(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        state
        | {
            "state": {
                number: {
                    name: shrink(v, Precision.BF16 if name in _NOT_SMALL else Precision.INT8)
                    if isinstance(v, Tensor) and v.ndim
                    else v
                    for name, v in values.items()
                }
                for number, values in state["state"].items()
            }
        }
        for state in states
    ]


def _grow_optimisers(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        state
        | {
            "state": {
                number: {name: grow(v) for name, v in values.items()}
                for number, values in state["state"].items()
            }
        }
        for state in states
    ]


# ----------------------------------------------------------------------------------------- parts


def split(content: bytes, out: Path, part_mib: float) -> list[Path]:
    """Write bytes as numbered parts, and a list of their checksums.

    Args:
        content: What to write.
        out: Directory; parts of an earlier call are removed.
        part_mib: Largest part.

    Returns:
        The parts, in order.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("part-*.bin"):
        old.unlink()
    size = int(part_mib * _MIB)
    paths = []
    for number, start in enumerate(range(0, len(content), size)):
        path = out / f"part-{number:03d}.bin"
        path.write_bytes(content[start : start + size])
        paths.append(path)
    listing = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    (out / PARTS).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
    return paths


def join(directory: Path) -> bytes:
    """Return the bytes that `split` wrote.

    Args:
        directory: Parts and their list.

    Returns:
        The bytes.

    Raises:
        BrokenParts: If a part is missing or another than was packed.
    """
    listing = json.loads((directory / PARTS).read_text(encoding="utf-8"))
    pieces = []
    for name, checksum in listing.items():
        path = directory / name
        if not path.is_file():
            raise BrokenParts(f"{name} is missing in {directory}")
        piece = path.read_bytes()
        if hashlib.sha256(piece).hexdigest() != checksum:
            raise BrokenParts(f"{name} in {directory} is not what was packed; copy it again")
        pieces.append(piece)
    return b"".join(pieces)


# -------------------------------------------------------------------------------------- commands


@app.command()
def pack(
    run: Annotated[Path, typer.Argument(exists=True, help="Directory with checkpoint.pt.")],
    out: Annotated[Path, typer.Argument(help="Directory for the parts.")],
    weights: Annotated[Precision, typer.Option(help="How weights travel.")] = Precision.BF16,
    optimisers: Annotated[bool, typer.Option(help="Take the optimisers' state along.")] = False,
    part_mib: Annotated[float, typer.Option(help="Largest part, MiB.")] = 15.0,
) -> None:
    """Write a run's checkpoint as small parts."""
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    saved["model"] = {name: shrink(value, weights) for name, value in saved["model"].items()}
    saved["optimisers"] = _shrink_optimisers(saved["optimisers"]) if optimisers else None
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    paths = split(buffer.getvalue(), out, part_mib)
    size = sum(path.stat().st_size for path in paths) / _MIB
    Console().print(f"{len(paths)} parts, {size:.1f} MiB, in {out}", highlight=False)


@app.command()
def unpack(
    parts: Annotated[Path, typer.Argument(exists=True, help="Directory of the parts.")],
    run: Annotated[Path, typer.Argument(help="Directory for checkpoint.pt.")],
) -> None:
    """Make a checkpoint of parts."""
    saved = torch.load(io.BytesIO(join(parts)), map_location="cpu", weights_only=True)
    saved["model"] = {name: grow(value) for name, value in saved["model"].items()}
    if saved["optimisers"] is not None:
        saved["optimisers"] = _grow_optimisers(saved["optimisers"])
    run.mkdir(parents=True, exist_ok=True)
    torch.save(saved, run / "checkpoint.pt")
    Console().print(f"{run / 'checkpoint.pt'}: step {saved['step']}", highlight=False)


@app.command()
def model(
    run: Annotated[Path, typer.Argument(exists=True, help="Directory with checkpoint.pt.")],
    recipe: Annotated[Path, typer.Argument(exists=True, help="Recipe of the run.")],
    tokenizer: Annotated[Path, typer.Argument(exists=True, help="Directory of tokenizer.json.")],
    out: Annotated[Path, typer.Argument(help="Directory to write, bf16.")],
) -> None:
    """Write the model of a checkpoint as a Hugging Face directory."""
    trained = TrainingLlama(load_recipe(recipe, []).model)
    saved = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    trained.load_state_dict(saved["model"])
    save_model(trained, tokenizer, out)


if __name__ == "__main__":
    app()
