"""The ten places of the demonstration are still where places.toml says."""

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

DEMO = Path(__file__).resolve().parents[2] / "docs" / "demo"
PLACES = tomllib.loads((DEMO / "places.toml").read_text(encoding="utf-8"))["place"]


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fimserve_demo", DEMO / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_ten_places() -> None:
    assert len(PLACES) == 10


@pytest.mark.parametrize("entry", [p for p in PLACES if p["root"] == "repository"])
def test_place_is_in_its_file(demo: ModuleType, entry: dict[str, str]) -> None:
    place = demo.Place(**entry)
    hole = demo.cut_hole(place)
    assert "".join(hole) == place.path.read_text(encoding="utf-8")
    assert hole.middle.strip()


def test_place_that_was_edited_away_is_an_error(demo: ModuleType) -> None:
    place = demo.Place("repository", "docs/demo/places.toml", "no such text at all", "\n")
    with pytest.raises(ValueError, match=r"mend places\.toml"):
        demo.cut_hole(place)
