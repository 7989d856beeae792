"""Plans: what cannot be is refused with the value and the remedy; what is read back is the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.telemetry.errors import ExperimentError
from fimserve.telemetry.experiments import Arm, Plan, parse_plan
from fimserve.telemetry.experiments.experiment import BucketRange
from fimserve.telemetry.experiments.layers import find_room
from support.experiments import make_plan, make_running

TWO = [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arms": [*TWO, {"name": "c", "share": 0.1}]}, "add up to 1.1"),
        ({"arms": [TWO[0], TWO[0]]}, "two arms are called 'a'"),
        ({"arms": []}, "there are 0 arms"),
        ({"arms": [{"name": "base", "share": 1}]}, "'base'"),
        ({"arms": [{"name": "a", "share": 1.5}]}, "share is 1.5; use a number from 0 to 1"),
        ({"arms": [{"name": "a", "share": 0.00001}]}, "nobody would get it"),
        ({"arms": [{"name": "a+b", "share": 1}]}, "an arm's name is 'a[+]b'"),
        ({"arms": [{"name": "a", "share": 1, "delay_ms": -1}]}, "delay_ms is -1"),
        ({"arms": [{"name": "a", "share": 1, "delay_ms": True}]}, "delay_ms is True"),
        ({"arms": [{"name": "a", "share": 1, "top_k": 1.5}]}, "top_k is 1.5; use a whole number"),
        ({"arms": [{"name": "a", "share": 1, "order": "pms"}]}, "order is 'pms'; use one of"),
        ({"arms": [{"name": "a", "share": 1, "trim": 0}]}, "trim is 0; use true or false"),
        ({"arms": [{"name": "a", "share": 1, "adaptor": "x"}]}, "did you mean adapter"),
        ({"arms": [{"name": "a"}]}, "an arm without share"),
        ({"arms": "a"}, "arms should be a list"),
        ({"share": 0}, "share is 0"),
        ({"share": float("nan")}, "share is nan"),
        ({"name": "holdout"}, "cannot be called 'holdout'"),
        ({"layer": ""}, "a layer's name is ''"),
        ({"language": ["go"]}, "did you mean languages"),
        ({"tenants": "ours"}, "use a list of names"),
        ({"guardrails": {"latency_ms": -1}}, "latency_ms is -1"),
        ({"guardrails": {"min_users": 3}}, "min_users is 3; use a whole number of 100 or more"),
        ({"guardrails": {"alpha": 0.7}}, "alpha is 0.7"),
        ({"guardrails": {"latency": 1}}, "did you mean latency_ms"),
        ({"primary": "joy"}, "primary is 'joy'; use one of retained_chars, car"),
    ],
)
def test_what_cannot_be_is_refused_in_words(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ExperimentError, match=said):
        parse_plan({"name": "test", "arms": TWO} | change)


arms = st.builds(
    Arm,
    name=st.just("a"),
    share=st.floats(0.001, 0.5),
    adapter=st.none() | st.just("ours"),
    delay_ms=st.none() | st.floats(0, 5_000),
    order=st.none() | st.sampled_from(["psm", "auto"]),
    max_tokens=st.none() | st.integers(1, 100),
    heal=st.none() | st.booleans(),
)


@given(arms, st.lists(st.sampled_from(["go", "c"]), unique=True), st.floats(0.01, 1))
def test_a_plan_is_read_back_as_it_was(arm: Arm, languages: list[str], share: float) -> None:
    primary = "car" if languages else None
    targets = tuple(languages)
    plan = make_plan(arms=(arm, Arm("b", 0.5)), languages=targets, share=share, primary=primary)
    assert parse_plan(plan.to_json()) == plan
    one = make_running(plan).stop_arm("a", "why", 3)
    assert one.from_json(one.to_json()) == one


def test_states_go_one_way() -> None:
    one = make_running(make_plan())
    with pytest.raises(ExperimentError, match="is running; only a draft"):
        one.start([], 2)
    stopped = one.stop("enough", 2)
    assert (stopped.state, stopped.stopped_ms, stopped.reason) == ("stopped", 2, "enough")
    for change in (lambda: stopped.stop("again", 3), lambda: stopped.stop_arm("ours", "x", 3)):
        with pytest.raises(ExperimentError, match="is stopped; there is nothing to stop"):
            change()
    with pytest.raises(ExperimentError, match="has no arm 'theirs'; it has control, ours"):
        one.stop_arm("theirs", "x", 3)
    with pytest.raises(ExperimentError, match="on under another name"):
        stopped.start([], 3)


def place(plan: Plan, buckets: list[BucketRange]) -> Any:
    """Return a running experiment with these buckets."""
    one = make_running(plan)
    return one.from_json(one.to_json() | {"buckets": [list(pair) for pair in buckets]})


@given(st.lists(st.floats(0.01, 0.6), min_size=1, max_size=8))
def test_a_layer_gives_no_bucket_away_twice(shares: list[float]) -> None:
    running: list[Any] = []
    for number, share in enumerate(shares):
        plan = make_plan(f"e{number}", share=share)
        num_taken = sum(end - start for one in running for start, end in one.buckets)
        if num_taken + round(share * 10_000) > 10_000:
            with pytest.raises(ExperimentError, match="is free"):
                find_room(plan, running)
            running.pop(0)  # leaves a hole
        else:
            running.append(place(plan, find_room(plan, running)))
    owned = [b for one in running for start, end in one.buckets for b in range(start, end)]
    assert len(owned) == len(set(owned))
    for one in running:
        assert sum(end - start for start, end in one.buckets) == round(one.plan.share * 10_000)


def test_layers_that_change_the_same_are_refused() -> None:
    running = [make_running(make_plan("one", layer="one"))]
    with pytest.raises(ExperimentError, match=r"both change adapter; .* put them in one layer"):
        find_room(make_plan("two", layer="two"), running)
    delay = (Arm("now", 0.5), Arm("later", 0.5, delay_ms=100))
    assert find_room(make_plan("two", delay, layer="two"), running) == [(0, 10_000)]


def test_names_that_no_event_could_carry_together_are_refused() -> None:
    running = [make_running(make_plan("x" * 40, layer="one"))]
    delay = (Arm("now", 0.5), Arm("later", 0.5, delay_ms=100))
    with pytest.raises(ExperimentError, match="names of 65 characters; events take 64"):
        find_room(make_plan("y" * 24, delay, layer="two"), running)
