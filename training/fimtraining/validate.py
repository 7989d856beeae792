"""Measure the validation loss of a saved model, quantised or not, on a corpus's held-out part.

    python -m fimtraining.validate MODEL_DIR --corpus DIR --recipe RECIPE.toml

Prints one line per language and one JSON line. The examples are those of the training run's own
validation: same recipe, same seed.
"""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from fimtraining.export import load_weights
from fimtraining.model import TrainingLlama
from fimtraining.packing import Corpus
from fimtraining.pretrain import Process, load_recipe, make_validation, validate


def main(
    model_dir: Annotated[Path, typer.Argument(exists=True, help="Hugging Face directory.")],
    corpus: Annotated[Path, typer.Option(exists=True, help="Output of fimtraining.corpus.")],
    recipe: Annotated[Path, typer.Option(exists=True, help="Recipe of the model.")],
) -> None:
    """Print the validation loss per language, in nats per token."""
    settings = load_recipe(recipe, [])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = TrainingLlama(settings.model)
    load_weights(model_dir, model)
    languages = Corpus(corpus, "validation").languages()
    batches = make_validation(settings, corpus, model_dir / "tokenizer.json", languages)
    losses = validate(model.to(device).eval(), batches, Process(0, 1, device))
    for language, loss in losses.items():
        print(f"{language:12} {loss:.4f} nats per token")
    print(json.dumps({"model": model_dir.name, "validation_nats_per_token": losses}))


if __name__ == "__main__":
    typer.run(main)
