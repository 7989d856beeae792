"""Ollama's routes: lines of JSON byte for byte, what a request asks of the engine, errors."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine import QueueFull, TokenLogprob
from fimserve.engine.completion import CompletionDelta
from fimserve.prompt import Order, PromptParts, Snippet
from fimserve.server.settings import ServerSettings
from support.asgi import request
from support.fake_engine import CARD, USAGE, FakeEngine
from support.keys import add_key, bearer

AREA = {"model": "fake-1b", "prompt": "def area(r):\n    return ", "suffix": "\n\nprint(area(2))\n"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
QWEN = "<|fim_prefix|>def f(<|fim_suffix|>): pass<|fim_middle|>"


def generate(
    engine: FakeEngine, settings: ServerSettings | None = None, **fields: object
) -> httpx.Response:
    """Return the answer to a request that does not stream unless it says so."""
    body = AREA | {"stream": False} | fields
    return request(engine, "POST", "/api/generate", settings, json=body)


def asked(settings: ServerSettings | None = None, **fields: object) -> Any:
    """Return what the engine is asked for by these fields."""
    engine = FakeEngine()
    answer = generate(engine, settings, **fields)
    assert answer.status_code == 200, answer.text
    return engine.last_request


def test_whole_answer_has_every_field_of_the_contract() -> None:
    answer = generate(FakeEngine())
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert TIME.fullmatch(body.pop("created_at"))
    assert body == {
        "model": "fake-1b",
        "response": "3.14159 * r * r",
        "done": True,
        "done_reason": "stop",
        "total_duration": 41_000_000,
        "load_duration": 0,
        "prompt_eval_count": 19,
        "prompt_eval_duration": 7_750_000,
        "eval_count": 9,
        "eval_duration": 32_750_000,
    }


def test_stream_is_the_default_and_the_contract_byte_for_byte() -> None:
    answer = request(FakeEngine(), "POST", "/api/generate", json=AREA)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert TIME.sub("T", answer.text) == (
        '{"model":"fake-1b","created_at":"T","response":"3.14159","done":false}\n'
        '{"model":"fake-1b","created_at":"T","response":" * r * r","done":false}\n'
        '{"model":"fake-1b","created_at":"T","response":"","done":true,"done_reason":"stop",'
        '"total_duration":41000000,"load_duration":0,"prompt_eval_count":19,'
        '"prompt_eval_duration":7750000,"eval_count":9,"eval_duration":32750000}\n'
    )


def test_line_separators_are_escaped_so_that_no_client_breaks_a_line_there() -> None:
    answer = generate(FakeEngine(["\u0085\u2028", "\u2029"]), stream=True)
    assert b"\\u0085\\u2028" in answer.content
    records = [json.loads(line) for line in answer.iter_lines()]
    assert "".join(record["response"] for record in records) == "\u0085\u2028\u2029"


@given(pieces=st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_stream_and_whole_answer_hold_the_same_text(pieces: list[str]) -> None:
    lines = generate(FakeEngine(pieces), stream=True).text.removesuffix("\n").split("\n")
    streamed = "".join(json.loads(line)["response"] for line in lines)
    assert streamed == generate(FakeEngine(pieces)).json()["response"] == "".join(pieces)


def test_failure_inside_a_stream_is_its_last_line() -> None:
    answer = generate(FakeEngine(["3.14", RuntimeError("broken")]), stream=True)
    *_, last = answer.text.removesuffix("\n").split("\n")
    assert list(json.loads(last)) == ["error"]
    assert "broken" not in last


@pytest.mark.parametrize("stream", [False, True])
def test_full_queue_answers_503_with_a_text(stream: bool) -> None:
    answer = generate(FakeEngine([QueueFull("256 requests wait", 1500.0)]), stream=stream)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["retry-after"] == "2"
    assert answer.json() == {"error": "256 requests wait."}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/api/generate", {"model": "gpt", "prompt": "x"}, 404, "model 'gpt' not found"),
        ("POST", "/api/show", {"name": "gpt"}, 404, "model 'gpt' not found"),
        ("POST", "/api/generate", {"prompt": 7}, 400, "prompt is 7"),
        ("POST", "/api/generate", {"prompt": "x", "top_logprobs": 21}, 400, "top_logprobs is 21"),
        ("POST", "/api/generate", {"prompt": "x", "options": {"top_k": "a"}}, 400, "options.top_k"),
        ("POST", "/api/generate", {"prompt": "x", "options": {"stop": ["a"] * 17}}, 400, "17"),
        ("POST", "/api/generate", {"prompt": "x", "options": {"stop": "a" * 65}}, 400, "65"),
        ("POST", "/api/generate", {"prompt": "x" * 300_000}, 400, "300000"),
        ("POST", "/api/generate", {"prompt": "x", "raw": True, "system": "be"}, 400, "raw mode"),
        ("POST", "/api/chat", {"model": "fake-1b"}, 404, "no such route"),
        ("GET", "/api/generate", None, 405, "POST"),
    ],
)
def test_refusals_are_an_object_with_a_text(
    method: str, path: str, body: object, status: int, words: str
) -> None:
    answer = request(FakeEngine(), method, path, json=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


def test_options_reach_the_engine() -> None:
    found = asked(
        options={
            "num_predict": 32,
            "temperature": 0.2,
            "top_k": 40,
            "top_p": 0.9,
            "min_p": 0.05,
            "seed": 7,
            "stop": ["<|file_sep|>", ""],
            "num_ctx": 4096,
            "repeat_penalty": 1.1,
            "num_gpu": -1,
        },
    )
    assert (found.max_tokens, found.temperature, found.top_k) == (32, 0.2, 40)
    assert (found.top_p, found.min_p, found.seed) == (0.9, 0.05, 7)
    assert found.stop == ("<|file_sep|>",)


def test_minus_one_turns_off_what_it_is_given_to() -> None:
    off = dict.fromkeys(("num_predict", "top_k", "top_p", "min_p", "seed", "temperature"), -1)
    found = asked(ServerSettings(max_tokens=200), options=off)
    assert found.max_tokens == 200
    assert (found.top_k, found.top_p, found.min_p) == (0, 1.0, 0.0)
    assert (found.seed, found.temperature) == (None, 0.0)


def test_without_options_completions_are_greedy_and_short() -> None:
    assert asked(options=None) == asked(options={"temperature": None}) == asked()
    assert (asked().temperature, asked().max_tokens) == (0.0, 128)


def test_cursor_at_the_start_of_a_file_is_filled_in() -> None:
    found = asked(prompt="", suffix="print(1)\n")
    assert (found.prefix, found.suffix) == ("", "print(1)\n")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "load"),
        ({"suffix": ""}, "load"),
        ({"keep_alive": "5m"}, "load"),
        ({"keep_alive": 1800}, "load"),
        ({"keep_alive": 0}, "unload"),
        ({"keep_alive": "0s"}, "unload"),
    ],
)
def test_nothing_on_either_side_loads_the_model(fields: dict[str, object], reason: str) -> None:
    engine = FakeEngine()
    answer = request(engine, "POST", "/api/generate", json={"model": "fake-1b", **fields})
    body = answer.json()
    assert (body["response"], body["done"], body["done_reason"]) == ("", True, reason)
    assert engine.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        {"raw": True, "suffix": "not looked at"},
        {"suffix": ""},
        {"suffix": None},
        {"template": "{{ .Prompt }}", "suffix": "not looked at"},
    ],
)
def test_prompt_that_is_laid_out_already_is_taken_apart(fields: dict[str, object]) -> None:
    found = asked(prompt=QWEN, **fields)
    assert (found.prefix, found.suffix) == ("def f(", "): pass")


def test_files_of_a_laid_out_prompt_are_snippets() -> None:
    prompt = f"<|repo_name|>r\n<|file_sep|>a.py\nA = 1\n<|file_sep|>b.py\n{QWEN}"
    found = asked(prompt=prompt, raw=True)
    assert found.snippets == (Snippet("a.py", "A = 1"),)
    assert found.path == "b.py"


def test_markers_beside_a_suffix_are_text() -> None:
    found = asked(prompt=QWEN)
    assert PromptParts(found.prefix, found.suffix) == PromptParts(QWEN, AREA["suffix"])


def test_raw_prompt_without_markers_is_continued() -> None:
    found = asked(raw=True)
    assert (found.prefix, found.suffix) == (AREA["prompt"], None)


def test_log_probabilities_come_where_they_are_asked_for() -> None:
    entry = TokenLogprob(7, b"pi", -0.25, ((7, b"pi", -0.25), (8, b"\xe2", -2.0)))
    delta = CompletionDelta("pi", (7,), "stop", USAGE, logprobs=(entry,))
    engine = FakeEngine([delta])
    told = generate(engine, logprobs=True, top_logprobs=2).json()["logprobs"]
    assert engine.last_request.logprobs == 2
    assert told == [
        {
            "token": "pi",
            "logprob": -0.25,
            "bytes": [112, 105],
            "top_logprobs": [
                {"token": "pi", "logprob": -0.25, "bytes": [112, 105]},
                {"token": "�", "logprob": -2.0, "bytes": [0xE2]},
            ],
        }
    ]
    assert asked(top_logprobs=2).logprobs is None


def test_tag_of_the_usual_variant_and_adapters_are_names() -> None:
    engine = FakeEngine()
    engine.loaded_adapters.append("ours")
    assert generate(engine, model="fake-1b:latest").status_code == 200
    assert generate(engine, model="ours").json()["model"] == "ours"
    assert engine.last_request.adapter == "ours"


def test_list_names_everything_that_is_served() -> None:
    engine = FakeEngine()
    engine.loaded_adapters.append("ours")
    settings = ServerSettings(model_aliases=("qwen2.5-coder:1.5b",))
    models = request(engine, "GET", "/api/tags", settings).json()["models"]
    assert [entry["name"] for entry in models] == ["fake-1b", "qwen2.5-coder:1.5b", "ours"]
    assert len({entry["digest"] for entry in models}) == 3
    first = models[0]
    assert first["model"] == first["name"]
    assert TIME.fullmatch(first["modified_at"])
    assert first["size"] == CARD.num_bytes
    assert first["capabilities"] == ["completion", "insert"]
    assert first["details"] == {
        "parent_model": "",
        "format": "safetensors",
        "family": "qwen2",
        "families": ["qwen2"],
        "parameter_size": "1.5B",
        "quantization_level": "BF16",
    }


def test_what_is_in_memory_is_what_is_served() -> None:
    engine = FakeEngine()
    engine.loaded_adapters.append("ours")
    models = request(engine, "GET", "/api/ps").json()["models"]
    assert [entry["name"] for entry in models] == ["fake-1b", "ours"]
    assert models[0]["size"] == CARD.num_bytes
    assert models[0]["size_vram"] == 0
    assert models[0]["context_length"] == CARD.max_context_tokens
    assert datetime.fromisoformat(models[0]["expires_at"]).year > 2300
    listed = request(engine, "GET", "/api/tags").json()["models"]
    assert [entry["digest"] for entry in models] == [entry["digest"] for entry in listed]


def show(engine: FakeEngine, body: object) -> dict[str, Any]:
    answer = request(engine, "POST", "/api/show", json=body)
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    return shown


@pytest.mark.parametrize("key", ["model", "name"])
def test_show_tells_template_context_and_stops(key: str) -> None:
    shown = show(FakeEngine(), {key: "fake-1b"})
    assert shown["template"] == (
        "<|fim_prefix|>{{ .Prompt }}<|fim_suffix|>{{ .Suffix }}<|fim_middle|>"
    )
    assert shown["parameters"].split("\n") == [
        "num_ctx 8192",
        "num_predict 128",
        "temperature 0",
        'stop "<|endoftext|>"',
        'stop "<|file_sep|>"',
    ]
    assert shown["model_info"]["general.architecture"] == "qwen2"
    assert shown["model_info"]["qwen2.context_length"] == 8192
    assert shown["capabilities"] == ["completion", "insert"]
    assert shown["modelfile"] == ""


@pytest.mark.parametrize(
    ("family", "order", "template"),
    [
        ("codellama", Order.PSM, "<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>"),
        ("codestral", Order.SPM, "[SUFFIX]{{ .Suffix }}[PREFIX]{{ .Prompt }}"),
        (None, None, "{{ .Prompt }}"),
    ],
)
def test_template_is_the_family_s_own(
    family: str | None, order: Order | None, template: str
) -> None:
    engine = FakeEngine()
    engine.card = replace(CARD, fim_family=family, order=order)
    shown = show(engine, {"model": "fake-1b"})
    assert shown["template"] == template
    assert ("insert" in shown["capabilities"]) == ("stop " in shown["parameters"])


@pytest.mark.parametrize("path", ["/api/tags", "/api/ps", "/api/version", "/"])
def test_what_programs_probe_answers_head_like_get(path: str) -> None:
    got = request(FakeEngine(), "GET", path)
    headed = request(FakeEngine(), "HEAD", path)
    assert (got.status_code, headed.status_code) == (200, 200)
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]


def test_root_is_what_ollama_says() -> None:
    answer = request(FakeEngine(), "GET", "/", headers={"accept": "*/*"})
    assert answer.text == "Ollama is running"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["vary"] == "accept"


def test_root_is_the_playground_for_who_asks_for_a_page() -> None:
    page = request(FakeEngine(), "GET", "/", headers={"accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    line = request(FakeEngine(), "GET", "/", headers={"accept": "application/json"})
    assert line.text == "Ollama is running"


def test_only_the_line_at_root_is_there_without_a_key(tmp_path: Path) -> None:
    settings = ServerSettings(keys=tmp_path / "keys.json")
    key = add_key(tmp_path / "keys.json")
    assert request(FakeEngine(), "GET", "/", settings).status_code == 200
    for path in ("/api/tags", "/api/version"):
        refused = request(FakeEngine(), "GET", path, settings)
        assert (refused.status_code, list(refused.json())) == (401, ["error"])
        assert request(FakeEngine(), "GET", path, settings, headers=bearer(key)).is_success


def test_version_is_one_that_clients_can_compare() -> None:
    assert re.fullmatch(
        r"\d+\.\d+\.\d+", request(FakeEngine(), "GET", "/api/version").json()["version"]
    )
