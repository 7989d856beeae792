"""Lay two checkpoints of one shape between each other: what a second stage forgot comes back.

    python -m fimtraining.average FIRST SECOND --share 0.7 --out DIR

A run from warm weights on less text unlearns part of what the first run knew; a straight line
between both has points better than either end (arXiv 2109.01903). Which point is for
`fimtraining.validate` to say, on held-out text.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from fimtraining.export import load_weights, save_model
from fimtraining.model import TrainingLlama
from fimtraining.recipe import load_recipe


def average(first: TrainingLlama, second: TrainingLlama, share: float) -> None:
    """Move the weights of the first model towards the second's, in place.

    Args:
        first: Model to change.
        second: Model of the same shape.
        share: 0 leaves the first as it is, 1 makes it the second.
    """
    others = dict(second.named_parameters())
    with torch.no_grad():
        for name, weight in first.named_parameters():
            weight.lerp_(others[name], share)


def main(
    first: Annotated[Path, typer.Argument(exists=True, help="Hugging Face directory.")],
    second: Annotated[Path, typer.Argument(exists=True, help="Hugging Face directory.")],
    recipe: Annotated[Path, typer.Option(exists=True, help="Recipe, for the shape.")],
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the second.")],
    out: Annotated[Path, typer.Option(help="Directory to write, bf16.")],
) -> None:
    """Write a model between two."""
    shape = load_recipe(recipe, []).model
    models = TrainingLlama(shape), TrainingLlama(shape)
    for directory, model in zip((first, second), models, strict=True):
        load_weights(directory, model)
    average(*models, share)
    save_model(models[0], first, out)


if __name__ == "__main__":
    typer.run(main)
