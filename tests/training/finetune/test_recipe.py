"""Recipes of fine-tuning: what is read, replaced and refused."""

from pathlib import Path

import pytest

from fimtraining.finetune.recipe import (
    PAPER_MIXTURE,
    RecipeError,
    TrainRecipe,
    dump_recipe,
    load_recipe,
)

RECIPES = Path(__file__).parents[3] / "training" / "recipes" / "lora"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\nbase = "embedded"\nsteps = 7\n[lora]\nrank = 4\n')
    return path


def test_the_command_line_replaces_values_also_in_tables(file: Path) -> None:
    changes = ["steps=9", "optimiser.learning_rate=1e-3", "base=some/model", "lora.dora=true"]
    recipe = load_recipe(file, changes)
    assert (recipe.steps, recipe.base, recipe.lora.rank) == (9, "some/model", 4)
    assert recipe.optimiser.learning_rate == 1e-3
    assert recipe.lora.dora is True


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("stepz=9", "stepz: Extra inputs"),
        ("steps=0", "steps: .*greater than or equal to 1"),
        ("steps", "no key=value"),
        ("steps.x=1", "steps is a value"),
        ("mixture.kinds={walrus=1}", r"unknown kinds \['walrus'\]"),
        ("mixture.kinds={call=-1}", "must not be negative"),
        ("orders={psmx=1}", "unknown orders"),
        ("rows_per_pass=3", "no multiple of rows_per_pass"),
        ("max_middle_tokens=4096", "a row holds 4096"),
        ("context.source=both", "context.source"),
    ],
)
def test_what_means_nothing_is_refused(file: Path, change: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load_recipe(file, [change])


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("name = ")
    with pytest.raises(RecipeError, match=r"r\.toml cannot be read as TOML"):
        load_recipe(path)
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")


def test_the_papers_mixture_is_whole() -> None:
    assert sum(PAPER_MIXTURE.values()) == pytest.approx(1.0)
    assert (PAPER_MIXTURE["random"], PAPER_MIXTURE["call"]) == (0.35, 0.12)
    assert (PAPER_MIXTURE["function"], PAPER_MIXTURE["class"]) == (0.12, 0.10)


def test_regimes_differ_in_mixture_and_context_alone() -> None:
    recipes = {path.stem: load_recipe(path) for path in RECIPES.glob("*.toml")}
    assert set(recipes) == {"random", "cuft", "coft", "cmft", "shuffled", "anti"}

    def rest(recipe: TrainRecipe) -> str:
        same = recipe.model_copy(
            update={
                "name": "x",
                "mixture": recipes["cmft"].mixture,
                "context": recipes["cmft"].context,
            }
        )
        return dump_recipe(same)

    assert len({rest(recipe) for recipe in recipes.values()}) == 1
    assert recipes["random"].mixture.kinds == {"random": 1.0}
    assert recipes["cmft"].mixture.kinds == dict(PAPER_MIXTURE)
    assert recipes["shuffled"].mixture == recipes["cmft"].mixture
    sources = {name: recipe.context.source for name, recipe in recipes.items()}
    assert sources == {
        "random": "none",
        "cuft": "none",
        "anti": "none",
        "coft": "own",
        "cmft": "own",
        "shuffled": "shuffled",
    }
