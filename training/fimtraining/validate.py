"""Measure the validation loss of a saved model, quantised or not, on a corpus's held-out part.

    python -m fimtraining.validate MODEL_DIR --corpus DIR --recipe RECIPE.toml

Prints one line per language and one JSON line. The examples are those of the training run's own
validation: same recipe, same seed. Models of other tokenizers are compared by nats per byte.
"""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from tokenizers import Tokenizer

from fimtraining.export import load_weights
from fimtraining.model import TrainingLlama
from fimtraining.packing import Batch, Corpus
from fimtraining.process import Process
from fimtraining.recipe import load_recipe
from fimtraining.tokenizer import MARKERS
from fimtraining.validation import make_validation, validate


def count_bytes(batch: Batch, tokenizer: Path) -> float:
    """Return the mean number of bytes of the tokens that a batch asks for, markers having none."""
    vocabulary = Tokenizer.from_file(str(tokenizer))
    # Byte-level tokens are written with one letter for each byte.
    sizes = torch.tensor(
        [
            0 if number < len(MARKERS) else len(vocabulary.id_to_token(number) or "")
            for number in range(vocabulary.get_vocab_size())
        ]
    )
    known = batch.targets[batch.weights > 0]
    return float(sizes[known].float().mean())


def main(
    model_dir: Annotated[Path, typer.Argument(exists=True, help="Hugging Face directory.")],
    corpus: Annotated[Path, typer.Option(exists=True, help="Output of fimtraining.corpus.")],
    recipe: Annotated[Path, typer.Option(exists=True, help="Recipe of the model.")],
) -> None:
    """Print the validation loss per language, in nats per token and per byte."""
    settings = load_recipe(recipe, [])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = TrainingLlama(settings.model)
    load_weights(model_dir, model)
    languages = Corpus(corpus, "validation").languages()
    batches = make_validation(settings, corpus, model_dir / "tokenizer.json", languages)
    losses = validate(model.to(device).eval(), batches, Process(0, 1, device))
    tokenizer = model_dir / "tokenizer.json"
    per_byte = {name: loss / count_bytes(batches[name], tokenizer) for name, loss in losses.items()}
    for name, loss in losses.items():
        print(f"{name:12} {loss:.4f} nats per token, {per_byte[name]:.4f} per byte")
    result = {"validation_nats_per_token": losses, "validation_nats_per_byte": per_byte}
    print(json.dumps({"model": model_dir.name} | result))


if __name__ == "__main__":
    typer.run(main)
