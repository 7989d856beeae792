"""What an ablation consists of: units of one base, one regime, one seed, in the order to run them.

A lease may end at any unit, so that what comes first is whole: every base and regime once, by the
first seed, then the further seeds.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fimtraining.finetune.recipe import RecipeError, TrainRecipe, load_recipe

BASE_REGIME = "base"
"""The base as it is: nothing is trained."""

Context = Literal["own", "none"]
"""What a held-out hole is shown with: the snippets of its row, or none."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BasePlan(_Part):
    """A base model of the ablation."""

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of every recipe, for this base: only what the machine needs, such
    as rows_per_pass, leaves the tokens equal."""


class HeldOut(_Part):
    """How the held-out holes are filled."""

    contexts: tuple[Context, ...] = Field(default=("own", "none"), min_length=1)
    prompt_tokens: int = Field(default=1536, ge=64)
    max_new_tokens: int = Field(default=128, ge=1)
    """Where an answer has more it is cut; longer references can then not be right, for anybody."""
    batch_tokens: int = Field(default=300_000, ge=64)
    """Places of keys and values of one batch, prompts and answers together."""


class AblationPlan(_Part):
    """The whole of it."""

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    recipes: str
    """Directory of the regimes' recipes, relative to the plan."""
    regimes: tuple[str, ...] = Field(min_length=1)
    """Names of recipes, and `base`."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of every recipe."""
    bases: tuple[BasePlan, ...] = Field(min_length=1)
    """Smallest first."""
    held_out: HeldOut = Field(default_factory=HeldOut)


@dataclass(frozen=True, slots=True)
class Unit:
    """One run and what it answers."""

    base: str
    regime: str
    seed: int
    recipe: TrainRecipe | None
    """None for the base as it is."""

    @property
    def name(self) -> str:
        """Name of its directory."""
        return f"{self.base}-{self.regime}-{self.seed}"


def load_plan(path: Path) -> AblationPlan:
    """Read a plan.

    Args:
        path: TOML file.

    Returns:
        The plan.

    Raises:
        RecipeError: If the file cannot be read or a key or value is not allowed.
    """
    try:
        return AblationPlan.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'plan'}: {one['msg']}" for one in error.errors()
        ]
        raise RecipeError(f"{path}: " + "; ".join(lines)) from error


def list_units(plan: AblationPlan, path: Path, models: Mapping[str, str]) -> list[Unit]:
    """Return the units of the bases that there are, in the order to run them.

    Args:
        plan: The plan.
        path: Its file, for the directory of recipes.
        models: Name of a base -> its model.

    Returns:
        The units; all trained ones see equal tokens.

    Raises:
        RecipeError: If a model is of no base of the plan, or regimes would not see equal tokens.
    """
    known = [base.name for base in plan.bases]
    if unknown := sorted(set(models) - set(known)):
        raise RecipeError(f"no base is called {unknown[0]}; the plan has {', '.join(known)}")
    units = list(_list_units(plan, path.parent / plan.recipes, models))
    sizes = {
        (one.recipe.steps, one.recipe.rows_per_step, one.recipe.row_tokens)
        for one in units
        if one.recipe is not None
    }
    if len(sizes) > 1:
        raise RecipeError(
            f"runs of steps, rows and tokens {sorted(sizes)} do not see equal tokens; set them in "
            "the plan's [set]"
        )
    return units


def _list_units(plan: AblationPlan, recipes: Path, models: Mapping[str, str]) -> Iterator[Unit]:
    bases = [base for base in plan.bases if base.name in models]
    for index in range(max((len(base.seeds) for base in bases), default=0)):
        for base in bases:
            if index < len(base.seeds):
                for regime in plan.regimes:
                    yield from _make_unit(plan, recipes, base, regime, index, models[base.name])


def _make_unit(
    plan: AblationPlan, recipes: Path, base: BasePlan, regime: str, index: int, model: str
) -> Iterator[Unit]:
    seed = base.seeds[index]
    if regime == BASE_REGIME:
        if index == 0:
            yield Unit(base.name, regime, seed, None)
        return
    recipe = load_recipe(recipes / f"{regime}.toml")
    values = recipe.model_dump() | plan.set | base.set | {"base": model, "seed": seed}
    try:
        yield Unit(base.name, regime, seed, TrainRecipe.model_validate(values))
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(
            f"{regime}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error
