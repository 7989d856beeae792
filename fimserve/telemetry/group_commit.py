"""One thread that commits what many submit: those who wait at the same time share a commit.

A commit costs a sync of the disk whatever is in it. While one runs the next group gathers, so
nobody waits for a timer, and under load a group is as large as it needs to be. Knows nothing of
databases: what commits is a function.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from fimserve.telemetry.batch import Batch
from fimserve.telemetry.errors import StoreClosed, StoreUnavailable
from fimserve.telemetry.store import Appended

__all__ = ["CommitBatches", "GroupCommit"]

logger = logging.getLogger(__name__)

MAX_GROUP_EVENTS = 2_000
"""Events of one commit: a larger group makes its last member wait for more than it saves."""
MAX_WAITING_EVENTS = 50_000
"""Events that may wait; beyond, senders are asked to come again."""

CommitBatches = Callable[[Sequence[Batch]], Sequence[Appended | Exception]]
"""Makes batches durable and says what became of each, in their order."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: Batch
    future: Future[Appended] = field(default_factory=Future)


class GroupCommit:
    """Runs `commit` on a thread of its own, with as many batches as wait.

    Args:
        commit: What makes batches durable.
    """

    def __init__(self, commit: CommitBatches) -> None:
        self._commit = commit
        self._waiting: deque[_Waiting] = deque()
        self._num_waiting_events = 0
        self._is_closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="events-writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> Future[Appended]:
        """Have a batch committed with the next group.

        Args:
            batch: The batch.

        Returns:
            What will have become of it. Cancelled before its group begins, it is not stored.

        Raises:
            StoreClosed: If `close` was called.
            StoreUnavailable: If too much waits.
        """
        entry = _Waiting(batch)
        with self._changed:
            if self._is_closing:
                raise StoreClosed("the store is closing")
            if self._num_waiting_events + len(batch.events) > MAX_WAITING_EVENTS:
                raise StoreUnavailable(
                    f"{self._num_waiting_events} events wait to be written", retry_after_s=1
                )
            self._waiting.append(entry)
            self._num_waiting_events += len(batch.events)
            self._changed.notify()
        return entry.future

    def close(self) -> None:
        """Commit what waits and end the thread; harmless to call again."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._take_group():
            running = [one for one in group if one.future.set_running_or_notify_cancel()]
            if running:
                self._commit_group(running)

    def _take_group(self) -> list[_Waiting]:
        """Return the batches of the next commit; none once the thread is to end."""
        with self._changed:
            while not self._waiting and not self._is_closing:
                self._changed.wait()
            group: list[_Waiting] = []
            num_events = 0
            while self._waiting and (not group or num_events < MAX_GROUP_EVENTS):
                group.append(self._waiting.popleft())
                num_events += len(group[-1].batch.events)
            self._num_waiting_events -= num_events
            return group

    def _commit_group(self, group: Sequence[_Waiting]) -> None:
        outcomes: Sequence[Appended | Exception]
        try:
            outcomes = self._commit([one.batch for one in group])
        except Exception as error:
            # A fault of ours: the senders learn that nothing is sure, the thread goes on.
            logger.exception("a group of %d batches was not stored", len(group))
            outcomes = [error] * len(group)
        for one, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Exception):
                one.future.set_exception(outcome)
            else:
                one.future.set_result(outcome)
