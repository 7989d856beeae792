"""The model card of an adapter, written from what the run knows of itself."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fimtraining.finetune.recipe import TrainRecipe, dump_recipe
from fimtraining.finetune.rows import RowCounts


def write_card(
    path: Path,
    recipe: TrainRecipe,
    train: RowCounts,
    validation: RowCounts | None,
    metrics: Sequence[dict[str, Any]],
    provenance: dict[str, Any],
) -> None:
    """Write the card.

    Args:
        path: README.md of the adapter's directory.
        recipe: The run.
        train: What its rows are made of.
        validation: The same of the held-out rows.
        metrics: Lines of metrics.jsonl.
        provenance: Hashes and environment.
    """
    losses = [line["eval_loss"] for line in metrics if "eval_loss" in line]
    speeds = [line["tokens_per_s"] for line in metrics if "tokens_per_s" in line]
    held_out = (
        f"Validation loss on {validation.num_examples} held-out spans of other repositories: "
        f"{losses[0]:.4f} before, {losses[-1]:.4f} after, nats per token of the middle."
        if validation and losses
        else "No validation spans were held out."
    )
    kinds = "\n".join(
        f"| {kind} | {count} | {100 * count / train.num_examples:.1f} |"
        for kind, count in train.kinds.items()
    )
    orders = ", ".join(f"{order} {count}" for order, count in train.orders.items())
    text = f"""---
base_model: {recipe.base}
library_name: peft
pipeline_tag: text-generation
tags: [fill-in-the-middle, code-completion, lora]
---

# {recipe.name}

A LoRA adapter for fill-in-the-middle completion over `{recipe.base}`, trained by `fimserve train`.

{held_out}

![training and validation loss, learning rate](curves.png)

## Data

{train.num_examples} examples in {train.num_rows} packed rows of {recipe.row_tokens} tokens:
{train.num_tokens} tokens, {train.num_answer_tokens} of them of middles and end tokens,
{train.num_snippet_tokens} of snippets of other files (`{recipe.context.source}`). Orders: {orders}.
{train.num_too_long} spans were left out because their middle has more than
{recipe.max_middle_tokens} tokens. Hash of the spans' ids: `{provenance["data_sha256"]}`.

| kind | examples | % |
| --- | ---: | ---: |
{kinds}

## Run

{f"{speeds[-1]:.0f} tokens/s on {provenance['environment']['device']}." if speeds else ""}

```json
{json.dumps(provenance["environment"], indent=2)}
```

## Recipe

```json
{dump_recipe(recipe).rstrip()}
```

## Use

Put this directory under the name `{recipe.name}` into a directory of adapters, and ask for that
name as the model:

```
fimserve serve --model {recipe.base} --adapters ADAPTERS
curl -d '{{"name": "{recipe.name}"}}' http://127.0.0.1:8111/v1/adapters
```

Scores without a server: `fimserve eval TASK --model {recipe.base} --adapter DIRECTORY`.
"""
    path.write_text(text, encoding="utf-8")
