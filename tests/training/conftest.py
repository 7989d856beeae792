"""What the tests of training share: one thread, one tiny tokenizer, one tiny corpus."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fimtraining.recipe import PretrainRecipe, load_recipe
from fimtraining.tokenizer import save_tokenizer
from support.tiny_checkpoint import make_tiny_tokenizer
from support.tiny_corpus import write_tiny_corpus
from support.tiny_recipe import write_tiny_recipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, so that two runs of the same steps are the same to the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of 400 entries, markers first, as `fimtraining.tokenizer` saves it."""
    directory = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(make_tiny_tokenizer(), directory)
    return directory


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four documents to train on, four held out; for reading only."""
    return write_tiny_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    """The recipe of a run that takes a second."""
    return write_tiny_recipe(tmp_path / "tiny.toml")


@pytest.fixture
def recipe(recipe_file: Path) -> PretrainRecipe:
    """The same, read."""
    return load_recipe(recipe_file, [])
