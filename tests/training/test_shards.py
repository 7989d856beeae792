"""A packed corpus holds the same rows in the same order, in loads of limited size."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fimtraining import shards
from fimtraining.packing import Corpus
from fimtraining.shards import MissingShards, app, check_shards, pack_corpus
from support.tiny_corpus import write_tiny_corpus

# Python 3.12 warns of forking beside the progress bar's thread; the workers use no lock of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def lay_together(loads: list[Path], there: Path) -> Path:
    there.mkdir()
    for load in loads:
        for file in load.iterdir():
            (there / file.name).write_bytes(file.read_bytes())
    return there


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A corpus of two shards in files of 3,000 bytes of text, loads of 6 KiB."""
    monkeypatch.setattr(shards, "FILE_BYTES", 3000)
    corpus = write_tiny_corpus(tmp_path / "corpus", num_shards=2)
    return pack_corpus(corpus, tmp_path / "out", 6 / 1024, level=3, num_workers=2)


def test_loads_laid_together_are_the_corpus(loads: list[Path], tmp_path: Path) -> None:
    there = lay_together(loads, tmp_path / "there")
    assert check_shards(there) == len(list(there.glob("*.parquet"))) > 3
    for split in ("train", "validation"):
        before, after = Corpus(tmp_path / "corpus", split), Corpus(there, split)
        assert len(before) == len(after)
        assert all(before.file(n) == after.file(n) for n in range(len(before)))


def test_no_load_is_larger_than_asked(loads: list[Path]) -> None:
    assert len(loads) > 2
    for load in loads:
        assert sum(file.stat().st_size for file in load.glob("*.parquet")) <= 6 * 1024


def test_missing_and_damaged_files_are_named(loads: list[Path], tmp_path: Path) -> None:
    there = lay_together(loads, tmp_path / "there")
    first, second, *_ = sorted(there.glob("train-*.parquet"))
    second.write_bytes(b"half")
    with pytest.raises(MissingShards, match=rf"{second.name}.*damaged"):
        check_shards(there)
    first.unlink()
    with pytest.raises(MissingShards, match=rf"lacks {first.name}"):
        check_shards(there)


def test_packing_again_leaves_nothing_of_before(loads: list[Path], tmp_path: Path) -> None:
    corpus = write_tiny_corpus(tmp_path / "smaller", num_train=2)
    again = pack_corpus(corpus, tmp_path / "out", 1.0, level=3, num_workers=1)
    assert sorted((tmp_path / "out").iterdir()) == again
    assert len(again) == 1


def test_a_directory_without_shards_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="build it first"):
        pack_corpus(tmp_path, tmp_path / "out", 1.0, level=3, num_workers=1)


def test_commands_pack_and_check(tmp_path: Path) -> None:
    corpus, out = write_tiny_corpus(tmp_path / "corpus"), tmp_path / "out"
    packed = CliRunner().invoke(app, ["pack", str(corpus), str(out), "--jobs", "1"])
    assert packed.exit_code == 0, packed.output
    assert CliRunner().invoke(app, ["check", str(out / "load-00")]).exit_code == 0
    next((out / "load-00").glob("train-*")).unlink()
    failed = CliRunner().invoke(app, ["check", str(out / "load-00")])
    assert failed.exit_code == 1
    assert "lacks train-00000-000.parquet" in failed.output.replace("\n", "")
