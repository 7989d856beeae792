"""One tiny model for all tests of the engine: small, but tokens and orders are the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fimserve.engine import Engine
from fimserve.models import LoadedModel, load_model
from support.tiny_checkpoint import write_tiny_checkpoint
from support.tiny_families import FAMILIES, write_tiny_family


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Matrices this small are slower on two threads, and far slower on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny", endless=True)


@pytest.fixture(scope="session")
def tiny_model(tiny_directory: Path) -> LoadedModel:
    return load_model(str(tiny_directory), device="cpu", dtype="fp32")


DEVICES = ("cpu", pytest.param("cuda", marks=pytest.mark.gpu))


@pytest.fixture(scope="session", params=FAMILIES)
def any_directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("families") / request.param
    return write_tiny_family(directory, request.param, seed=2, endless=True)


@pytest.fixture(scope="session", params=DEVICES)
def any_device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return str(request.param)


@pytest.fixture(scope="session")
def any_family(any_directory: Path, any_device: str) -> LoadedModel:
    """A tiny model of each family in turn; all have one tokenizer, and none ends by itself."""
    return load_model(str(any_directory), device=any_device, dtype="fp32")


@pytest.fixture
def engine(tiny_model: LoadedModel) -> Iterator[Engine]:
    """An engine that has to be idle and whole when the test is over."""
    with Engine(tiny_model) as running:
        yield running
        running.check_integrity()
