"""The spool: whole files or none, a bound that holds, nothing of what it cannot read in the way."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.telemetry import Event
from fimserve.telemetry.batch import Batch
from fimserve.telemetry.spool import BrokenSpoolFile, Spool, SpoolFull
from support.events import any_event, make_event, make_events


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", max_bytes=10_000)


def make_batch(num: int = 1) -> Batch:
    """Return a batch of new events."""
    return Batch("one", 1_700_000_000_000, tuple(make_events(num)))


def fill(spool: Spool) -> None:
    """Add more than the bound allows."""
    for _ in range(1_000):
        spool.add([make_batch()])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(any_event(), max_size=3), min_size=1, max_size=3))
def test_batches_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[Event]]
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), max_bytes=1 << 20)
    batches = [Batch(f"tenant {i}", i, tuple(events)) for i, events in enumerate(groups)]
    spool.add(batches)
    (file,) = spool.list_files()
    assert spool.load(file) == batches


def test_files_are_replayed_in_the_order_they_came(spool: Spool) -> None:
    batches = [make_batch() for _ in range(12)]
    for batch in batches:
        spool.add([batch])
    assert [spool.load(file) for file in spool.list_files()] == [[batch] for batch in batches]


def test_what_is_full_takes_nothing_and_what_was_removed_makes_room(spool: Spool) -> None:
    with pytest.raises(SpoolFull):
        fill(spool)
    files = spool.list_files()
    assert 50 < len(files) < 200
    assert sum(file.stat().st_size for file in files) <= 10_000
    spool.remove(files[0])
    spool.remove(files[0])
    spool.add([make_batch()])
    assert len(spool.list_files()) == len(files)


def test_files_of_other_processes_count(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0-other-1.json").write_bytes(b"x" * 9_990)
    with pytest.raises(SpoolFull):
        spool.add([make_batch()])


def test_a_disk_that_refuses_is_a_full_spool_and_leaves_nothing(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SpoolFull, match="No space left"):
        spool.add([make_batch()])
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"[", b"{}x", b"[[1]]", b'[["one", 1, [{"id": "a"}]]]'])
def test_a_file_that_is_not_ours_is_said_and_put_aside(
    spool: Spool, tmp_path: Path, content: bytes
) -> None:
    spool.add([make_batch()])
    (file,) = spool.list_files()
    file.write_bytes(content)
    with pytest.raises(BrokenSpoolFile):
        spool.load(file)
    spool.put_aside(file)
    assert spool.list_files() == []
    assert (tmp_path / "spool" / f"{file.name}.broken").read_bytes() == content


def test_only_old_unfinished_files_are_removed(spool: Spool, tmp_path: Path) -> None:
    spool.add([Batch("one", 0, (make_event(),))])
    old, new = (tmp_path / "spool" / name for name in ("1.tmp", "2.tmp"))
    for path in (old, new):
        path.write_text("[")
    an_hour_ago_s = time.time() - 3_600
    os.utime(old, (an_hour_ago_s, an_hour_ago_s))
    spool.remove_abandoned()
    assert not old.exists()
    assert new.exists()
    assert len(spool.list_files()) == 1


def test_an_absent_directory_is_an_empty_spool(spool: Spool) -> None:
    assert spool.list_files() == []
    assert spool.count_bytes() == 0
    spool.remove_abandoned()
