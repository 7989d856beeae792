"""Arms over HTTP: who gets what, how the client and the events learn of it, and the kill switch."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from fimserve.engine import InvalidRequest
from fimserve.server.app import make_app
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import TelemetrySettings, open_event_store
from fimserve.telemetry.experiments import Arm, ExperimentRegistry, Plan
from support.experiments import make_plan, open_registry_of, open_watch, wait_until
from support.fake_engine import FakeEngine
from support.keys import add_key, bearer
from support.live_server import serve_in_thread
from support.stored import read_rows

BODY = {"prompt": "area = ", "suffix": "\n", "max_tokens": 8}
USERS = [f"user-{i}" for i in range(12)]
NAMES = ("experiment", "arm", "assigned-arm", "user-hash")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.db"


@contextmanager
def serve(
    url: str,
    *plans: Plan,
    engine: FakeEngine | None = None,
    settings: ServerSettings | None = None,
    **values: Any,
) -> Iterator[TestClient]:
    """Have a service where these experiments run."""
    watch = open_watch(url, start=tuple(plan.to_json() for plan in plans), **values)
    store = open_event_store(TelemetrySettings(url=url))
    app = make_app(engine or FakeEngine(), settings, event_store=store, experiments=watch)
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def ask(client: Any, user: str | None = None, **body: object) -> dict[str, str]:
    """Return what the headers of an answer say of an experiment, and its id."""
    given = BODY | body | ({} if user is None else {"user": user})
    answer = client.post("/v1/completions", json=given)
    assert answer.status_code == 200, answer.text
    told = {name: answer.headers.get(f"x-fimserve-{name}") for name in NAMES}
    return {k: v for k, v in told.items() if v is not None} | {"id": answer.json()["id"]}


def test_without_an_experiment_nothing_changes(url: str) -> None:
    engine = FakeEngine()
    with serve(url, engine=engine) as client:
        assert ask(client, "ann").keys() == {"id"}
    assert engine.last_request.adapter is None


def test_a_user_s_arm_decides_the_adapter_and_stays(url: str) -> None:
    engine = FakeEngine()
    with serve(url, make_plan(), engine=engine) as client:
        assert engine.loaded_adapters == ["ours"]  # what an arm needs is loaded
        arms = {}
        for user in USERS:
            told = ask(client, user)
            assert told["arm"] == told["assigned-arm"]
            assert engine.last_request.adapter == (None if told["arm"] == "control" else "ours")
            arms[user] = told["arm"]
        assert set(arms.values()) == {"control", "ours"}
        for user in USERS:
            assert ask(client, user)["arm"] == arms[user]
    with serve(url) as client:  # another process, the same database
        assert {user: ask(client, user)["arm"] for user in USERS} == arms


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/v1/completions", {"segments": {"prefix": "x"}}, True),
        ("/v1/fim/completions", {"model": "codestral", "prompt": "x"}, False),
        ("/beta/completions", {"model": "deepseek-chat", "prompt": "x"}, False),
        ("/infill", {"input_prefix": "x", "input_suffix": "y"}, False),
        ("/api/generate", {"model": "fimserve", "prompt": "x", "suffix": "y"}, False),
        ("/v1/completions", BODY | {"stream": True}, True),
    ],
)
def test_every_dialect_serves_the_arm_of_its_user(
    url: str, path: str, body: dict[str, object], named: bool
) -> None:
    engine = FakeEngine()
    with serve(url, make_plan(), engine=engine) as client:
        arms = {user: ask(client, user)["arm"] for user in USERS}
        for user in USERS:
            answer = client.post(path, json=body, headers={"x-user": user})
            assert answer.status_code == 200
            assert answer.headers["x-fimserve-arm"] == arms[user]
            assert engine.last_request.adapter == (None if arms[user] == "control" else "ours")
            if named:
                again = client.post(path, json=body | {"user": user}, headers={"x-user": "other"})
                assert again.headers["x-fimserve-arm"] == arms[user]


def test_prompt_and_decoding_settings_of_an_arm(url: str) -> None:
    arm = Arm(
        "ours", 1.0, order="spm", max_snippets=1, max_prefix_chars=3, max_suffix_chars=0,
        heal=False, max_tokens=5, multiline=True, temperature=0.5, top_p=0.9, top_k=7,
        min_p=0.1, trim=False, speculate=False,
    )  # fmt: skip
    engine = FakeEngine()
    snippets = [{"path": "a", "text": "a"}, {"path": "b", "text": "b"}]
    with serve(url, make_plan(arms=(arm,)), engine=engine) as client:
        ask(client, "ann", snippets=snippets, min_tokens=6)
    asked = engine.last_request
    assert (asked.order, asked.prefix, asked.suffix, len(asked.snippets)) == ("spm", " = ", "", 1)
    assert (asked.max_tokens, asked.min_tokens, asked.temperature) == (5, 5, 0.5)
    assert (asked.top_p, asked.top_k, asked.min_p) == (0.9, 7, 0.1)
    assert (asked.heal, asked.multiline, asked.trim, asked.speculate) == (False, True, False, False)


def test_a_client_that_asks_for_less_gets_less_and_one_that_names_an_adapter_gets_it(
    url: str,
) -> None:
    engine = FakeEngine()
    with serve(url, make_plan(arms=(Arm("a", 1.0, max_tokens=5),)), engine=engine) as client:
        ask(client, "ann", max_tokens=2)
        assert engine.last_request.max_tokens == 2
        engine.load_adapter("theirs")
        assert ask(client, "ann", model="theirs").keys() == {"id"}
        assert engine.last_request.adapter == "theirs"


def test_a_missing_adapter_falls_back_to_base_and_says_so(url: str) -> None:
    engine = FakeEngine()
    arms = (Arm("ours", 1.0, adapter="nowhere", max_tokens=5),)
    with serve(url, make_plan(arms=arms), engine=engine) as client:
        told = ask(client, "ann")
        assert (told["arm"], told["assigned-arm"]) == ("base", "ours")
        assert (engine.last_request.adapter, engine.last_request.max_tokens) == (None, 8)


def test_what_the_engine_refuses_of_an_arm_is_served_as_usual(url: str) -> None:
    class Particular(FakeEngine):
        def open(self, request: Any) -> Any:
            if request.order == "spm":
                raise InvalidRequest("order is 'spm'; this model has none")
            return super().open(request)

    with serve(url, make_plan(arms=(Arm("a", 1.0, order="spm"),)), engine=Particular()) as client:
        assert ask(client, "ann")["arm"] == "base"
        refused = client.post("/v1/completions", json=BODY | {"order": "spm", "user": "ann"})
        assert refused.status_code == 400


def test_a_delay_arm_holds_the_answer_back(url: str) -> None:
    plan = make_plan(arms=(Arm("now", 0.5), Arm("later", 0.5, delay_ms=300)))
    engine = FakeEngine()
    with serve(url, plan, engine=engine) as client:
        users = {ask(client, user)["arm"]: user for user in USERS}
        for stream in (False, True):
            took_ms = {}
            for arm, user in users.items():
                started_s = time.monotonic()
                with client.stream(
                    "POST", "/v1/completions", json=BODY | {"user": user, "stream": stream}
                ) as answer:
                    next(answer.iter_raw())
                    took_ms[arm] = (time.monotonic() - started_s) * 1000
                assert answer.headers["x-fimserve-arm"] == arm
            assert took_ms["later"] >= 300
            assert took_ms["later"] - took_ms["now"] >= 150
        started_s = time.monotonic()
        ask(client, users["later"], max_tokens=0)  # only warms the cache
        assert time.monotonic() - started_s < 0.3


def test_a_deadline_counts_the_delay(url: str) -> None:
    with serve(url, make_plan(arms=(Arm("later", 1.0, delay_ms=300),))) as client:
        answer = client.post(
            "/v1/completions", json=BODY | {"user": "ann"}, headers={"x-deadline-ms": "150"}
        )
        assert answer.status_code == 429
        assert answer.headers["retry-after"]


def test_a_key_is_a_user_where_nothing_else_names_one(url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    texts = [add_key(keys, f"key-{number}") for number in range(8)]
    with serve(url, make_plan(), settings=ServerSettings(keys=keys)) as client:
        hashes, arms = set(), set()
        for text in texts:
            client.headers.update(bearer(text))
            told = ask(client)
            assert ask(client) | {"id": ""} == told | {"id": ""}
            hashes.add(told["user-hash"])
            arms.add(told["arm"])
        assert len(hashes) == 8
        assert arms == {"control", "ours"}


def test_nobody_is_in_no_experiment(url: str) -> None:
    with serve(url, make_plan()) as client:
        assert ask(client).keys() == {"id"}


def send(client: Any, *events: dict[str, object], **headers: str) -> None:
    """Send events and see them stored."""
    whole = [{"id": f"e{i}", "type": "shown", "at_ms": 1} | one for i, one in enumerate(events)]
    answer = client.post("/v1/events", json={"events": whole}, headers=headers)
    assert answer.json()["accepted"] == len(events), answer.text


def said(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a stored event says of its experiment."""
    return row["experiment"], row["arm"], row["assigned_arm"], row["user_hash"]


def test_events_get_the_arm_of_their_completion_whatever_the_client_says(url: str) -> None:
    arms = (Arm("control", 0.5), Arm("ours", 0.5, adapter="ours"))
    with serve(url, make_plan(arms=arms)) as client:
        told = next(one for user in USERS if (one := ask(client, user))["arm"] == "ours")
        about = {"completion_id": told["id"]}
        wrong = {"experiment": "test", "arm": "control", "assigned_arm": "control"}
        send(client, about, about | wrong, about | {"user_hash": "f" * 32})
    rows = read_rows(url)
    expected = ("test", "ours", "ours", told["user-hash"])
    assert [said(row) for row in rows] == [expected] * 3
    assert {row["adapter"] for row in rows} == {"ours"}


def test_events_of_a_completion_that_is_not_remembered(url: str) -> None:
    with serve(url, make_plan()) as client:
        told = ask(client, "ann")
        honest = {"experiment": "test", "arm": "base", "assigned_arm": told["arm"]}
        who = {"user_hash": told["user-hash"]}
        about = {"completion_id": "cmpl-of-another-life"}
        send(
            client,
            about | who | honest,  # the client repeats what its headers said
            about | who,  # it does not
            about | who | honest | {"arm": "invented"},
            about | who | {"experiment": "its-own", "arm": "x", "assigned_arm": "x"},
            about,
            **{"x-user": "ann"},
        )
    arm, user = told["arm"], told["user-hash"]
    rows = [said(row) for row in read_rows(url)]
    by_assignment = ("test", arm, arm, user)
    assert rows[0] == ("test", "base", arm, user)
    assert rows[1:3] == [by_assignment] * 2
    assert rows[3] == ("its-own", "x", "x", user)
    assert rows[4] == by_assignment


def test_opportunities_have_an_arm_before_anything_was_served(url: str) -> None:
    with serve(url, make_plan(languages=("go",))) as client:
        asked = {"type": "requested", "language": "go"}
        send(client, asked, asked | {"language": "c"}, **{"x-user": "ann"})
        told = ask(client, "ann", language="go")
    inside, outside = (said(row) for row in read_rows(url))
    assert inside == ("test", told["arm"], told["arm"], told["user-hash"])
    assert outside == (None, None, None, told["user-hash"])


def test_tabby_s_events_find_their_arm(url: str) -> None:
    with serve(url, make_plan()) as client:
        body = {"segments": {"prefix": "x"}, "user": "ann"}
        answer = client.post("/v1/completions", json=body)
        view = {"type": "view", "completion_id": answer.json()["id"], "choice_index": 0}
        assert client.post("/v1/events", json=view).status_code == 200
    (row,) = read_rows(url)
    told = answer.headers
    assert said(row)[:2] == ("test", told["x-fimserve-arm"])
    assert row["user_hash"] == told["x-fimserve-user-hash"]


def test_a_user_in_two_layers_has_both_arms_and_both_names(url: str) -> None:
    one = make_plan("one", (Arm("a", 1.0, max_tokens=5),), layer="one")
    two = make_plan("two", (Arm("b", 1.0, adapter="nowhere"),), layer="two")
    engine = FakeEngine()
    with serve(url, one, two, engine=engine) as client:
        told = ask(client, "ann")
        send(client, {"completion_id": told["id"]})
    assert engine.last_request.max_tokens == 5
    assert (told["experiment"], told["arm"], told["assigned-arm"]) == ("one+two", "a+base", "a+b")
    assert said(read_rows(url)[0])[:3] == ("one+two", "a+base", "a+b")


def test_the_holdout_is_marked_and_served_as_usual(url: str) -> None:
    engine = FakeEngine()
    arms = (Arm("ours", 1.0, adapter="ours"),)
    with serve(url, make_plan(arms=arms), engine=engine, holdout=0.5) as client:
        found = {ask(client, user)["arm"]: user for user in USERS}
        assert found.keys() == {"holdout", "ours"}
        assert ask(client, found["holdout"])["experiment"] == "holdout"
        assert engine.last_request.adapter is None


def test_log_and_metrics_say_the_arm(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, "fimserve.server"),
        serve(url, make_plan(arms=(Arm("all", 1.0),))) as client,
    ):
        told = ask(client, "ann")
        numbers = client.get("/metrics").text
    assert "experiment=test arm=all assigned_arm=all" in caplog.text
    assert told["user-hash"] not in numbers
    labels = 'arm="all",assigned_arm="all",experiment="test",status="200"'
    assert f"fimserve_arm_requests_total{{{labels}}} 1.0" in numbers
    assert 'fimserve_arm_e2e_seconds_count{arm="all",experiment="test"} 1.0' in numbers


def test_the_kill_switch_reaches_users_at_work_and_fails_nobody(url: str) -> None:
    arms = (Arm("ours", 1.0, adapter="ours"),)
    watch = open_watch(url, start=(make_plan(arms=arms).to_json(),))
    store = open_event_store(TelemetrySettings(url=url))
    seen: list[str] = []
    failed: list[object] = []
    with (
        serve_in_thread(FakeEngine(), None, store, watch) as address,
        httpx.Client(base_url=address) as client,
        open_registry_of(url) as registry,
    ):
        is_over = threading.Event()

        def work() -> None:
            while not is_over.is_set():
                answer = client.post("/v1/completions", json=BODY | {"user": "ann"})
                if answer.status_code != 200:
                    failed.append(answer.status_code)
                seen.append(answer.headers.get("x-fimserve-arm", "-"))

        worker = threading.Thread(target=work)
        worker.start()
        try:
            wait_until(lambda: "ours" in seen)
            registry.stop_arm("test", "ours", "an accident")
            wait_until(lambda: seen[-1] == "base")
            stop_and_wait(registry, seen)
        finally:
            is_over.set()
            worker.join()
    assert failed == []
    order = [arm for i, arm in enumerate(seen) if not i or seen[i - 1] != arm]
    assert order == ["ours", "base", "-"]


def stop_and_wait(registry: ExperimentRegistry, seen: list[str]) -> None:
    """Stop the experiment and wait until nobody is in it."""
    registry.stop("test", "enough")
    wait_until(lambda: seen[-1] == "-")
