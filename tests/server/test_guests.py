"""Who goes for a newcomer: one that has not asked, then an idle one, never one that is served."""

import logging

import pytest

from fimserve.server.guests import REPORT_EVERY_S, Guest, Guests, Stage
from support.fake_clock import FakeClock


def seat(guests: Guests, address: str, stage: Stage, gone: list[Guest]) -> Guest:
    """Return a guest that notes when it is shown out."""
    guest = guests.enter(address)
    guest.find_stage = lambda: stage
    guest.show_out = lambda: gone.append(guest)
    return guest


def test_the_oldest_that_waits_goes_before_one_that_is_idle() -> None:
    guests, gone = Guests(3), list[Guest]()
    seat(guests, "a", "idle", gone)
    first, _ = seat(guests, "a", "waiting", gone), seat(guests, "a", "waiting", gone)
    assert not guests.enter("a").is_refused
    assert gone == [first]
    assert len(guests) == 3


def test_an_idle_one_goes_where_nobody_waits() -> None:
    guests, gone = Guests(2), list[Guest]()
    seat(guests, "a", "busy", gone)
    idle = seat(guests, "a", "idle", gone)
    assert not guests.enter("a").is_refused
    assert gone == [idle]


def test_the_address_with_most_silent_connections_loses_one() -> None:
    guests, gone = Guests(4), list[Guest]()
    seat(guests, "honest", "waiting", gone)
    flood = [seat(guests, "flood", "waiting", gone) for _ in range(3)]
    guests.enter("another")
    assert gone == [flood[0]]


def test_who_is_served_stays_and_the_newcomer_is_refused() -> None:
    guests, gone = Guests(2), list[Guest]()
    busy = [seat(guests, "a", "busy", gone) for _ in range(2)]
    assert guests.enter("a").is_refused
    assert gone == []
    guests.leave(busy[0])
    assert not guests.enter("a").is_refused


def test_those_that_are_refused_are_only_so_many() -> None:
    guests, gone = Guests(16), list[Guest]()
    for _ in range(16):
        seat(guests, "a", "busy", gone)
    refused = [seat(guests, "b", "busy", gone) for _ in range(5)]
    assert all(guest.is_refused for guest in refused)
    assert gone == refused[:3]
    assert len(guests) == 16 + 2


def test_a_flood_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    guests, gone = Guests(1, lambda: clock() / 1000), list[Guest]()
    with caplog.at_level(logging.WARNING, "fimserve.server"):
        for _ in range(11):
            seat(guests, "a", "waiting", gone)
        clock.time_ms += REPORT_EVERY_S * 1000
        seat(guests, "a", "waiting", gone)
    lines = [record.getMessage().split(" ", 1)[0] for record in caplog.records]
    assert lines == ["1", "10"]
