"""Choose which matrices bear four bits: measure each alone, take the cheapest, measure the whole.

    python -m fimtraining.sensitivity MODEL_DIR --corpus DIR --recipe RECIPE.toml \\
        --out choice.json [--max-mib 96] [--max-share 0.01] [--write DIR]

The loss is the mean over the recipe's validation batches, with every matrix as int8. Then one
matrix after another is laid down in int4 instead, as `fimserve.models` stores it, and the loss
measured again. Matrices are taken in the order of what they cost per byte they save, until the
files are small enough or their costs add up to the share of the loss that may be lost; what the
choice costs as a whole is measured at the end, for costs add up only nearly. `--write` writes the
files.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from fimserve.models import quantise_checkpoint
from fimserve.models.int4_codes import GROUP_SIZE, pack_matrix, unpack_matrix
from fimserve.models.int8_codes import quantise_matrix
from fimtraining.export import load_weights
from fimtraining.model import TrainingLlama
from fimtraining.packing import Corpus
from fimtraining.process import Process
from fimtraining.recipe import load_recipe
from fimtraining.validation import make_validation, validate

_MIB = 1 << 20


class Cost(NamedTuple):
    """What four bits do to one matrix."""

    name: str
    nats: float
    """Rise of the mean loss when this matrix alone is int4; noise may make it negative."""
    saved_bytes: int


class Choice(NamedTuple):
    """Matrices to store in four bits."""

    names: tuple[str, ...]
    nats: float
    """Sum of their costs."""
    num_bytes: int
    """Weights and scales of the whole model."""


def choose_int4(costs: Sequence[Cost], num_bytes: int, max_bytes: float, max_nats: float) -> Choice:
    """Return which matrices become int4.

    Args:
        costs: What each matrix costs and saves.
        num_bytes: Size with every matrix as int8.
        max_bytes: Size to come down to; infinity takes all that is free of cost within `max_nats`.
        max_nats: Sum of costs that may not be exceeded.

    Returns:
        The choice; larger than `max_bytes` where `max_nats` does not allow for less.
    """
    names: list[str] = []
    nats = 0.0
    for cost in sorted(costs, key=lambda c: (max(0.0, c.nats) / c.saved_bytes, c.name)):
        if num_bytes <= max_bytes < float("inf"):
            break
        if nats + max(0.0, cost.nats) > max_nats:
            continue  # a smaller one may still fit
        names.append(cost.name)
        nats += max(0.0, cost.nats)
        num_bytes -= cost.saved_bytes
    return Choice(tuple(names), nats, num_bytes)


def int8_bytes(rows: int, columns: int) -> int:
    """Return the bytes of a matrix as int8 with one scale per row."""
    return rows * columns + 4 * rows


def int4_bytes(rows: int, columns: int) -> int:
    """Return the bytes of a matrix as int4 with one scale per group."""
    return rows * columns // 2 + 2 * rows * columns // GROUP_SIZE


def measure_costs(model: TrainingLlama, measure: Callable[[], float]) -> tuple[float, list[Cost]]:
    """Return the loss with int8 matrices, and what int4 costs each of them.

    Args:
        model: Model with weights in fp32; its matrices are int8 values afterwards.
        measure: Returns the mean loss of the model as it is.

    Returns:
        Loss in nats, and one cost per matrix whose rows are whole groups.
    """
    matrices = _matrices(model)
    originals = {name: weight.detach().clone() for name, weight in matrices.items()}
    for weight in matrices.values():
        _lay(weight, _as_int8(weight))
    base = measure()
    costs = []
    for name, weight in track(matrices.items(), "matrices"):
        if weight.shape[1] % GROUP_SIZE:
            continue
        as_int8 = weight.detach().clone()
        _lay(weight, unpack_matrix(*pack_matrix(originals[name])))
        saved = int8_bytes(*weight.shape) - int4_bytes(*weight.shape)
        costs.append(Cost(name, measure() - base, saved))
        _lay(weight, as_int8)
    return base, costs


def _matrices(model: TrainingLlama) -> dict[str, nn.Parameter]:
    """Return the matrices under the names that the exported files give them."""
    return {f"model.{name}": w for name, w in model.named_parameters() if w.ndim == 2}


def _as_int8(weight: Tensor) -> Tensor:
    codes, scales = quantise_matrix(weight.detach())
    return codes.float() * scales


@torch.no_grad()
def _lay(weight: Tensor, values: Tensor) -> None:
    weight.copy_(values)


def main(
    model_dir: Annotated[Path, typer.Argument(exists=True, help="bf16 directory of a model.")],
    corpus: Annotated[Path, typer.Option(exists=True, help="Output of fimtraining.corpus.")],
    recipe: Annotated[Path, typer.Option(exists=True, help="Recipe of the model.")],
    out: Annotated[Path, typer.Option(help="JSON file for costs and choice.")],
    max_mib: Annotated[float, typer.Option(help="Size of the weights to come down to.")] = 0.0,
    max_share: Annotated[float, typer.Option(help="Share of the loss that may be lost.")] = 0.01,
    write: Annotated[Path | None, typer.Option(help="Directory for the chosen form.")] = None,
) -> None:
    """Measure what four bits cost each matrix and choose."""
    settings = load_recipe(recipe, [])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = TrainingLlama(settings.model)
    load_weights(model_dir, model)
    model = model.to(device).eval()
    languages = Corpus(corpus, "validation").languages()
    batches = make_validation(settings, corpus, model_dir / "tokenizer.json", languages)

    def measure() -> float:
        losses = validate(model, batches, Process(0, 1, device)).values()
        return sum(losses) / len(losses)

    originals = {name: weight.detach().clone() for name, weight in _matrices(model).items()}
    base, costs = measure_costs(model, measure)
    num_bytes = sum(int8_bytes(*weight.shape) for weight in originals.values())
    limit = max_mib * _MIB if max_mib else float("inf")
    choice = choose_int4(costs, num_bytes, limit, max_share * base)
    matrices = _matrices(model)
    for name in choice.names:
        _lay(matrices[name], unpack_matrix(*pack_matrix(originals[name])))
    together = measure()
    result = {
        "model": model_dir.name,
        "int8_nats": base,
        "int8_mib": num_bytes / _MIB,
        "chosen_nats": together,
        "chosen_share": together / base - 1,
        "chosen_mib": choice.num_bytes / _MIB,
        "int4": list(choice.names),
        "costs": [cost._asdict() for cost in costs],
    }
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    Console().print(
        f"{len(choice.names)} of {len(costs)} matrices as int4: {num_bytes / _MIB:.1f} ->"
        f" {choice.num_bytes / _MIB:.1f} MiB, loss {base:.4f} -> {together:.4f}"
        f" ({together / base - 1:+.2%})",
        highlight=False,
    )
    if write:
        quantise_checkpoint(model_dir, write, frozenset(choice.names))


if __name__ == "__main__":
    typer.run(main)
