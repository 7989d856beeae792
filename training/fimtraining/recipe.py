"""The recipe of a pretraining run: everything that decides it, machine and paths aside.

Read from TOML, every key checked; it knows what a run is made of, not how it is made.
"""

import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from fimtraining.examples import ExampleMix
from fimtraining.model import ModelShape
from fimtraining.objective import ObjectiveSettings
from fimtraining.optimiser import OptimiserSettings, Schedule


@dataclass(frozen=True, slots=True)
class PretrainRecipe:
    """Everything that decides a run, machine and paths aside."""

    name: str
    model: ModelShape = field(default_factory=ModelShape)
    mix: ExampleMix = field(default_factory=ExampleMix)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    schedule: Schedule = field(default_factory=Schedule)
    row_tokens: int = 8192
    """Tokens per packed row, also the longest example."""
    rows_per_step: int = 64
    """Rows per update, over all processes."""
    rows_per_pass: int = 16
    """Rows per forward and backward pass of one process."""
    max_examples_per_pass: int = 640
    """Examples told apart in one pass; fixed, so that compiled code sees one shape."""
    middle_weight: float = 1.0
    """Weight in the loss of a middle and its end token; every other token has 1."""
    late_share: float = 0.0
    """Share of the steps at the end that take `late_mix` and its weight instead; 0: none do."""
    late_mix: ExampleMix = field(default_factory=ExampleMix)
    """Examples of the end of the run."""
    late_middle_weight: float = 1.0
    """As `middle_weight`, at the end of the run."""
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    starts_from: str = ""
    """Name of the model whose weights the run starts from, given by `--init`; empty: from noise."""
    validation_mix: ExampleMix = field(default_factory=ExampleMix)
    """Examples of the validation loss per language; the same in all runs, to compare them."""
    validation_every_steps: int = 500
    seed: int = 20

    def phase(self, is_late: bool) -> tuple[ExampleMix, float, int]:
        """Return mix, weight of middles and seed of a part of the run."""
        if is_late:
            return self.late_mix, self.late_middle_weight, self.seed + 1
        return self.mix, self.middle_weight, self.seed


class RecipeError(Exception):
    """A recipe has an unknown key or a value that does not fit."""


def load_recipe(path: Path, overrides: list[str]) -> PretrainRecipe:
    """Read a recipe and apply `section.key=value` overrides, values in TOML's notation."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    for override in overrides:
        key, _, value = override.partition("=")
        *sections, name = key.split(".")
        target = table
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = tomllib.loads(f"v = {value}")["v"]
    recipe: PretrainRecipe = _build(PretrainRecipe, table, str(path))
    return recipe


def _build(kind: type, table: dict[str, Any], where: str) -> Any:
    known = {f.name: f for f in fields(kind)}
    if unknown := set(table) - set(known):
        raise RecipeError(f"{where}: unknown {sorted(unknown)}; known are {sorted(known)}")
    values = {}
    for name, value in table.items():
        default: Any = known[name].default_factory
        if isinstance(default, type) and is_dataclass(default):
            values[name] = _build(default, value, f"{where} [{name}]")
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where}: {error}") from error
