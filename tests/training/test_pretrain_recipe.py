"""A pretraining recipe is read with its defaults and overrides; a wrong key is named."""

from pathlib import Path

import pytest

from fimtraining.recipe import PretrainRecipe, RecipeError, load_recipe


def test_recipe_is_read_with_its_defaults(recipe: PretrainRecipe) -> None:
    assert recipe.model.hidden_size == 16
    assert recipe.model.norm_eps == 1e-5
    assert recipe.optimiser.learning_rate == 0.02
    assert recipe.optimiser.matrices == "muon"
    assert recipe.mix.fim_rate == 0.7


def test_overrides_replace_single_values(recipe_file: Path) -> None:
    overrides = [
        "seed=5",
        'optimiser.matrices="adamw"',
        "optimiser.betas=[0.8, 0.9]",
        "mix.orders.spm=1.0",
    ]
    recipe = load_recipe(recipe_file, overrides)
    assert (recipe.seed, recipe.optimiser.matrices) == (5, "adamw")
    assert recipe.optimiser.betas == (0.8, 0.9)
    assert recipe.mix.orders == {"spm": 1.0}
    assert recipe.optimiser.learning_rate == 0.02


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("row_token=5", r"\['row_token'\]; known are .*'row_tokens'"),
        ("model.layers=5", r"\[model\]: unknown \['layers'\]; known are .*'num_layers'"),
        ("optimizer.learning_rate=1", r"\['optimizer'\]; known are .*'optimiser'"),
        ("schedule.warmup=1", r"\['warmup'\]; known are .*'warmup_steps'"),
    ],
)
def test_unknown_key_is_an_error_that_names_the_known_ones(
    override: str, named: str, recipe_file: Path
) -> None:
    with pytest.raises(RecipeError, match=named):
        load_recipe(recipe_file, [override])


def test_missing_name_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("seed = 1\n")
    with pytest.raises(RecipeError, match="name"):
        load_recipe(tmp_path / "empty.toml", [])
