"""Engine, client and clock: who is first is told apart, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest
from starlette.types import Message

from fimserve.engine import CompletionDelta
from fimserve.server.errors import ClientDisconnected
from fimserve.server.race import TimeUp, race

DELTA = CompletionDelta("text", (1,))


class Client:
    """The client's end of a connection."""

    def __init__(self) -> None:
        self.has_left = asyncio.Event()

    async def receive(self) -> Message:
        await self.has_left.wait()
        return {"type": "http.disconnect"}


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await test()
        await asyncio.sleep(0.01)  # what was cancelled has its turn
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


async def speak(
    num_deltas: int, then: Exception | None = None, at_the_end: Exception | None = None
) -> AsyncGenerator[CompletionDelta]:
    """Yield some deltas, then raise or wait for ever; `at_the_end` is raised when given up."""
    try:
        for _ in range(num_deltas):
            yield DELTA
        if then is not None:
            raise then
        await asyncio.Event().wait()
    finally:
        if at_the_end is not None:
            raise at_the_end


async def read(
    opened: AsyncGenerator[CompletionDelta], client: Client, due_s: float | None = None
) -> list[CompletionDelta]:
    return [delta async for delta in race(opened, client.receive, due_s)]


def soon() -> float:
    return asyncio.get_running_loop().time() + 0.02


def test_an_engine_that_ends_is_read_to_its_end() -> None:
    async def test() -> None:
        async def opened() -> AsyncGenerator[CompletionDelta]:
            yield DELTA
            yield DELTA

        assert await read(opened(), Client(), soon() + 60) == [DELTA, DELTA]

    run(test)


@pytest.mark.parametrize("at_the_end", [None, ValueError("a defect"), TimeoutError()])
def test_a_clock_that_runs_out_is_time_up(at_the_end: Exception | None) -> None:
    async def test() -> None:
        with pytest.raises(TimeUp):
            await read(speak(2, at_the_end=at_the_end), Client(), soon())

    run(test)


@pytest.mark.parametrize("at_the_end", [None, ValueError("a defect"), TimeoutError()])
@pytest.mark.parametrize("has_deadline", [False, True])
def test_a_client_that_leaves_ends_the_wait(
    at_the_end: Exception | None, has_deadline: bool
) -> None:
    async def test() -> None:
        client = Client()
        asyncio.get_running_loop().call_later(0.02, client.has_left.set)
        with pytest.raises(ClientDisconnected):
            await read(
                speak(2, at_the_end=at_the_end), client, soon() + 60 if has_deadline else None
            )

    run(test)


@pytest.mark.parametrize("error", [ValueError("a defect"), TimeoutError("its own")])
def test_what_the_engine_raises_is_raised(error: Exception) -> None:
    async def test() -> None:
        with pytest.raises(type(error), match=str(error)):
            await read(speak(1, then=error), Client(), soon() + 60)

    run(test)


def test_a_client_that_left_before_is_noticed_though_the_engine_never_waits() -> None:
    async def test() -> None:
        client = Client()
        client.has_left.set()
        seen: list[CompletionDelta] = []

        async def read_on() -> None:
            async for delta in race(speak(1000), client.receive, None):
                seen.append(delta)

        with pytest.raises(ClientDisconnected):
            await read_on()
        assert len(seen) <= 3

    run(test)


def test_being_cancelled_closes_the_engine_and_is_no_timeout() -> None:
    async def test() -> None:
        closed = asyncio.Event()

        async def opened() -> AsyncGenerator[CompletionDelta]:
            try:
                yield DELTA
                await asyncio.Event().wait()
            finally:
                closed.set()

        task = asyncio.ensure_future(read(opened(), Client(), soon() + 60))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed.is_set()

    run(test)
