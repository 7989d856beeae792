"""Measure what a precision costs: the loss of known middles, by the model as it is served.

    python -m fimtraining.middle_loss MODEL ROWS.jsonl.gz --dtype fp32 --dtype int8-dynamic

One JSON line per precision. Rows have the names of HumanEval-Infilling: prompt, suffix,
canonical_solution. Every middle is scored in one step behind its prompt, end token included:
greedy decoding would write exactly the middle where each of its tokens is the likeliest. Without
token healing, so the shares are lower than those of `fimserve eval`.
"""

import argparse
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from fimserve.models import CausalModel, ForwardBatch, Piece, load_model
from fimserve.prompt import Order, PromptParts, Renderer, TextEncoder, load_format

BLOCK_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Row:
    """Holds one hole and what belongs into it."""

    parts: PromptParts
    middle: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Holds what one precision makes of all middles."""

    dtype: str
    num_rows: int
    num_middle_tokens: int
    nats_per_token: float
    exact_share: float
    """Share of middles that greedy decoding would write whole, end token aside."""
    same_choice_share: float
    """Share of middle tokens where the likeliest token is that of the first precision."""


def read_rows(path: Path, limit: int) -> list[Row]:
    """Return rows spread evenly over a file of JSON lines, gzipped or not."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    records = [json.loads(line) for line in content.splitlines()]
    step = max(1, len(records) // limit)
    return [
        Row(PromptParts(record["prompt"], record["suffix"]), record["canonical_solution"])
        for record in records[::step][:limit]
    ]


def score_rows(
    model: CausalModel,
    renderer: Renderer,
    rows: Sequence[Row],
    order: Order,
    max_prompt_tokens: int | None = None,
) -> Iterator[tuple[float, Tensor, bool]]:
    """Yield the loss, the likeliest tokens and exactness of each row's middle.

    Args:
        model: The model.
        renderer: Writes its prompts.
        rows: The holes.
        order: Order of the prompts.
        max_prompt_tokens: Budget of a prompt; None cuts nothing.

    Yields:
        tuple[float, Tensor, bool]: Nats of middle and end token together, the likeliest token at
            each of their places, and whether those of the middle are the middle.
    """
    pool = model.make_pool(-(-model.config.max_context_tokens // BLOCK_TOKENS), BLOCK_TOKENS)
    for row in rows:
        prompt = list(renderer.render(row.parts, order, max_prompt_tokens).token_ids)
        wanted = [*renderer.encoder.encode(row.middle), renderer.end_token_id]
        piece = Piece((prompt + wanted)[:-1], 0, range(pool.num_blocks))
        with torch.inference_mode():
            hidden = model(ForwardBatch.make([piece], BLOCK_TOKENS, model.device), pool)
            scores = model.logits(hidden[len(prompt) - 1 :]).float()
        targets = torch.tensor(wanted, device=scores.device)
        chosen = scores.argmax(-1)
        loss = torch.nn.functional.cross_entropy(scores, targets, reduction="sum").item()
        yield loss, chosen, torch.equal(chosen[:-1], targets[:-1])


def measure(model_name: str, rows: Sequence[Row], dtypes: Sequence[str]) -> Iterator[Measured]:
    """Yield what each precision makes of the rows, on the CPU.

    Args:
        model_name: embedded, a checkpoint directory or a hub id.
        rows: The holes.
        dtypes: Precisions; the first is what the others are compared with.

    Yields:
        Measured: One per precision, in their order.

    Raises:
        ValueError: If the checkpoint does not say how it is prompted.
    """
    first: Tensor | None = None
    for dtype in dtypes:
        loaded = load_model(model_name, "cpu", dtype)
        if loaded.family is None or loaded.default_order is None:
            raise ValueError(f"{model_name} has no fim.json with family and default_order")
        encoder = TextEncoder.from_file(loaded.encoder_path)
        renderer = Renderer(load_format(loaded.family), encoder)
        order = Order(loaded.default_order)
        scored = list(score_rows(loaded.model, renderer, rows, order))
        chosen = torch.cat([tokens for _, tokens, _ in scored])
        first = chosen if first is None else first
        yield Measured(
            dtype=dtype,
            num_rows=len(rows),
            num_middle_tokens=len(chosen),
            nats_per_token=round(sum(loss for loss, _, _ in scored) / len(chosen), 4),
            exact_share=round(sum(exact for _, _, exact in scored) / len(rows), 4),
            same_choice_share=round((chosen == first).float().mean().item(), 4),
        )


def main() -> None:
    """Parse the command line and print one JSON line per precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("rows", type=Path)
    parser.add_argument("--dtype", action="append", required=True)
    parser.add_argument("--limit", type=int, default=300)
    arguments = parser.parse_args()
    rows = read_rows(arguments.rows, arguments.limit)
    for measured in measure(arguments.model, rows, arguments.dtype):
        print(json.dumps(asdict(measured)), flush=True)


if __name__ == "__main__":
    main()
