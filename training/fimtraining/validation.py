"""The validation of a run: fixed batches of held-out repositories and a model's loss on them.

The command that measures a saved model on them is `fimtraining.validate`.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from fimtraining.examples import ExampleMix
from fimtraining.packing import Batch, Corpus, PackedRows, collate
from fimtraining.process import Process
from fimtraining.recipe import PretrainRecipe
from fimtraining.step import run_forward

VALIDATION_MIDDLES = ExampleMix(
    fim_rate=1.0,
    repository_rate=0.0,
    windows={"800": 0.3, "1600": 0.32, "3200": 0.22, "6400": 0.16},
    spans={"line": 0.42, "tail": 0.25, "block": 0.15, "short": 0.1, "uniform": 0.08},
    tree_rate=0.0,
)
"""Holes of the validation loss of middles, the same for every recipe: a run's own mix, with its own
share of holes along the syntax, would give it easier or harder ones than the run beside it."""
VALIDATION_ORDERS = ("psm", "spm", "middle-increment")
MIDDLE_ROWS = 12
"""Rows of each order's batch: a run with smaller passes shall be asked for no fewer holes."""
MIDDLE_EXAMPLES = 32 * MIDDLE_ROWS
"""Examples told apart in such a batch, as many for a row as the ladder's recipes have."""
MIDDLE_SEED = 30
"""Of files and holes; a run's own would give it other holes."""


def make_validation(
    recipe: PretrainRecipe, directory: Path, tokenizer: Path, languages: list[str]
) -> dict[str, Batch]:
    """Return fixed batches of the held-out repositories.

    One per language of the validation mix, every token alike. Where the recipe weighs middles, also
    one `middle-ORDER` per order over all languages, in which only middles and their end tokens
    count: how well holes are filled. Those holes are the same for all recipes of one row length.

    Args:
        recipe: The run.
        directory: Output of `fimtraining.corpus build`.
        tokenizer: `tokenizer.json` of the model.
        languages: Languages to look for.

    Returns:
        Name -> batch.
    """
    batches: dict[str, Batch] = {}
    for language in languages:
        corpus = Corpus(directory, "validation", language)
        if len(corpus):
            rows = PackedRows(
                corpus, tokenizer, recipe.validation_mix, recipe.row_tokens, recipe.seed
            )
            batches[language] = _take_batch(
                rows, recipe.rows_per_pass, recipe.max_examples_per_pass, 1.0
            )
    _, weight, _ = recipe.phase(bool(recipe.late_share))
    if weight != 1.0:
        corpus = Corpus(directory, "validation")
        for order in VALIDATION_ORDERS:
            mix = replace(VALIDATION_MIDDLES, orders={order: 1.0})
            rows = PackedRows(corpus, tokenizer, mix, recipe.row_tokens, MIDDLE_SEED)
            batches[f"middle-{order}"] = _take_batch(rows, MIDDLE_ROWS, MIDDLE_EXAMPLES, 0.0)
    return batches


def _take_batch(rows: PackedRows, num_rows: int, max_examples: int, context_weight: float) -> Batch:
    endless = iter(rows)
    chosen = [next(endless) for _ in range(num_rows)]
    return collate(chosen, max_examples, context_weight=context_weight)


@torch.no_grad()
def validate(model: nn.Module, batches: dict[str, Batch], process: Process) -> dict[str, float]:
    """Return the validation loss of each batch, in nats per token."""
    return {
        name: float(run_forward(model, batch, process.device)[0]) for name, batch in batches.items()
    }
