"""Count the held-out line holes that a saved model fills exactly, as greedy decoding would.

    python -m fimtraining.heldout MODEL_DIR --corpus DIR --recipe RECIPE.toml --order spm

One forward pass instead of decoding: an answer is exact where every one of its tokens is the most
likely one. Loss punishes a model for being sure and wrong, an editor does not, so checkpoints are
chosen by this.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from torch.nn import functional

from fimserve.prompt import Order, Renderer, TextEncoder, load_format
from fimtraining.examples import Example, ExampleMix, make_example
from fimtraining.export import load_weights
from fimtraining.model import TrainingLlama
from fimtraining.packing import Corpus
from fimtraining.recipe import load_recipe

MAX_TOKENS = 700
MAX_DRAWS = 20
EXAMPLES_PER_PASS = 16
PYTHON_SHARE = 0.6
"""Of the holes and of the mean, about as in the training text; the other languages share alike."""


class Filled(NamedTuple):
    """Shares of the holes of one language, and the loss."""

    exact: float
    """Of answers whose text is right."""
    stopped: float
    """Of answers whose text is right and that end where they should."""
    nats_per_token: float
    """Over answers and their end tokens."""


def draw_examples(
    corpus: Corpus, mix: ExampleMix, renderer: Renderer, count: int, seed: int
) -> list[Example]:
    """Return examples of up to 700 tokens whose answers have two tokens or more.

    Args:
        corpus: Held-out documents.
        mix: Shares of the kinds of examples.
        renderer: Writes the prompt in the model's own format.
        count: Number of examples.
        seed: Seed of documents and holes.

    Returns:
        Examples, the same for every model.

    Raises:
        ValueError: If hardly an example is that short.
    """
    rng = random.Random(seed)
    visits = corpus.visits(mix.visit_chars)
    examples: list[Example] = []
    for _ in range(MAX_DRAWS * count):
        file = corpus.file(int(rng.choice(visits)))
        example = make_example(file, [], mix, renderer, rng)
        if len(example.token_ids) <= MAX_TOKENS and example.num_answer_tokens > 2:
            examples.append(example)
        if len(examples) == count:
            return examples
    raise ValueError(f"of {MAX_DRAWS * count} examples only {len(examples)} are short enough")


@torch.no_grad()
def fill(model: TrainingLlama, examples: Sequence[Example]) -> Filled:
    """Return how many holes a model fills exactly.

    Args:
        model: Model, in any precision.
        examples: Examples with a hole.

    Returns:
        Shares and loss.
    """
    exact = stopped = num_tokens = 0
    nats = 0.0
    for first in range(0, len(examples), EXAMPLES_PER_PASS):
        part = examples[first : first + EXAMPLES_PER_PASS]
        lengths = torch.tensor([len(example.token_ids) for example in part])
        ids = torch.tensor([token for example in part for token in example.token_ids])
        ends = lengths.cumsum(0)
        positions = torch.arange(len(ids)) - torch.repeat_interleave(ends - lengths, lengths)
        hidden = model.hidden(ids, positions, functional.pad(ends, (1, 0)).int())
        for example, end in zip(part, ends.tolist(), strict=True):
            start = end - example.num_answer_tokens
            logits = hidden[start - 1 : end - 1] @ model.embed_tokens.weight.T
            is_right = logits.argmax(-1) == ids[start:end]
            exact += bool(is_right[:-1].all())
            stopped += bool(is_right.all())
            nats += float(functional.cross_entropy(logits, ids[start:end], reduction="sum"))
            num_tokens += example.num_answer_tokens
    return Filled(exact / len(examples), stopped / len(examples), nats / num_tokens)


def main(
    model_dir: Annotated[Path, typer.Argument(exists=True, help="Hugging Face directory.")],
    corpus: Annotated[Path, typer.Option(exists=True, help="Output of fimtraining.corpus.")],
    recipe: Annotated[Path, typer.Option(exists=True, help="Recipe of the model.")],
    order: Annotated[Order, typer.Option(help="Order of the prompts.")] = Order.SPM,
    span: Annotated[str, typer.Option(help="Kind of hole, see fimtraining.spans.")] = "line",
    holes: Annotated[int, typer.Option(help="Number of holes.")] = 800,
    seed: Annotated[int, typer.Option(help="Seed of documents and holes.")] = 7,
) -> None:
    """Print the share of held-out holes filled exactly, per language and weighted."""
    settings = load_recipe(recipe, [])
    renderer = Renderer(
        load_format("fimserve"), TextEncoder.from_file(model_dir / "tokenizer.json")
    )
    mix = replace(
        settings.mix,
        fim_rate=1.0,
        orders={order.value: 1.0},
        spans={span: 1.0},
        repository_rate=0.0,
    )
    model = TrainingLlama(settings.model).eval()
    load_weights(model_dir, model)
    languages = Corpus(corpus, "validation").languages()
    weights = {name: (1 - PYTHON_SHARE) / (len(languages) - 1) for name in languages}
    weights["python"] = PYTHON_SHARE
    filled = {}
    for name, weight in weights.items():
        split = Corpus(corpus, "validation", name)
        examples = draw_examples(split, mix, renderer, round(holes * weight), seed)
        filled[name] = fill(model, examples)
        print(f"{name:12} {filled[name].exact:6.1%} exact, {filled[name].stopped:6.1%} stopped too")
    mean = Filled(*(sum(weights[n] * filled[n][i] for n in filled) for i in range(3)))
    values = {name: value._asdict() for name, value in filled.items()} | {"mean": mean._asdict()}
    print(json.dumps({"model": model_dir.name, "order": order.value, "span": span} | values))


if __name__ == "__main__":
    typer.run(main)
