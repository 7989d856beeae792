"""Between threads: messages arrive in order, answers end exactly once, a dead loop is replaced."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from fimserve.engine import BrokenEngine, CompletionDelta, CompletionRequest, EngineClosed, Usage
from fimserve.engine.bridge import MAX_ARRIVED, MAX_RESTARTS, PLANNING_MS, Bridge
from fimserve.engine.completion import FinishReason
from fimserve.engine.errors import QueueFull
from fimserve.engine.ticket import Delivery, Ticket

REQUEST = CompletionRequest("x = ")
USAGE = Usage(1, 0, 1, 0.0, 0.0, 0.0)


class ScriptedLoop:
    """Answers each request with as many pieces as its max_tokens; a prefix of "die" kills it."""

    def __init__(self) -> None:
        self._left: dict[Ticket, int] = {}
        self.thread = threading.current_thread()

    @property
    def is_idle(self) -> bool:
        return not self._left

    @property
    def tickets(self) -> list[Ticket]:
        return list(self._left)

    def submit(self, ticket: Ticket) -> None:
        self._left[ticket] = ticket.request.max_tokens

    def step(self) -> None:
        for ticket in self.tickets:
            if ticket.request.prefix == "die":
                raise RuntimeError("as asked")
            self._left[ticket] -= 1
            if self._left[ticket] > 0:
                ticket.deliver(CompletionDelta("t", (1,)))
            else:
                self.end(ticket, "length")

    def decline(self, ticket: Ticket, reason: FinishReason) -> None:
        ticket.deliver(CompletionDelta("", (), reason, USAGE))

    def end(self, ticket: Ticket, reason: FinishReason) -> None:
        if self._left.pop(ticket, None) is not None:
            ticket.deliver(CompletionDelta("", (), reason, USAGE))

    def end_all(self, reason: FinishReason) -> None:
        for ticket in self.tickets:
            self.end(ticket, reason)


class Inbox:
    """Collects what is delivered, and waits for the end."""

    def __init__(self) -> None:
        self.items: list[Delivery] = []
        self._over = threading.Event()

    def __call__(self, item: Delivery) -> None:
        self.items.append(item)
        if isinstance(item, Exception) or item.usage is not None:
            self._over.set()

    def wait(self) -> Delivery:
        assert self._over.wait(10)
        return self.items[-1]


@pytest.fixture
def bridge() -> Bridge:
    return Bridge(ScriptedLoop)  # type: ignore[arg-type]


def test_requests_of_many_threads_are_each_answered_to_the_end(bridge: Bridge) -> None:
    inboxes = [Inbox() for _ in range(50)]

    def ask(start: int) -> None:
        for number, inbox in enumerate(inboxes[start::5]):
            bridge.submit(replace(REQUEST, max_tokens=1 + number), 0.0, inbox)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for inbox in inboxes:
        last = inbox.wait()
        assert isinstance(last, CompletionDelta)
        assert last.finish_reason == "length"
    assert bridge.num_unfinished == 0
    bridge.close()


def test_a_cancelled_request_ends_cancelled_and_a_finished_one_stays(bridge: Bridge) -> None:
    endless, short = Inbox(), Inbox()
    ticket = bridge.submit(replace(REQUEST, max_tokens=10**9), 0.0, endless)
    finished = bridge.submit(replace(REQUEST, max_tokens=1), 0.0, short)
    short.wait()
    bridge.cancel(finished)
    bridge.cancel(ticket)
    last = endless.wait()
    assert isinstance(last, CompletionDelta)
    assert last.finish_reason == "cancelled"
    bridge.cancel(ticket)
    bridge.close()
    assert len([item for item in short.items if isinstance(item, CompletionDelta)]) == 1


def test_a_call_runs_on_the_engines_thread_and_hands_back_what_it_returns_or_raises(
    bridge: Bridge,
) -> None:
    assert bridge.call(lambda loop: threading.current_thread().name) == "fimserve-engine"
    with pytest.raises(ZeroDivisionError):
        bridge.call(lambda loop: 1 / 0)
    bridge.close()


def test_a_dead_loop_fails_its_requests_and_later_ones_are_served(bridge: Bridge) -> None:
    lost, dying = Inbox(), Inbox()
    bridge.submit(replace(REQUEST, max_tokens=10**9), 0.0, lost)
    bridge.submit(replace(REQUEST, prefix="die"), 0.0, dying)
    assert isinstance(lost.wait(), BrokenEngine)
    assert isinstance(dying.wait(), BrokenEngine)
    assert (bridge.num_restarts, bridge.is_alive, bridge.num_unfinished) == (1, True, 0)
    later = Inbox()
    bridge.submit(REQUEST, 0.0, later)
    assert isinstance(later.wait(), CompletionDelta)
    bridge.close()


def test_closing_cancels_what_runs_and_refuses_what_comes(bridge: Bridge) -> None:
    endless = Inbox()
    bridge.submit(replace(REQUEST, max_tokens=10**9), 0.0, endless)
    bridge.close()
    bridge.close()
    last = endless.wait()
    assert isinstance(last, CompletionDelta)
    assert last.finish_reason == "cancelled"
    assert not bridge.is_alive
    with pytest.raises(EngineClosed):
        bridge.submit(REQUEST, 0.0, Inbox())
    with pytest.raises(EngineClosed):
        bridge.call(lambda loop: None)


def test_draining_waits_for_the_running_and_gives_up_in_time(bridge: Bridge) -> None:
    inbox = Inbox()
    bridge.submit(replace(REQUEST, max_tokens=2000), 0.0, inbox)
    assert bridge.drain(10.0)
    assert len(inbox.items) == 2000
    with pytest.raises(EngineClosed):
        bridge.submit(REQUEST, 0.0, Inbox())
    bridge.close()
    other = Bridge(ScriptedLoop)  # type: ignore[arg-type]
    other.submit(replace(REQUEST, max_tokens=10**9), 0.0, Inbox())
    assert not other.drain(0.05)
    other.close()


def test_a_loop_that_cannot_be_replaced_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    made: list[ScriptedLoop] = []

    def make_once() -> ScriptedLoop:
        if made:
            raise MemoryError("as asked")
        made.append(ScriptedLoop())
        return made[0]

    bridge = Bridge(make_once)  # type: ignore[arg-type]
    lost, dying = Inbox(), Inbox()
    bridge.submit(replace(REQUEST, max_tokens=10**9), 0.0, lost)
    bridge.submit(replace(REQUEST, prefix="die"), 0.0, dying)
    assert isinstance(lost.wait(), BrokenEngine)
    assert isinstance(dying.wait(), BrokenEngine)
    bridge.close()
    assert not bridge.is_alive
    with pytest.raises(EngineClosed):
        bridge.submit(REQUEST, 0.0, Inbox())


def test_loops_that_die_one_after_the_other_are_given_up(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    for _ in range(MAX_RESTARTS + 1):
        dying = Inbox()
        bridge.submit(replace(REQUEST, prefix="die"), 0.0, dying)
        assert isinstance(dying.wait(), BrokenEngine)
    bridge.close()
    assert (bridge.num_restarts, bridge.is_alive) == (MAX_RESTARTS, False)
    with pytest.raises(EngineClosed):
        bridge.submit(REQUEST, 0.0, Inbox())


class StoppedLoop(ScriptedLoop):
    """Holds its thread inside the first step until it is let go; counts what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stepping, self.may_step = threading.Event(), threading.Event()
        self.submitted: list[Ticket] = []

    def submit(self, ticket: Ticket) -> None:
        self.submitted.append(ticket)
        super().submit(ticket)

    def step(self) -> None:
        self.is_stepping.set()
        assert self.may_step.wait(10)
        super().step()


@pytest.fixture
def stopped() -> tuple[Bridge, StoppedLoop]:
    """A bridge whose thread is inside a step of an endless request."""
    loop = StoppedLoop()
    bridge = Bridge(lambda: loop)  # type: ignore[arg-type, return-value]
    bridge.submit(replace(REQUEST, max_tokens=10**9), 0.0, Inbox())
    assert loop.is_stepping.wait(10)
    return bridge, loop


def test_what_is_cancelled_or_overtaken_before_its_turn_is_never_planned(
    stopped: tuple[Bridge, StoppedLoop],
) -> None:
    bridge, loop = stopped
    typed = [replace(REQUEST, prefix="x" * n, session="main.py") for n in range(5)]
    overtaken = [Inbox() for _ in typed]
    for request, inbox in zip(typed, overtaken, strict=True):
        bridge.submit(request, 0.0, inbox)
    cancelled = Inbox()
    bridge.cancel(bridge.submit(REQUEST, 0.0, cancelled))
    loop.may_step.set()
    ends = [inbox.wait() for inbox in (*overtaken, cancelled)]
    reasons = [end.finish_reason for end in ends if isinstance(end, CompletionDelta)]
    assert reasons[:4] == ["cancelled"] * 4
    assert reasons[4] != "cancelled"
    assert reasons[5] == "cancelled"
    assert [ticket.request for ticket in loop.submitted[1:]] == [typed[-1]]
    bridge.close()


def test_a_prefetch_overtakes_no_completion(stopped: tuple[Bridge, StoppedLoop]) -> None:
    bridge, loop = stopped
    shown = Inbox()
    bridge.submit(replace(REQUEST, session="main.py"), 0.0, shown)
    bridge.submit(replace(REQUEST, session="main.py", priority="background"), 0.0, Inbox())
    loop.may_step.set()
    end = shown.wait()
    assert isinstance(end, CompletionDelta)
    assert end.finish_reason == "length"
    bridge.close()


def test_too_many_unplanned_requests_are_refused(stopped: tuple[Bridge, StoppedLoop]) -> None:
    bridge, loop = stopped
    for _ in range(MAX_ARRIVED):
        bridge.submit(REQUEST, 0.0, Inbox())
    with pytest.raises(QueueFull, match="1024 requests wait"):
        bridge.submit(REQUEST, 0.0, Inbox())
    loop.may_step.set()
    bridge.close()
    assert bridge.num_unfinished == 0


def test_steps_go_on_between_requests_that_are_slow_to_plan() -> None:
    """A flood of them does not stop what is being written."""

    class SlowLoop(ScriptedLoop):
        num_steps_between: list[int]

        def __init__(self) -> None:
            super().__init__()
            self.num_steps_between = [0]

        def submit(self, ticket: Ticket) -> None:
            threading.Event().wait(PLANNING_MS * 2 / 1000)
            self.num_steps_between.append(0)
            super().submit(ticket)

        def step(self) -> None:
            self.num_steps_between[-1] += 1
            super().step()

    loop = SlowLoop()
    bridge = Bridge(lambda: loop)  # type: ignore[arg-type, return-value]
    bridge.submit(replace(REQUEST, max_tokens=10**9), 0.0, Inbox())
    inboxes = [Inbox() for _ in range(10)]
    for inbox in inboxes:
        bridge.submit(REQUEST, 0.0, inbox)
    for inbox in inboxes:
        inbox.wait()
    bridge.close()
    assert min(loop.num_steps_between[1:]) >= 1
