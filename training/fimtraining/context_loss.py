"""Measure what snippets of other files are worth: the loss of known middles with and without them.

    python -m fimtraining.context_loss embedded rows.jsonl

Rows come from `python -m fimeval.context_spans`. Every middle is scored in one step behind its
prompt, end token included, once without snippets and once with each list, one after the other, so
that neighbours on the machine slow all of them alike. `exact` is what greedy decoding would write
whole. Differences are paired, their 95 % intervals by bootstrap over rows.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fimserve.models import load_model
from fimserve.prompt import Order, PromptParts, Renderer, Snippet, TextEncoder, load_format
from fimtraining.middle_loss import Row, score_rows

NUM_RESAMPLES = 2_000
MAX_PROMPT_TOKENS = 2_048
"""As served."""


class Scored(NamedTuple):
    """What one middle scored behind one prompt."""

    nats_per_token: float
    is_exact: bool
    num_prompt_tokens: int
    num_snippet_tokens: int
    ms: float


def read_contexts(line: str) -> tuple[Row, dict[str, tuple[Snippet, ...]]]:
    """Return a hole without snippets, and the lists of snippets for it."""
    record = json.loads(line)
    parts = PromptParts(record["prompt"], record["suffix"], path=record["path"])
    contexts = {
        name: tuple(Snippet(each["path"], each["text"]) for each in found)
        for name, found in record["contexts"].items()
    }
    return Row(parts, record["canonical_solution"]), {"none": (), **contexts}


def score(model: Any, renderer: Renderer, row: Row, order: Order) -> Scored:
    """Return what the middle of a row scores.

    Args:
        model: The model.
        renderer: Writes its prompts.
        row: The hole, its snippets among its parts.
        order: Order of the prompt.

    Returns:
        Loss, exactness, size and time.
    """
    started_s = time.perf_counter()
    rendered = renderer.render(row.parts, order, MAX_PROMPT_TOKENS)
    ((loss, chosen, is_exact),) = score_rows(model, renderer, [row], order, MAX_PROMPT_TOKENS)
    return Scored(
        nats_per_token=loss / len(chosen),
        is_exact=is_exact,
        num_prompt_tokens=len(rendered.token_ids),
        num_snippet_tokens=rendered.num_snippet_tokens,
        ms=(time.perf_counter() - started_s) * 1000.0,
    )


def summarise(scored: Sequence[Scored], base: Sequence[Scored]) -> dict[str, Any]:
    """Return means, and paired differences to the same rows without snippets."""
    loss = np.array([each.nats_per_token for each in scored])
    exact = np.array([each.is_exact for each in scored], float)
    base_loss = np.array([each.nats_per_token for each in base])
    base_exact = np.array([each.is_exact for each in base], float)
    return {
        "rows": len(scored),
        "exact": round(float(exact.mean()), 4),
        "exact_change": _with_interval(exact - base_exact),
        "won": int((exact > base_exact).sum()),
        "lost": int((exact < base_exact).sum()),
        "nats_per_token": round(float(loss.mean()), 4),
        "nats_change": _with_interval(loss - base_loss),
        "prompt_tokens": round(float(np.mean([each.num_prompt_tokens for each in scored])), 1),
        "snippet_tokens": round(float(np.mean([each.num_snippet_tokens for each in scored])), 1),
        "ms_ratio": round(
            float(np.median([a.ms / b.ms for a, b in zip(scored, base, strict=True)])), 3
        ),
    }


def _with_interval(differences: np.ndarray) -> list[float]:
    """Return mean, and the ends of its interval."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(differences, (NUM_RESAMPLES, len(differences))).mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return [round(float(value), 4) for value in (differences.mean(), low, high)]


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, score, print one JSON line per list of snippets and group of rows.

    Args:
        arguments: Command line without the program's name; None takes the process's own.

    Raises:
        ValueError: If the checkpoint does not say how it is prompted.
    """
    parser = argparse.ArgumentParser(prog="python -m fimtraining.context_loss")
    parser.add_argument("model")
    parser.add_argument("rows", type=Path)
    parser.add_argument("--dtype", default="fp32")
    given = parser.parse_args(arguments)
    loaded = load_model(given.model, "cpu", given.dtype)
    if loaded.family is None or loaded.default_order is None:
        raise ValueError(f"{given.model} has no fim.json with family and default_order")
    renderer = Renderer(load_format(loaded.family), TextEncoder.from_file(loaded.encoder_path))
    order = Order(loaded.default_order)
    scored: dict[str, list[Scored]] = {}
    endings: list[str] = []
    for line in given.rows.read_text("utf-8").splitlines():
        row, contexts = read_contexts(line)
        endings.append(Path(row.parts.path or "").suffix.removesuffix("x"))
        for name, snippets in contexts.items():
            with_context = Row(replace(row.parts, snippets=snippets), row.middle)
            scored.setdefault(name, []).append(score(loaded.model, renderer, with_context, order))
    groups = {"all": [True] * len(endings)}
    groups |= {ending: [each == ending for each in endings] for ending in sorted(set(endings))}
    for group, belongs in groups.items():
        base = [each for each, is_in in zip(scored["none"], belongs, strict=True) if is_in]
        for name, results in scored.items():
            chosen = [each for each, is_in in zip(results, belongs, strict=True) if is_in]
            print(json.dumps({"context": name, "files": group, **summarise(chosen, base)}))


if __name__ == "__main__":
    main()
