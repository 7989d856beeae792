"""Every shipped recipe parses through its real loader and asks for things that exist."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fimcurriculum.sources.decontamination import Decontamination
from fimcurriculum.sources.languages import LANGUAGE_BY_EXTENSION
from fimcurriculum.sources.licences import PERMISSIVE
from fimserve.prompt import Order
from fimtraining.corpus.recipe import load_recipe, load_repositories
from fimtraining.model import TrainingLlama
from fimtraining.recipe import PretrainRecipe
from fimtraining.recipe import load_recipe as load_pretrain_recipe
from fimtraining.spans import SAMPLERS
from support.shared import shared_file

DIRECTORY = Path(__file__).resolve().parents[2] / "training" / "recipes"
RECIPES = sorted([*DIRECTORY.glob("*.toml"), *(DIRECTORY / "controlled").glob("*.toml")])
LADDER = ("ladder-15m", "ladder-46m", "ladder-130m")
LADDER_TOKENS = {"ladder-15m": 1000, "ladder-46m": 2500, "ladder-130m": 2500}  # millions


def kind_of(recipe: Path) -> str:
    """Return which loader a file is for, told by the keys that only its kind has."""
    table: dict[str, Any] = tomllib.loads(recipe.read_text(encoding="utf-8"))
    kinds = {
        "repository": "list",
        "languages": "corpus",
        "schedule": "pretrain",
        "regimes": "ablation",  # read by tests/training/finetune/test_ablation.py
    }
    found = [kind for key, kind in kinds.items() if key in table]
    assert len(found) == 1, f"{recipe.name}: {found}"
    return found[0]


def recipes_of(kind: str) -> list[Any]:
    return [pytest.param(file, id=file.name) for file in RECIPES if kind_of(file) == kind]


def test_every_kind_of_recipe_is_there() -> None:
    assert {kind_of(recipe) for recipe in RECIPES} == {"list", "corpus", "pretrain", "ablation"}
    assert len(RECIPES) >= 3


@pytest.mark.parametrize("file", recipes_of("corpus"))
def test_corpus_recipe_names_what_its_list_holds(file: Path) -> None:
    recipe = load_recipe(file)
    assert recipe.name == file.stem
    listed = {r.name for r in load_repositories(file.parent / recipe.repositories)}
    assert set(recipe.validation_repositories) <= listed
    assert set(recipe.languages) <= set(LANGUAGE_BY_EXTENSION.values())
    assert set(recipe.max_bytes) <= set(recipe.languages)
    assert 0.5 <= recipe.near_duplicate_threshold < 1


@pytest.mark.parametrize("file", recipes_of("list"))
def test_list_names_full_commits_and_permissive_licences(file: Path) -> None:
    repositories = load_repositories(file)
    assert len(repositories) >= 100
    for repository in repositories:
        assert repository.licence in PERMISSIVE, repository
        assert repository.name.count("/") == 1, repository
        assert len(repository.commit) == 40, repository
        assert int(repository.commit, 16), repository


@pytest.mark.shared
@pytest.mark.parametrize("file", recipes_of("corpus"))
def test_validation_repositories_are_no_benchmarks(file: Path) -> None:
    listing = json.loads(shared_file("data/eval/decontamination.json").read_text(encoding="utf-8"))
    names = frozenset(name.lower() for name in listing["repositories"])
    rule = Decontamination(names, windows=frozenset(), anchors=frozenset())
    assert rule.is_listed("Django/django")
    assert not [n for n in load_recipe(file).validation_repositories if rule.is_listed(n)]


@pytest.mark.parametrize("file", recipes_of("pretrain"))
def test_pretraining_recipe_fits_together(file: Path) -> None:
    recipe = load_pretrain_recipe(file, [])
    assert isinstance(recipe, PretrainRecipe)
    assert recipe.name == file.stem
    assert recipe.rows_per_step % recipe.rows_per_pass == 0
    assert recipe.row_tokens <= recipe.model.max_tokens
    assert recipe.model.hidden_size == recipe.model.num_heads * recipe.model.head_dim
    assert recipe.model.num_heads % recipe.model.num_kv_heads == 0
    assert {Order(order) for order in recipe.mix.orders} == set(Order)
    assert sum(recipe.mix.orders.values()) == pytest.approx(1)
    assert set(recipe.mix.spans) <= set(SAMPLERS)
    assert sum(recipe.mix.spans.values()) == pytest.approx(1)
    assert recipe.schedule.warmup_steps < recipe.schedule.num_steps
    if recipe.late_share:
        assert sum(recipe.late_mix.orders.values()) == pytest.approx(1)
        assert sum(recipe.late_mix.spans.values()) == pytest.approx(1)


def test_ladder_sees_the_same_text_in_the_same_order() -> None:
    recipes = [load_pretrain_recipe(DIRECTORY / f"{name}.toml", []) for name in LADDER]
    first = recipes[0]
    for recipe in recipes[1:]:
        for key in ("mix", "late_mix", "late_share", "seed", "row_tokens", "rows_per_step"):
            assert getattr(recipe, key) == getattr(first, key), (recipe.name, key)
        assert recipe.model.vocab_size == first.model.vocab_size


@pytest.mark.parametrize(("name", "millions"), [*zip(LADDER, (15, 46, 132), strict=True)])
def test_ladder_has_the_sizes_of_its_names_and_heads_that_kernels_take(
    name: str, millions: int
) -> None:
    recipe = load_pretrain_recipe(DIRECTORY / f"{name}.toml", [])
    num_weights = sum(weight.numel() for weight in TrainingLlama(recipe.model).parameters())
    assert round(num_weights / 1e6) == millions
    assert recipe.model.head_dim in (64, 80, 96, 128)


@pytest.mark.parametrize(
    ("file", "millions"),
    [
        *((DIRECTORY / f"{name}.toml", millions) for name, millions in LADDER_TOKENS.items()),
        *((file, 201) for file in sorted((DIRECTORY / "controlled").glob("*.toml"))),
    ],
)
def test_steps_add_up_to_the_tokens_of_the_run_and_divide_between_two_processes(
    file: Path, millions: int
) -> None:
    recipe = load_pretrain_recipe(file, [])
    tokens = recipe.schedule.num_steps * recipe.rows_per_step * recipe.row_tokens
    assert round(tokens / 1e6) == millions
    assert recipe.rows_per_step % (2 * recipe.rows_per_pass) == 0
    assert recipe.max_examples_per_pass == 32 * recipe.rows_per_pass


@pytest.mark.parametrize("file", sorted((DIRECTORY / "controlled").glob("*.toml")))
def test_controlled_run_differs_in_one_thing(file: Path) -> None:
    base = "distilled-not" if file.stem == "distilled" else "baseline"
    tables = [
        tomllib.loads(path.read_text(encoding="utf-8"))
        for path in (file, DIRECTORY / "controlled" / f"{base}.toml")
    ]
    one, other = ({k: v for k, v in table.items() if k != "name"} for table in tables)
    differing = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    allowed = {
        "adamw": {"optimiser"},
        "spans-random": {"mix", "late_mix"},
        "spans-tree": {"mix", "late_mix"},
        "vocabulary-32k": {"model"},
        "horizon": {"objective"},
        "distilled": {"objective"},
        "distilled-not": {"model", "rows_per_pass", "max_examples_per_pass"},
        "baseline": set(),
    }
    assert differing == allowed[file.stem]
