"""A fine-tuning recipe: everything that decides a run, paths and machine apart.

TOML on disk; a key that means nothing is an error. Values of the command line replace those of the
file, `optimiser.learning_rate=1e-4` for one.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fimcurriculum.schema import Kind
from fimserve.prompt import Order

PAPER_MIXTURE: Mapping[str, float] = {
    "random": 0.35,
    "call": 0.12,
    "function": 0.12,
    "class": 0.10,
    **dict.fromkeys(
        (kind.value for kind in Kind if kind not in ("random", "call", "function", "class")),
        0.31 / 12,
    ),
}
"""Shares of the seed paper as far as they are known (arXiv 2412.16589, by secondary sources): the
remaining 31 % go to the other kinds in equal parts, which is our choice."""


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names the key, the value and what is allowed."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mixture(_Part):
    """Which spans a run sees."""

    kinds: dict[str, float] = Field(default_factory=lambda: dict(PAPER_MIXTURE))
    """Kind -> weight. A kind without spans in the data gives its weight to the others."""
    by_hardness: float = Field(default=0.0, ge=0.0, le=1.0)
    """0: spans of a kind are equally likely; 1: in proportion to their hardness."""
    by_refusal: float = Field(default=0.0, ge=0.0, le=1.0)
    """0: the weights of `kinds` as they are; 1: the kinds but `random` share what they have
    together in proportion to weight times the share of suggestions that users refused, as mined
    with `--from-telemetry`. A kind that was never shown counts as the mean of the others."""
    pacing: Literal["none", "linear", "root", "log", "step"] = "none"
    """How the share of each kind's spans that may be drawn grows over the run, easy ones first."""
    pacing_start: float = Field(default=0.2, gt=0.0, le=1.0)
    """Share at the beginning."""
    pacing_end: float = Field(default=0.8, gt=0.0, le=1.0)
    """Share of the run after which all may be drawn."""
    hard_first: bool = False
    """Begin with the hard spans instead of the easy ones."""

    @model_validator(mode="after")
    def _check(self) -> "Mixture":
        known = [kind.value for kind in Kind]
        if unknown := sorted(set(self.kinds) - set(known)):
            raise ValueError(f"unknown kinds {unknown}; known are {known}")
        if min(self.kinds.values(), default=0.0) < 0 or not sum(self.kinds.values()) > 0:
            raise ValueError("weights of kinds must not be negative, and one must be positive")
        return self


class Context(_Part):
    """What of other files an example shows."""

    source: Literal["none", "own", "shuffled"] = "own"
    """none: nothing; own: the span's own snippets; shuffled: those of another span of the same
    language (a control: as many tokens, of no use)."""
    drop_rate: float = Field(default=0.25, ge=0.0, le=1.0)
    """Share of examples that lose their snippets, so that the model works without."""
    max_snippets: int = Field(default=5, ge=0)


class Lora(_Part):
    """The adapter."""

    rank: int = Field(default=16, ge=1, le=512)
    alpha: float = Field(default=32.0, gt=0)
    dropout: float = Field(default=0.05, ge=0.0, lt=1.0)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of modules; all-linear takes every linear layer but the output layer."""
    rank_stabilised: bool = False
    """Scales by alpha / sqrt(rank) instead of alpha / rank."""
    dora: bool = False
    """Weight-decomposed LoRA. The server does not serve it unmerged."""


class Optimiser(_Part):
    """AdamW and its schedule: warm-up, constant, decay (WSD)."""

    learning_rate: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup_share: float = Field(default=0.03, ge=0, le=1)
    decay_share: float = Field(default=0.2, ge=0, le=1)
    max_grad_norm: float = Field(default=1.0, gt=0)


class TrainRecipe(_Part):
    """A fine-tuning run."""

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    base: str
    """embedded, a directory or a hub id."""
    mixture: Mixture = Field(default_factory=Mixture)
    context: Context = Field(default_factory=Context)
    lora: Lora = Field(default_factory=Lora)
    optimiser: Optimiser = Field(default_factory=Optimiser)
    orders: dict[str, float] = Field(default_factory=dict)
    """Order -> weight; empty takes the orders that the base was trained for in equal parts."""
    path_rate: float = Field(default=0.5, ge=0, le=1)
    """Share of examples that show the path of their file."""
    loss_on: Literal["middle", "all"] = "middle"
    """middle: the middle and the end token; all: every token behind the first of an example."""
    row_tokens: int = Field(default=4096, ge=64)
    """Tokens of a packed row; also the most an example may have."""
    max_middle_tokens: int = Field(default=512, ge=1)
    """Spans with a longer middle are left out, counted."""
    rows_per_step: int = Field(default=16, ge=1)
    """Rows per update, over all processes."""
    rows_per_pass: int = Field(default=4, ge=1)
    """Rows per forward and backward pass of one process."""
    steps: int = Field(default=500, ge=1)
    """Updates. All rows are planned beforehand: regimes of equal steps see equal tokens."""
    seed: int = Field(default=0, ge=0)
    save_every: int = Field(default=100, ge=1)
    validate_every: int = Field(default=100, ge=1)
    validation_rows: int = Field(default=32, ge=0)
    quantise: Literal["none", "4bit"] = "none"
    """4bit: QLoRA, the frozen base in NF4; needs bitsandbytes and a CUDA device."""
    gradient_checkpointing: bool = False
    sharding: Literal["none", "fsdp"] = "none"
    """How several processes share the work: whole copies (DDP), or FSDP."""

    @model_validator(mode="after")
    def _check(self) -> "TrainRecipe":
        if unknown := sorted(set(self.orders) - {order.value for order in Order}):
            raise ValueError(f"unknown orders {unknown}; known are {[str(o) for o in Order]}")
        if self.max_middle_tokens >= self.row_tokens:
            raise ValueError(
                f"max_middle_tokens is {self.max_middle_tokens}; a row holds {self.row_tokens}"
            )
        if self.rows_per_step % self.rows_per_pass:
            raise ValueError(
                f"rows_per_step ({self.rows_per_step}) is no multiple of rows_per_pass "
                f"({self.rows_per_pass})"
            )
        return self


def load_recipe(path: Path, changes: Sequence[str] = ()) -> TrainRecipe:
    """Read a recipe.

    Args:
        path: TOML file.
        changes: `key=value` or `part.key=value`; values are TOML, or text where they are none.

    Returns:
        The recipe with the changes.

    Raises:
        RecipeError: If the file cannot be read or a key or value is not allowed.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as TOML: {error}") from error
    for change in changes:
        _apply(values, change)
    try:
        return TrainRecipe.model_validate(values)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'recipe'}: {one['msg']}" for one in error.errors()
        ]
        raise RecipeError(f"{path}: " + "; ".join(lines)) from error


def dump_recipe(recipe: TrainRecipe) -> str:
    """Return a recipe as JSON with every value, those by default too; the same for the same run."""
    return json.dumps(recipe.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def _apply(values: dict[str, Any], change: str) -> None:
    key, is_pair, text = change.partition("=")
    if not is_pair or not key.strip():
        raise RecipeError(f"--set {change!r} is no key=value")
    *parts, name = key.strip().split(".")
    place = values
    for part in parts:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {change!r}: {part} is a value, not a table")
    try:
        place[name] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        place[name] = text
