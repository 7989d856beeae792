"""Who fails too often waits; the others do not, and memory is bounded."""

from fimserve.server.failed_attempts import MAX_ADDRESSES, SAVED_UP, FailedAttempts


def test_an_address_waits_once_it_has_used_up_what_it_had() -> None:
    now_s = 0.0
    failures = FailedAttempts(2.0, lambda: now_s)
    assert [failures.add("10.0.0.1") for _ in range(SAVED_UP)] == [0.0] * SAVED_UP
    assert failures.add("10.0.0.1") == 0.5
    assert failures.add("10.0.0.2") == 0.0
    now_s = 0.5
    assert failures.add("10.0.0.1") == 0.0


def test_addresses_of_one_network_of_ipv6_count_together() -> None:
    failures = FailedAttempts(2.0, lambda: 0.0)
    waits = [failures.add(f"2001:db8:0:1::{number:x}") for number in range(SAVED_UP + 1)]
    assert waits[-1] > 0
    assert failures.add("2001:db8:0:2::1") == 0.0
    assert len(failures) == 2


def test_only_so_many_addresses_are_remembered() -> None:
    failures = FailedAttempts(2.0, lambda: 0.0)
    for number in range(MAX_ADDRESSES + 100):
        failures.add(f"10.{number >> 8 & 255}.{number & 255}.1")
    assert len(failures) == MAX_ADDRESSES


def test_without_a_rate_nothing_is_counted() -> None:
    failures = FailedAttempts(0.0, lambda: 0.0)
    assert [failures.add("10.0.0.1") for _ in range(2 * SAVED_UP)] == [0.0] * 2 * SAVED_UP
    assert len(failures) == 0
