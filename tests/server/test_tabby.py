"""Tabby's completions and health: what segments ask of the engine, answers, refusals."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine import CompletionRequest, Engine, QueueFull
from fimserve.models import load_model
from fimserve.prompt import Snippet, TextEncoder
from fimserve.server.parse import parse_fields
from fimserve.server.routes.tabby_fields import CompletionFields, read_snippets
from fimserve.server.settings import ServerSettings
from support.asgi import request
from support.fake_engine import CARD, FakeEngine
from support.keys import add_key, bearer
from support.rote_model import RoteModel
from support.tiny_checkpoint import write_tiny_checkpoint

SEGMENTS: dict[str, Any] = {
    "prefix": "def area(r):\n    return ",
    "suffix": "\n\nprint(area(2))\n",
    "filepath": "src/geo.py",
}
PATH = "/tabby/v1/completions"
QWEN = "<|fim_prefix|>def f(<|fim_suffix|>): pass<|fim_middle|>"


def complete(
    engine: Any, settings: ServerSettings | None = None, **fields: object
) -> httpx.Response:
    """Return the answer to a request about SEGMENTS."""
    body = {"language": "python", "segments": SEGMENTS} | fields
    return request(engine, "POST", PATH, settings, json=body)


def asked(settings: ServerSettings | None = None, **fields: object) -> CompletionRequest:
    """Return what the engine is asked for by these fields."""
    engine = FakeEngine()
    answer = complete(engine, settings, **fields)
    assert answer.status_code == 200, answer.text
    return engine.last_request


def asked_with(**segments: object) -> CompletionRequest:
    """Return what the engine is asked for by these segments."""
    return asked(segments=SEGMENTS | segments)


def test_answer_has_every_field_of_the_contract() -> None:
    body = complete(FakeEngine()).json()
    assert re.fullmatch(r"cmpl-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.15\.15", body.pop("id"))
    assert body == {"choices": [{"index": 0, "text": "3.14159 * r * r"}], "mode": "standard"}


def test_segments_reach_the_engine() -> None:
    found = asked(user="u-7", temperature=0.8, seed=2**64 - 1)
    assert (found.prefix, found.suffix) == (SEGMENTS["prefix"], SEGMENTS["suffix"])
    assert (found.language, found.path) == ("python", "src/geo.py")
    assert (found.temperature, found.seed, found.max_tokens) == (0.8, 2**64 - 1, 64)
    assert found.session == "u-7\nsrc/geo.py"
    assert not found.streamed


def test_what_the_agent_leaves_out_has_tabby_s_defaults() -> None:
    nothing = dict.fromkeys(
        ("suffix", "filepath", "git_url", "clipboard", "declarations", "edit_history")
    )
    found = asked(
        language="unknown",
        user=None,
        temperature=None,
        segments={"prefix": "x = ", **nothing},
        debug_options=None,
    )
    # A document always has an end to fill in before.
    assert (found.prefix, found.suffix) == ("x = ", "")
    assert (found.language, found.path, found.session) == (None, None, None)
    assert (found.temperature, found.snippets) == (0.0, ())


def test_snippets_are_declarations_then_the_best_of_changed_and_opened_files() -> None:
    found = asked_with(
        declarations=[{"filepath": "consts.py", "body": "PI = 3.14159"}],
        relevant_snippets_from_changed_files=[
            {"filepath": "low.py", "body": "low", "score": 0.1},
            {"filepath": "high.py", "body": "high", "score": 0.9},
            {"filepath": "again.py", "body": "PI = 3.14159", "score": 0.8},
        ],
        relevant_snippets_from_recently_opened_files=[
            {"filepath": "open.py", "body": "open", "score": 5}
        ],
    )
    assert found.snippets == (
        Snippet("consts.py", "PI = 3.14159"),
        Snippet("high.py", "high"),
        Snippet("low.py", "low"),
        Snippet("open.py", "open"),
    )


PIECES = st.lists(
    st.fixed_dictionaries(
        {"filepath": st.sampled_from(["a", "b"]), "body": st.sampled_from("wxyz")},
        optional={"score": st.integers(-2, 2)},
    )
)


@given(declared=PIECES, changed=PIECES, opened=PIECES, cap=st.integers(0, 4))
def test_snippets_are_each_text_once_and_no_more_than_the_cap(
    declared: list[dict[str, Any]],
    changed: list[dict[str, Any]],
    opened: list[dict[str, Any]],
    cap: int,
) -> None:
    segments = {
        "prefix": "x",
        "declarations": declared,
        "relevant_snippets_from_changed_files": changed,
        "relevant_snippets_from_recently_opened_files": opened,
    }
    fields = parse_fields(CompletionFields, {"segments": segments})
    texts = [one.snippet.text for one in read_snippets(fields, ServerSettings(max_snippets=cap))]
    sent = [piece["body"] for piece in (*declared, *changed, *opened)]
    assert len(texts) == len(set(texts)) == min(cap, len(set(sent)))
    first = list(dict.fromkeys(piece["body"] for piece in declared))[:cap]
    assert texts[: len(first)] == first


def test_snippets_beyond_the_cap_are_left_out_the_least_relevant_first() -> None:
    several = [{"filepath": f"{n}.py", "body": f"n = {n}"} for n in range(4)]
    found = asked(ServerSettings(max_snippets=2), segments=SEGMENTS | {"declarations": several})
    assert [snippet.path for snippet in found.snippets] == ["0.py", "1.py"]


def test_retrieval_can_be_switched_off() -> None:
    declared = SEGMENTS | {"declarations": [{"filepath": "a.py", "body": "A = 1"}]}
    options = {"disable_retrieval_augmented_code_completion": True}
    assert asked(segments=declared, debug_options=options).snippets == ()


def test_debug_data_shows_snippets_and_prompt_as_they_were_used() -> None:
    declared = SEGMENTS | {"declarations": [{"filepath": "a.py", "body": "A = 1"}]}
    options = {"return_snippets": True, "return_prompt": True}
    body = complete(FakeEngine(), segments=declared, debug_options=options).json()
    assert body["debug_data"] == {
        "snippets": [{"filepath": "a.py", "body": "A = 1", "score": 1.0}],
        "prompt": "<|file_sep|>a.py\nA = 1\n<|file_sep|>src/geo.py\n"
        "<|fim_prefix|>def area(r):\n    return <|fim_suffix|>\n\nprint(area(2))\n<|fim_middle|>",
    }


def test_raw_prompt_is_taken_apart_or_continued() -> None:
    laid_out = asked(segments=None, debug_options={"raw_prompt": QWEN})
    assert (laid_out.prefix, laid_out.suffix) == ("def f(", "): pass")
    plain = asked(segments=None, debug_options={"raw_prompt": "x = "})
    assert (plain.prefix, plain.suffix) == ("x = ", None)


@pytest.mark.parametrize("body", [{}, {"language": "python"}, {"debug_options": {}}])
def test_nothing_to_complete_is_400_without_a_word(body: object) -> None:
    engine = FakeEngine()
    answer = request(engine, "POST", PATH, json=body)
    assert (answer.status_code, answer.content) == (400, b"")
    assert engine.requests == []


def test_model_that_cannot_fill_in_is_501() -> None:
    engine = FakeEngine()
    engine.card = replace(CARD, fim_family=None, order=None)
    assert complete(engine).status_code == 501


def test_next_edits_are_none_rather_than_an_error() -> None:
    engine = FakeEngine()
    body = complete(engine, mode="next_edit_suggestion").json()
    assert (body["choices"], body["mode"]) == ([], "next_edit_suggestion")
    assert engine.requests == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"segments": {"suffix": "x"}}, "segments.prefix is missing"),
        ({"segments": {"prefix": 7}}, "segments.prefix is 7"),
        ({"segments": {"prefix": "x" * 300_000}}, "300000"),
        ({"segments": {"prefix": "x", "filepath": "a\nb"}}, "segments.filepath"),
        ({"temperature": 3}, "temperature is 3"),
        ({"seed": -1}, "seed is -1"),
        ({"mode": "chat"}, "mode is 'chat'"),
    ],
)
def test_wrong_fields_are_refused_with_a_reason(fields: dict[str, object], words: str) -> None:
    answer = complete(FakeEngine(), **fields)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_busy_engine_answers_429() -> None:
    answer = complete(FakeEngine([QueueFull("256 requests wait", 1000.0)]))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_text_is_the_one_of_other_dialects(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny", endless=True)
    with Engine.load(str(checkpoint), device="cpu", dtype="fp32") as engine:
        ours = complete(engine, temperature=0.8, seed=7).json()["choices"][0]["text"]
        body = {
            "prompt": SEGMENTS["prefix"],
            "suffix": SEGMENTS["suffix"],
            "path": SEGMENTS["filepath"],
            "language": "python",
            "max_tokens": 64,
            "temperature": 0.8,
            "seed": 7,
        }
        theirs = request(engine, "POST", "/openai/v1/completions", json=body).json()
    assert ours == theirs["choices"][0]["text"] != ""


def test_document_with_crlf_gets_its_own_line_ends(tmp_path: Path) -> None:
    document = "def f(x):\n    if x:\n        y = 1\n        z = 2\n    return y\n"
    prefix, suffix = "def f(x):\r\n    if x:", "\r\n    return y\r\n"
    loaded = load_model(str(write_tiny_checkpoint(tmp_path / "tiny")), device="cpu", dtype="fp32")
    encoder = TextEncoder.from_file(loaded.encoder_path)
    model = RoteModel(encoder, document, loaded.config.vocab_size)
    with Engine(replace(loaded, model=model)) as engine:  # type: ignore[arg-type]
        text = complete(
            engine, segments={"prefix": prefix, "suffix": suffix, "filepath": "f.py"}
        ).json()["choices"][0]["text"]
    assert text == "\r\n        y = 1\r\n        z = 2"


@pytest.mark.parametrize("path", ["/v1/health", "/tabby/v1/health"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_health_is_what_the_agent_and_llama_cpp_s_clients_look_for(path: str, method: str) -> None:
    body = request(FakeEngine(), method, path).json()
    assert body["status"] == "ok"
    assert (body["model"], body["device"], body["cuda_devices"]) == ("fake-1b", "cpu", [])
    assert body["models"] == {
        "completion": {"local": {"model_id": "fake-1b", "device": "cpu"}},
        "embedding": {"local": {"model_id": "none", "device": "cpu"}},
    }
    assert re.fullmatch(r"v\d+\.\d+\.\d+", body["version"]["git_describe"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["version"]["build_timestamp"])
    assert body["arch"]
    assert body["cpu_info"]
    assert body["cpu_count"] >= 1
    assert body["webserver"] is False


def test_health_names_no_model_where_nothing_completes() -> None:
    engine = FakeEngine()
    engine.is_alive = False
    answer = request(engine, "GET", "/v1/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "engine stopped"
    assert "model" not in answer.json()


def test_key_for_completions_may_not_report_events_and_the_other_way_round(tmp_path: Path) -> None:
    settings = ServerSettings(keys=tmp_path / "keys.json")
    asks = bearer(add_key(tmp_path / "keys.json", "asks", scopes=("complete",)))
    reports = bearer(add_key(tmp_path / "keys.json", "reports", scopes=("events",)))
    event = {"type": "view", "completion_id": "cmpl-1", "choice_index": 0}
    statuses = {
        (path, name): request(
            FakeEngine(), "POST", f"/tabby/v1/{path}", settings, json=body, headers=headers
        ).status_code
        for path, body in (("events", event), ("completions", {"segments": SEGMENTS}))
        for name, headers in (("asks", asks), ("reports", reports), ("nobody", {}))
    }
    assert statuses == {
        ("events", "asks"): 403,
        ("events", "reports"): 200,
        ("events", "nobody"): 401,
        ("completions", "asks"): 200,
        ("completions", "reports"): 403,
        ("completions", "nobody"): 401,
    }


@pytest.mark.parametrize("path", ["/v1beta/server_setting", "/tabby/v1beta/server_setting"])
def test_settings_keep_the_agent_from_reporting_to_its_vendor(path: str) -> None:
    assert request(FakeEngine(), "GET", path).json() == {"disable_client_side_telemetry": True}
