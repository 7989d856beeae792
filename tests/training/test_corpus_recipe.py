"""Recipes and lists of repositories are read strictly, and written as they are read."""

from pathlib import Path

import pytest

from fimtraining.corpus.recipe import (
    CorpusRecipe,
    RecipeError,
    Repository,
    load_recipe,
    load_repositories,
    render_repositories,
)

REPOSITORIES = [
    Repository("acme/alpha", "0123456789" * 4, "MIT"),
    Repository("acme/beta", "abcdef0123" * 4, "Apache-2.0"),
]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    text = 'name = "c"\nrepositories = "list.toml"\nlanguages = ["go"]\n[max_bytes]\ngo = 5\n'
    assert load_recipe(write(tmp_path / "c.toml", text)) == CorpusRecipe(
        name="c", repositories="list.toml", languages=("go",), max_bytes={"go": 5}
    )


def test_unknown_key_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    text = 'name = "c"\nrepositories = "l"\nlanguages = ["go"]\nmax_byte = 3\n'
    with pytest.raises(RecipeError, match=r"'max_byte'.*known are.*'max_bytes'"):
        load_recipe(write(tmp_path / "c.toml", text))


def test_missing_key_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="repositories"):
        load_recipe(write(tmp_path / "c.toml", 'name = "c"\nlanguages = ["go"]\n'))


def test_list_is_read_as_it_is_written(tmp_path: Path) -> None:
    file = write(tmp_path / "list.toml", render_repositories(REPOSITORIES))
    assert load_repositories(file) == REPOSITORIES


def test_directory_of_a_clone_joins_owner_and_name() -> None:
    assert REPOSITORIES[0].directory == "acme+alpha"


def test_name_listed_twice_is_an_error_whatever_its_case(tmp_path: Path) -> None:
    twice = [*REPOSITORIES, Repository("ACME/Beta", "0" * 40, "MIT")]
    with pytest.raises(RecipeError, match="acme/beta"):
        load_repositories(write(tmp_path / "list.toml", render_repositories(twice)))


@pytest.mark.parametrize(
    "entry", ['name = "a/b"\ncommit = "c"\n', 'name = "a/b"\ncommit = "c"\nlicense = "MIT"\n']
)
def test_entry_with_other_fields_is_an_error(entry: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="exactly name, commit, licence"):
        load_repositories(write(tmp_path / "list.toml", f"[[repository]]\n{entry}"))
