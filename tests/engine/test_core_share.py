"""A step gives threads up while others keep the cores busy, and takes them back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine.core_share import LOOK_EVERY_S, CoreShare, CpuTimes


class Machine:
    """Cores on which others compute as much as the test says, and the steps all the time."""

    def __init__(self, num_cores: int, max_threads: int) -> None:
        self.wall_s = self.busy_s = self.own_s = 0.0
        self.tells = True
        self.share = CoreShare(max_threads, num_cores, self.read_clocks)
        self.share.look(0.0)

    def read_clocks(self) -> CpuTimes | None:
        return CpuTimes(self.wall_s, self.busy_s, self.own_s) if self.tells else None

    def run(self, others: float, own: float = 1.0, num_looks: int = 10) -> int:
        """Let time pass; `others` and `own` are in cores, the latter of one thread."""
        for _ in range(num_looks):
            self.busy_s += LOOK_EVERY_S * 1.01 * (others + own * self.share.num_threads)
            self.own_s += LOOK_EVERY_S * 1.01 * own
            self.wall_s += LOOK_EVERY_S * 1.01
            self.share.look(self.wall_s)
        return self.share.num_threads


def test_an_idle_machine_gives_all_its_cores() -> None:
    assert Machine(2, 2).run(others=0.0) == 2


def test_beside_somebody_who_takes_a_core_one_thread_is_left_of_two() -> None:
    machine = Machine(2, 2)
    assert machine.run(others=1.0) == 1
    assert machine.run(others=0.0) == 2


def test_a_client_on_the_same_machine_takes_no_thread_away() -> None:
    assert Machine(2, 2).run(others=0.4) == 2


def test_one_busy_moment_is_not_enough() -> None:
    machine = Machine(2, 2)
    assert machine.run(others=1.0, num_looks=1) == 2


def test_cores_beyond_the_threads_are_for_others() -> None:
    assert Machine(8, 4).run(others=4.0) == 4
    assert Machine(8, 4).run(others=6.0) == 2


def test_where_the_system_does_not_tell_nothing_changes() -> None:
    machine = Machine(2, 2)
    machine.tells = False
    assert machine.run(others=2.0) == 2


@given(st.integers(1, 16), st.integers(1, 16), st.lists(st.floats(0, 32), max_size=8))
def test_there_is_always_a_thread_and_never_one_too_many(
    num_cores: int, max_threads: int, loads: list[float]
) -> None:
    machine = Machine(num_cores, max_threads)
    for load in loads:
        assert 1 <= machine.run(load, num_looks=2) <= max_threads
