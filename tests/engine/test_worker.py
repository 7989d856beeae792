"""Tickets are worked on one after another, withdrawn at once, and fail alone."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from fimserve.engine import CompletionDelta, CompletionRequest, EngineClosed, Usage
from fimserve.engine.ticket import Delivery, Ticket
from fimserve.engine.worker import Worker
from support.fake_clock import FakeClock

USAGE = Usage(1, 0, 1, 0.0, 0.0, 0.0)
WAIT_S = 10.0


class Desk:
    """A worker whose answers wait for the test, and an inbox per ticket."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.worker = Worker(self._answer, FakeClock())

    def submit(
        self, prefix: str, session: str | None = None, tenant: str = "local"
    ) -> tuple[Ticket, Callable[[], Delivery]]:
        inbox: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        request = CompletionRequest(prefix, session=session, tenant=tenant)
        ticket = Ticket(request, 0.0, inbox.put)
        self.worker.submit(ticket)
        return ticket, lambda: inbox.get(timeout=WAIT_S)

    def wait_until_started(self) -> str:
        return self.started.get(timeout=WAIT_S)

    def _answer(self, ticket: Ticket) -> Iterator[CompletionDelta]:
        prefix = ticket.request.prefix
        self.started.put(prefix)
        if prefix == "raise":
            raise ZeroDivisionError("as asked")
        yield CompletionDelta(prefix, (1,))
        while ticket.why_end(0.0) is None and not self.gate.wait(0.001):
            pass
        yield CompletionDelta("", (), ticket.why_end(0.0) or "stop", USAGE)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.worker.close()


def finish(receive: Callable[[], Delivery]) -> str | None:
    """Return the finish_reason, reading over what comes before."""
    while True:
        delivery = receive()
        assert isinstance(delivery, CompletionDelta)
        if delivery.finish_reason:
            return delivery.finish_reason


def test_tickets_are_served_in_the_order_of_arrival(desk: Desk) -> None:
    desk.gate.set()
    answers = [desk.submit(name)[1] for name in "abc"]
    assert [finish(receive) for receive in answers] == ["stop"] * 3
    assert [desk.wait_until_started() for _ in "abc"] == ["a", "b", "c"]


def test_the_end_is_told_when_nothing_is_left_of_the_ticket(desk: Desk) -> None:
    desk.gate.set()
    for _ in range(50):
        finish(desk.submit("a")[1])
        assert desk.worker.num_unfinished == 0


def test_a_waiting_ticket_is_withdrawn_at_once(desk: Desk) -> None:
    _, receive_first = desk.submit("first")
    desk.wait_until_started()
    second, receive_second = desk.submit("second")
    desk.worker.cancel(second)
    assert finish(receive_second) == "cancelled"  # while the first one still runs
    assert desk.worker.num_unfinished == 1
    desk.gate.set()
    assert finish(receive_first) == "stop"
    assert desk.started.empty()


def test_a_running_ticket_ends_at_its_next_step(desk: Desk) -> None:
    ticket, receive = desk.submit("a")
    desk.wait_until_started()
    desk.worker.cancel(ticket)
    assert finish(receive) == "cancelled"


def test_a_newer_ticket_of_a_session_withdraws_the_older_ones(desk: Desk) -> None:
    receives = [desk.submit(text, session="main.py")[1] for text in ["a", "ab", "abc"]]
    assert [finish(receive) for receive in receives[:2]] == ["cancelled"] * 2
    desk.gate.set()
    assert finish(receives[2]) == "stop"


def test_other_sessions_and_tenants_are_not_withdrawn(desk: Desk) -> None:
    receives = [
        desk.submit("a", session="main.py")[1],
        desk.submit("b", session="other.py")[1],
        desk.submit("c", session="main.py", tenant="bob")[1],
        desk.submit("d")[1],
        desk.submit("e")[1],
    ]
    desk.gate.set()
    assert [finish(receive) for receive in receives] == ["stop"] * 5


def test_an_exception_ends_only_its_own_ticket(desk: Desk) -> None:
    desk.gate.set()
    _, receive_bad = desk.submit("raise")
    _, receive_good = desk.submit("good")
    assert isinstance(receive_bad(), ZeroDivisionError)
    assert finish(receive_good) == "stop"


def test_closing_answers_everyone_and_refuses_the_next(desk: Desk) -> None:
    receives = [desk.submit(name)[1] for name in "abc"]
    desk.wait_until_started()
    desk.worker.close()
    desk.worker.close()
    assert [finish(receive) for receive in receives] == ["cancelled"] * 3
    with pytest.raises(EngineClosed, match="closed"):
        desk.submit("late")


def test_cancelling_twice_or_too_late_does_nothing(desk: Desk) -> None:
    desk.gate.set()
    ticket, receive = desk.submit("a")
    assert finish(receive) == "stop"
    desk.worker.cancel(ticket)
    desk.worker.cancel(ticket)
    assert desk.worker.num_unfinished == 0
