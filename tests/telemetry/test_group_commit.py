"""The writer's thread: those who wait together share a commit, and each hears only its own news."""

import threading
from collections.abc import Sequence

import pytest

from fimserve.telemetry import StoreClosed, StoreUnavailable, group_commit
from fimserve.telemetry.batch import Batch
from fimserve.telemetry.group_commit import GroupCommit
from fimserve.telemetry.store import Appended
from support.events import make_events


class HeldCommit:
    """Commits when it is let; remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.may_go_on = threading.Event()
        self.begun = threading.Event()

    def __call__(self, batches: Sequence[Batch]) -> Sequence[Appended | Exception]:
        self.groups.append([batch.tenant for batch in batches])
        self.begun.set()
        assert self.may_go_on.wait(10)
        return [
            ValueError(batch.tenant) if batch.tenant == "bad" else Appended(len(batch.events), 0)
            for batch in batches
        ]


def make_batch(tenant: str, num_events: int = 1) -> Batch:
    """Return a batch of new events."""
    return Batch(tenant, 0, tuple(make_events(num_events)))


@pytest.fixture
def commit() -> HeldCommit:
    return HeldCommit()


@pytest.fixture
def writer(commit: HeldCommit) -> GroupCommit:
    """Return a writer that is busy with a first batch."""
    writer = GroupCommit(commit)
    writer.submit(make_batch("first"))
    assert commit.begun.wait(10)
    return writer


def test_those_who_wait_share_a_commit(writer: GroupCommit, commit: HeldCommit) -> None:
    futures = [writer.submit(make_batch(name, 2)) for name in ("a", "b", "c")]
    commit.may_go_on.set()
    assert [future.result(10) for future in futures] == [Appended(2, 0)] * 3
    assert commit.groups == [["first"], ["a", "b", "c"]]
    writer.close()


def test_a_group_has_a_largest_size(writer: GroupCommit, commit: HeldCommit) -> None:
    for name in ("a", "b", "c"):
        writer.submit(make_batch(name, group_commit.MAX_GROUP_EVENTS // 2))
    commit.may_go_on.set()
    writer.close()
    assert commit.groups == [["first"], ["a", "b"], ["c"]]


def test_one_batch_s_failure_is_not_another_s(writer: GroupCommit, commit: HeldCommit) -> None:
    good, bad = writer.submit(make_batch("good")), writer.submit(make_batch("bad"))
    commit.may_go_on.set()
    assert good.result(10) == Appended(1, 0)
    with pytest.raises(ValueError, match="bad"):
        bad.result(10)
    writer.close()


def test_a_batch_given_up_in_time_is_not_stored(writer: GroupCommit, commit: HeldCommit) -> None:
    given_up, kept = writer.submit(make_batch("given up")), writer.submit(make_batch("kept"))
    assert given_up.cancel()
    commit.may_go_on.set()
    kept.result(10)
    writer.close()
    assert commit.groups == [["first"], ["kept"]]


def test_too_much_waiting_is_refused(
    writer: GroupCommit, commit: HeldCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING_EVENTS", 3)
    writer.submit(make_batch("a", 2))
    with pytest.raises(StoreUnavailable) as caught:
        writer.submit(make_batch("b", 2))
    assert caught.value.retry_after_s == 1
    writer.submit(make_batch("c", 1))
    commit.may_go_on.set()
    writer.close()
    assert commit.groups == [["first"], ["a", "c"]]


def test_closing_commits_what_waits(writer: GroupCommit, commit: HeldCommit) -> None:
    future = writer.submit(make_batch("last"))
    commit.may_go_on.set()
    writer.close()
    assert future.done()
    with pytest.raises(StoreClosed):
        writer.submit(make_batch("late"))


def test_a_fault_in_commit_is_its_group_s_alone() -> None:
    outcomes = iter([ZeroDivisionError(), [Appended(1, 0)]])

    def commit(batches: Sequence[Batch]) -> Sequence[Appended | Exception]:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    writer = GroupCommit(commit)
    with pytest.raises(ZeroDivisionError):
        writer.submit(make_batch("a")).result(10)
    assert writer.submit(make_batch("b")).result(10) == Appended(1, 0)
    writer.close()
