"""Events on their way: never in the way, never twice, never lost without being counted."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from fimserve.lsp.completion_client import Delivery
from fimserve.lsp.event_queue import MAX_BATCH, MAX_WAITING, EventQueue


class Receiver:
    """Takes batches and answers from a list; `done` once that is used up."""

    def __init__(self, *answers: Delivery) -> None:
        self._answers = list(answers)
        self.batches: list[list[Mapping[str, object]]] = []

    async def __call__(self, events: Sequence[Mapping[str, object]]) -> Delivery:
        self.batches.append(list(events))
        return self._answers.pop(0) if self._answers else "done"


async def settle(queue: EventQueue) -> None:
    """Wait until the queue is empty."""
    async with asyncio.timeout(10):
        while len(queue):
            await asyncio.sleep(0.001)


def make(receiver: Receiver) -> EventQueue:
    """Return a queue that loses no time."""
    return EventQueue(receiver, gather_s=0, retry_s=(0.001, 0.004))


def test_events_travel_together_and_in_order() -> None:
    receiver = Receiver()

    async def scenario() -> None:
        queue = make(receiver)
        for number in range(MAX_BATCH + 5):
            queue.add({"id": number})
        await settle(queue)

    asyncio.run(scenario())
    assert [len(batch) for batch in receiver.batches] == [MAX_BATCH, 5]
    assert [event["id"] for batch in receiver.batches for event in batch] == list(range(105))


def test_failure_is_tried_again_with_the_same_ids() -> None:
    receiver = Receiver("later", "later", "done")

    async def scenario() -> None:
        queue = make(receiver)
        queue.add({"id": "a"})
        queue.add({"id": "b"})
        await settle(queue)

    asyncio.run(scenario())
    assert receiver.batches == [[{"id": "a"}, {"id": "b"}]] * 3


def test_refused_events_are_dropped_and_later_ones_go() -> None:
    receiver = Receiver("never")

    async def scenario() -> int:
        queue = make(receiver)
        queue.add({"id": "a"})
        await settle(queue)
        queue.add({"id": "b"})
        await settle(queue)
        return queue.num_refused

    assert asyncio.run(scenario()) == 1
    assert receiver.batches == [[{"id": "a"}], [{"id": "b"}]]


def test_oldest_events_go_when_the_queue_is_full() -> None:
    async def scenario() -> None:
        away = Receiver(*["later"] * 1000)
        queue = make(away)
        for number in range(MAX_WAITING + 7):
            queue.add({"id": number})
        assert len(queue) == MAX_WAITING
        assert queue.num_dropped == 7
        await queue.flush(0)
        assert away.batches == [] or away.batches[0][0] == {"id": 7}

    asyncio.run(scenario())


def test_adding_while_a_batch_travels_loses_nothing() -> None:
    arrived: list[object] = []

    async def scenario() -> None:
        async def slow(events: Sequence[Mapping[str, object]]) -> Delivery:
            await asyncio.sleep(0.005)
            arrived.extend(event["id"] for event in events)
            return "done"

        queue = EventQueue(slow, gather_s=0)
        for number in range(50):
            queue.add({"id": number})
            await asyncio.sleep(0.0005)
        await settle(queue)

    asyncio.run(scenario())
    assert arrived == list(range(50))


def test_user_who_says_no_is_obeyed_at_once() -> None:
    receiver = Receiver()

    async def scenario() -> None:
        queue = EventQueue(receiver, gather_s=60)
        queue.add({"id": "a"})
        queue.clear()
        await queue.flush(1)

    asyncio.run(scenario())
    assert receiver.batches == []


@pytest.mark.parametrize(("answers", "num_left"), [((), 0), (("later",), 2)])
def test_flush_tries_once_and_ends(answers: tuple[Delivery, ...], num_left: int) -> None:
    async def scenario() -> int:
        queue = EventQueue(Receiver(*answers), gather_s=60)
        queue.add({"id": "a"})
        queue.add({"id": "b"})
        await queue.flush(1)
        return len(queue)

    assert asyncio.run(scenario()) == num_left


def test_flush_ends_though_the_server_hangs() -> None:
    async def scenario() -> int:
        async def hang(events: Sequence[Mapping[str, object]]) -> Delivery:
            await asyncio.Event().wait()
            return "done"

        queue = EventQueue(hang, gather_s=0)
        queue.add({"id": "a"})
        await asyncio.sleep(0.01)  # the sender hangs by now
        await queue.flush(0.01)
        return len(queue)

    assert asyncio.run(scenario()) == 1
