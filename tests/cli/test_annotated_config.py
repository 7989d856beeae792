"""The file in deploy/ says what the settings are, and every line of it can be used."""

import re
import tomllib
from pathlib import Path

import pytest

from fimserve.cli.annotated_config import read_attribute_docs, render_config
from fimserve.cli.settings import TABLES, Settings, load_settings
from support.cli import CommandLine

SHIPPED = Path(__file__).parents[2] / "deploy" / "fimserve.toml"


@pytest.fixture(autouse=True)
def no_port(fimserve: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the one setting that the other tests of the room need."""
    monkeypatch.delenv("FIMSERVE_SERVER_PORT")


def test_the_shipped_file_is_what_the_settings_say_today() -> None:
    remedy = "run: python -m fimserve.cli.annotated_config > deploy/fimserve.toml"
    assert SHIPPED.read_text() == render_config(), remedy


def test_as_shipped_the_file_changes_nothing() -> None:
    assert load_settings({}, {}, SHIPPED).model_dump() == Settings().model_dump()


def test_every_line_can_be_taken_into_use_and_is_the_default() -> None:
    # A setting whose default is to have none is shown without a value.
    used = re.sub(r"^#(\w+ = .+)$", r"\1", SHIPPED.read_text(), flags=re.MULTILINE)
    assert len(tomllib.loads(used)["server"]) > 20
    config = Path("fimserve.toml")
    config.write_text(used)
    assert load_settings({}, {}, config).model_dump() == Settings().model_dump()


def test_every_setting_is_in_the_file_with_its_meaning() -> None:
    text = SHIPPED.read_text()
    for table, room in TABLES.items():
        docs = read_attribute_docs(room)
        section = text.partition(f"[{table}]\n")[2]
        assert docs
        for name, doc in docs.items():
            assert len(doc.split()) >= 3
            assert f"\n#{name} =" in section


def test_a_setting_without_a_text_is_an_error() -> None:
    class Undocumented:
        port: int = 1

    with pytest.raises(ValueError, match=r"Undocumented\.port has no text"):
        read_attribute_docs(Undocumented)
