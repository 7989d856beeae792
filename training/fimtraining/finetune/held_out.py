"""Held-out holes, filled greedily by a model of transformers, many at a time.

The file is that of `fimserve eval repo`; prompts are written by the code that training and serving
use. Nothing ends an answer but the model's end token and the limit. Which holes share a batch is
decided by the lengths of prompts alone.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from fimserve.prompt import Order, PromptParts, Renderer, Snippet
from fimtraining.finetune.ablation_plan import Context, HeldOut
from fimtraining.finetune.recipe import RecipeError

FIELDS = ("task_id", "language", "path", "prefix", "suffix", "middle")


@dataclass(frozen=True, slots=True)
class Hole:
    """One held-out place; the answer is not kept here."""

    task_id: str
    language: str
    path: str
    prefix: str
    suffix: str
    snippets: tuple[Snippet, ...]


@dataclass(frozen=True, slots=True)
class Holes:
    """A file of them."""

    sha256: str
    """Hash of the file's bytes, as evaluation takes it."""
    rows: tuple[Hole, ...]


def load_holes(path: Path) -> Holes:
    """Read a file of mined spans.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file from `fimserve eval repo --repository`.

    Returns:
        The holes in file order.

    Raises:
        RecipeError: If the file is of another kind.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        holes = tuple(_read_hole(row) for row in rows)
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise RecipeError(
            f"{path} is no file of held-out spans ({error!r}); make one by `fimserve eval repo "
            "--repository PATH --check-references`"
        ) from error
    if not holes:
        raise RecipeError(f"{path} is no file of held-out spans: it has no rows")
    return Holes(hashlib.sha256(raw).hexdigest(), holes)


@torch.inference_mode()
def fill_holes(
    model: PreTrainedModel,
    renderer: Renderer,
    order: Order,
    holes: Sequence[Hole],
    context: Context,
    settings: HeldOut,
    on_progress: Callable[[int], None] = lambda num_done: None,
) -> dict[str, str]:
    """Return what a model writes into holes.

    Args:
        model: The model, on its device.
        renderer: Writes the prompts in its format.
        order: Order of the prompts.
        holes: The holes.
        context: Whether their snippets are shown.
        settings: Lengths.
        on_progress: Called with the number of filled holes.

    Returns:
        Task id -> answer.
    """
    prompts = [_render(hole, renderer, order, context, settings) for hole in holes]
    by_length = sorted(range(len(holes)), key=lambda index: (len(prompts[index]), index))
    answers: dict[str, str] = {}
    for batch in _split(by_length, prompts, settings):
        written = _generate(model, renderer, [prompts[index] for index in batch], settings)
        for index, text in zip(batch, written, strict=True):
            answers[holes[index].task_id] = text
        on_progress(len(answers))
    return {hole.task_id: answers[hole.task_id] for hole in holes}


def _read_hole(row: Any) -> Hole:
    if not isinstance(row, dict):
        raise TypeError("a row is a JSON object")
    if missing := [name for name in FIELDS if not isinstance(row.get(name), str)]:
        raise ValueError(f"a row lacks {missing[0]}")
    return Hole(
        task_id=row["task_id"],
        language=row["language"],
        path=row["path"],
        prefix=row["prefix"],
        suffix=row["suffix"],
        snippets=tuple(Snippet(s["path"], s["text"]) for s in row.get("snippets") or ()),
    )


def _render(
    hole: Hole, renderer: Renderer, order: Order, context: Context, settings: HeldOut
) -> list[int]:
    shown = hole.snippets if context == "own" else ()
    parts = PromptParts(
        prefix=hole.prefix,
        suffix=hole.suffix,
        path=hole.path if shown else None,
        language=hole.language,
        snippets=shown,
    )
    return list(renderer.render(parts, order, settings.prompt_tokens).token_ids)


def _split(
    order: Sequence[int], prompts: Sequence[list[int]], settings: HeldOut
) -> list[list[int]]:
    """Return batches of neighbours by length that hold no more places than allowed."""
    batches: list[list[int]] = []
    for index in order:
        longest = len(prompts[index]) + settings.max_new_tokens  # the newest one is the longest
        if batches and (len(batches[-1]) + 1) * longest <= settings.batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _generate(
    model: PreTrainedModel, renderer: Renderer, prompts: list[list[int]], settings: HeldOut
) -> list[str]:
    end = renderer.end_token_id
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), end, dtype=torch.long)  # [B, T], padded on the left
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    generated: Any = model.generate(  # type: ignore[operator]  # transformers annotates it in part
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=settings.max_new_tokens,
        do_sample=False,
        use_cache=True,
        eos_token_id=sorted(renderer.stop_token_ids),
        pad_token_id=end,
    )
    return [_decode(row, renderer) for row in generated[:, width:].tolist()]


def _decode(token_ids: list[int], renderer: Renderer) -> str:
    kept: list[bytes] = []
    for token_id in token_ids:
        if token_id in renderer.stop_token_ids:
            break
        kept.append(renderer.encoder.token_bytes(token_id))
    return b"".join(kept).decode("utf-8", "replace")
