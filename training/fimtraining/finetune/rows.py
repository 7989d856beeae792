"""Packed rows on disk: the whole run, rendered once before it starts.

A row holds whole examples one after another and is padded behind the last one. `position_ids` begin
anew with every example, which is how transformers' attention tells packed documents apart. Written
to a temporary directory and renamed, so a directory that is there is whole.
"""

import hashlib
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from numpy.typing import NDArray

from fimserve.prompt import Order, Renderer, Snippet
from fimtraining.finetune.examples import TrainingExample, make_training_example
from fimtraining.finetune.recipe import RecipeError, TrainRecipe
from fimtraining.finetune.sampler import Plan
from fimtraining.finetune.spans import MinedSpans

IGNORED = -100
"""Label of a token that has no loss."""

FEATURES = datasets.Features(
    {
        "input_ids": datasets.Sequence(datasets.Value("int32")),
        "position_ids": datasets.Sequence(datasets.Value("int32")),
        "labels": datasets.Sequence(datasets.Value("int32")),
    }
)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What the rows of a run are made of."""

    num_rows: int
    num_examples: int
    num_tokens: int
    """Without padding."""
    num_answer_tokens: int
    num_snippet_tokens: int
    num_too_long: int
    """Spans left out because of their middle."""
    kinds: dict[str, int]
    orders: dict[str, int]


def hash_rows(
    recipe: TrainRecipe,
    data_sha256: str,
    tokenizer_sha256: str,
    orders: Mapping[Order, float] | None = None,
) -> str:
    """Return what names the rows of a recipe: they are a pure function of these.

    Args:
        recipe: The run.
        data_sha256: Hash of the spans.
        tokenizer_sha256: Hash of the tokenizer.
        orders: Weights of orders where the recipe leaves them to the base.

    Returns:
        The name.
    """
    kept = recipe.model_dump(
        mode="json",
        exclude={
            *("name", "base", "lora", "optimiser", "quantise", "sharding"),
            *("rows_per_pass", "gradient_checkpointing", "save_every", "validate_every"),
        },
    )
    weights = {order.value: weight for order, weight in (orders or {}).items()}
    text = json.dumps([kept, data_sha256, tokenizer_sha256, weights], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def prepare_rows(
    directory: Path,
    spans: MinedSpans,
    recipe: TrainRecipe,
    orders: Mapping[Order, float],
    renderer: Renderer,
    num_rows: int,
    on_progress: Callable[[int], None] = lambda num_done: None,
) -> tuple[datasets.Dataset, RowCounts]:
    """Make the rows of a run, or open those that lie there.

    Args:
        directory: Where they lie or shall lie; its name must come from hash_rows.
        spans: The split to draw from.
        recipe: The run.
        orders: Weight of each order.
        renderer: Writes prompts in the model's own format.
        num_rows: Rows to make.
        on_progress: Called with the number of finished rows.

    Returns:
        The rows, memory-mapped, and what they are made of.
    """
    counts_file = directory / "counts.json"
    if not counts_file.exists():
        shutil.rmtree(directory, ignore_errors=True)
        part = directory.with_name(f".{directory.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        maker = _RowMaker(spans, recipe, dict(orders), renderer, num_rows)
        made = list(_report(maker.make(), on_progress))
        datasets.Dataset.from_list(made, features=FEATURES).save_to_disk(part)
        (part / "counts.json").write_text(json.dumps(asdict(maker.counts())) + "\n")
        part.replace(directory)
    counts = RowCounts(**json.loads(counts_file.read_text()))
    return datasets.load_from_disk(directory), counts


def _report(
    rows: Iterator[dict[str, Any]], on_progress: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, start=1):
        yield row
        on_progress(number)


class _RowMaker:
    """Draws, renders and packs; counts what it made."""

    def __init__(
        self,
        spans: MinedSpans,
        recipe: TrainRecipe,
        orders: dict[Order, float],
        renderer: Renderer,
        num_rows: int,
    ) -> None:
        self._spans, self._recipe, self._orders = spans, recipe, orders
        self._renderer, self._num_rows = renderer, num_rows
        self._by_language = {
            language: np.flatnonzero(spans.languages == language)
            for language in np.unique(spans.languages)
        }
        self._kinds: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._num_examples = self._num_tokens = self._num_answers = 0
        self._num_snippet_tokens = self._num_too_long = 0

    def make(self) -> Iterator[dict[str, Any]]:
        """Yield rows until there are enough."""
        plan = Plan(
            self._spans.kinds,
            self._spans.hardness,
            self._recipe.mixture,
            self._recipe.seed,
            # A guess of how many examples a run has; only pacing looks at it.
            length=self._num_rows * max(1, self._recipe.row_tokens // 600),
            refusal=self._spans.refusal,
        )
        pending: list[TrainingExample] = []
        size = made = 0
        for position, index in enumerate(plan):
            example = self._make_example(index, position)
            if example is None:
                self._num_too_long += 1
                if self._num_too_long > 1000 + 20 * self._num_examples:
                    raise RecipeError(
                        f"nearly every middle has more than {self._recipe.max_middle_tokens} "
                        "tokens; raise max_middle_tokens"
                    )
                continue
            if size + len(example.token_ids) > self._recipe.row_tokens:
                yield self._pack(pending)
                made += 1
                pending, size = [], 0
                if made == self._num_rows:
                    return
            pending.append(example)
            size += len(example.token_ids)
            self._count(example, index)

    def counts(self) -> RowCounts:
        """Return what was made so far."""
        return RowCounts(
            num_rows=self._num_rows,
            num_examples=self._num_examples,
            num_tokens=self._num_tokens,
            num_answer_tokens=self._num_answers,
            num_snippet_tokens=self._num_snippet_tokens,
            num_too_long=self._num_too_long,
            kinds=dict(sorted(self._kinds.items())),
            orders=dict(sorted(self._seen.items())),
        )

    def _make_example(self, index: int, position: int) -> TrainingExample | None:
        rng = random.Random(f"{self._recipe.seed} {position}")
        span = self._spans[index]
        snippets: tuple[Snippet, ...] = ()
        if self._recipe.context.source == "own":
            snippets = span.snippets
        elif self._recipe.context.source == "shuffled":
            others = self._by_language[span.language]
            snippets = self._spans[int(others[rng.randrange(len(others))])].snippets
        return make_training_example(
            span, snippets, self._recipe, self._orders, self._renderer, rng
        )

    def _count(self, example: TrainingExample, index: int) -> None:
        self._num_examples += 1
        self._num_tokens += len(example.token_ids)
        self._num_answers += example.num_answer_tokens
        self._num_snippet_tokens += example.num_snippet_tokens
        self._kinds[str(self._spans.kinds[index])] += 1
        self._seen[example.order.value] += 1

    def _pack(self, examples: list[TrainingExample]) -> dict[str, Any]:
        row_tokens = self._recipe.row_tokens
        input_ids = np.full(row_tokens, self._renderer.end_token_id, np.int32)
        position_ids = np.zeros(row_tokens, np.int32)
        labels = np.full(row_tokens, IGNORED, np.int32)
        start = 0
        for example in examples:
            end = start + len(example.token_ids)
            input_ids[start:end] = example.token_ids
            position_ids[start:end] = np.arange(end - start)
            first = start + 1  # the first token of an example follows nothing
            if self._recipe.loss_on == "middle":
                first = end - example.num_answer_tokens
            labels[first:end] = input_ids[first:end]
            start = end
        # Padding is an example of its own: nothing attends to it and it has no loss.
        position_ids[start:] = np.arange(row_tokens - start)
        return _as_row(input_ids, position_ids, labels)


def _as_row(
    input_ids: NDArray[np.int32], position_ids: NDArray[np.int32], labels: NDArray[np.int32]
) -> dict[str, Any]:
    return {"input_ids": input_ids, "position_ids": position_ids, "labels": labels}
