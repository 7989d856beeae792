"""A run with minutes instead of steps ends in time and never takes more than its steps."""

import math

from hypothesis import given
from hypothesis import strategies as st

from fimtraining.deadline import Deadline


def run(deadline: Deadline, paces: list[float]) -> tuple[int, float]:
    """Train in stretches of 20 steps, each at its pace, and return steps and seconds."""
    step, seconds = 0, 0.0
    for pace in paces:
        size = min(20, deadline.end - step)
        if size <= 0:
            break
        step += size
        seconds += size * pace
        deadline.plan(step, size, size * pace)
    return step, seconds


def test_steady_run_takes_the_steps_that_fit() -> None:
    deadline = Deadline(budget_s=100.0, max_steps=5000)
    step, seconds = run(deadline, [0.25] * 1000)
    assert (step, seconds) == (400, 100.0)


def test_without_a_budget_all_steps_are_taken() -> None:
    deadline = Deadline(budget_s=math.inf, max_steps=130)
    assert run(deadline, [9.0] * 100)[0] == 130


def test_fast_run_ends_with_its_steps() -> None:
    assert run(Deadline(budget_s=1000.0, max_steps=300), [0.1] * 100)[0] == 300


def test_slower_machine_brings_the_end_nearer() -> None:
    deadline = Deadline(budget_s=100.0, max_steps=5000)
    run(deadline, [0.25] * 5)
    assert deadline.end == 400
    deadline.plan(120, 20, 20.0)  # one second a step
    assert deadline.end == 120 + 55


def test_next_stretch_of_a_run_goes_on_with_its_time() -> None:
    first = Deadline(budget_s=100.0, max_steps=5000)
    run(first, [0.5] * 4)
    second = Deadline(100.0, 5000, spent_s=first.spent_s, end=first.end)
    assert second.end == 200
    second.plan(100, 20, 20.0)
    assert second.end == 100 + 40


@given(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=60), st.integers(1, 2000))
def test_end_is_never_behind_the_recipe_nor_ahead_of_what_is_done(
    paces: list[float], max_steps: int
) -> None:
    deadline = Deadline(budget_s=60.0, max_steps=max_steps)
    step, _ = run(deadline, paces)
    assert step <= deadline.end <= max_steps
