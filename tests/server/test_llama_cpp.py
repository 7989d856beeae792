"""llama.cpp's `/infill`: the bodies that its editors send, and every field of the answers."""

import json
import re
from pathlib import Path

import httpx
import pytest

from fimserve import __version__
from fimserve.engine import (
    CompletionDelta,
    EngineClosed,
    InvalidRequest,
    QueueFull,
    TokenLogprob,
    Usage,
)
from fimserve.prompt import Snippet
from support.asgi import request
from support.fake_engine import USAGE, FakeEngine

FIXTURES = Path(__file__).parents[1] / "fixtures" / "protocol" / "infill_bodies.json"
BODIES: dict[str, str] = json.loads(FIXTURES.read_text(encoding="utf-8"))
AREA = {"input_prefix": "def area(r):\n", "input_suffix": "\nprint(area(2))\n", "prompt": "    "}


def ask(engine: FakeEngine, **fields: object) -> httpx.Response:
    return request(engine, "POST", "/infill", json=AREA | fields)


def read_records(answer: httpx.Response) -> list[dict[str, object]]:
    assert answer.text.endswith("\n\n")
    records = answer.text.removesuffix("\n\n").split("\n\n")
    assert all(re.fullmatch(r"data: \{[^\r\n]+", record) for record in records)
    return [json.loads(record.removeprefix("data: ")) for record in records]


# --- what editors send ---------------------------------------------------------------------------


@pytest.mark.parametrize("editor", ["llama.vim", "llama.vscode"])
def test_a_keystroke_of_an_editor_is_understood(editor: str) -> None:
    engine = FakeEngine(["radius", " ** 2"])
    body = BODIES[f"{editor} at the cursor"].encode()
    answer = request(engine, "POST", "/infill", content=body)
    assert answer.status_code == 200
    # What llama.vim looks for before it parses.
    assert re.match(r"^\s*\{", answer.text)
    assert '"content":"radius ** 2"' in answer.text
    got = engine.last_request
    assert got.prefix.endswith("(radius)\n    return math.pi * ") or editor == "llama.vscode"
    assert got.prefix.endswith("\n    return math.pi * ")
    assert got.suffix == "\n\nprint(area(2.0))\n"
    assert (got.temperature, got.max_tokens, got.priority) == (0.0, 128, "interactive")
    assert got.max_writing_ms == (250 if editor == "llama.vim" else 1000)


def test_llama_vim_gets_the_fields_that_it_names() -> None:
    answer = request(FakeEngine(), "POST", "/infill", content=BODIES["llama.vim at the cursor"])
    body = answer.json()
    assert body["content"] == "3.14159 * r * r"
    assert body["timings/prompt_n"] == 7
    assert body["timings/predicted_n"] == 9
    assert body["tokens_cached"] == 12
    assert body["truncated"] is False
    assert "timings" not in body
    assert len(body) == 11


def test_llama_vscode_reads_nested_timings() -> None:
    content = BODIES["llama.vscode at the cursor"]
    body = request(FakeEngine(), "POST", "/infill", content=content).json()
    assert body["timings"]["predicted_n"] == 9
    assert body["generation_settings"]["n_predict"] == 128


@pytest.mark.parametrize("editor", ["llama.vim", "llama.vscode"])
def test_a_warm_up_fills_the_cache_behind_everybody_else(editor: str) -> None:
    engine = FakeEngine([""], finish_reason="length")
    answer = request(engine, "POST", "/infill", content=BODIES[f"{editor} warming up"])
    assert answer.status_code == 200
    assert answer.json() == {} or editor == "llama.vscode"
    got = engine.last_request
    assert (got.prefix, got.suffix, got.max_tokens) == ("", "", 0)
    assert got.priority == "background"
    assert len(got.snippets) == 1
    assert got.snippets[0].path.endswith(".py")


# --- fields --------------------------------------------------------------------------------------


def test_the_most_relevant_piece_comes_last_and_the_prompt_ends_the_prefix() -> None:
    engine = FakeEngine()
    extra = [
        {"filename": "old.py", "text": "OLD", "time": [12, 34]},
        {"text": "NEW", "time": 1764000000000},
    ]
    ask(engine, input_extra=extra)
    assert engine.last_request.snippets == (Snippet("", "NEW"), Snippet("old.py", "OLD"))
    assert engine.last_request.prefix == "def area(r):\n    "


def test_sides_may_be_token_ids_and_mixed_lists() -> None:
    engine = FakeEngine()
    ask(engine, input_prefix=[97, 195, 188, " = ", 98], input_suffix=["\n", 99])
    assert engine.last_request.prefix == "aü = b    "
    assert engine.last_request.suffix == "\nc"


def test_values_out_of_range_are_clamped_as_upstream_does() -> None:
    engine = FakeEngine()
    ask(engine, temperature=-1, top_k=-1, top_p=2, min_p=-1, n_predict=100_000, seed=-1)
    got = engine.last_request
    assert (got.temperature, got.top_k, got.top_p, got.min_p) == (0.0, 0, 1.0, 0.0)
    assert (got.max_tokens, got.seed) == (512, None)


@pytest.mark.parametrize(
    ("fields", "max_tokens"),
    [({}, 512), ({"n_predict": -1}, 512), ({"max_tokens": 7}, 7), ({"n_predict": 3}, 3)],
)
def test_length(fields: dict[str, object], max_tokens: int) -> None:
    engine = FakeEngine()
    ask(engine, **fields)
    assert engine.last_request.max_tokens == max_tokens


@pytest.mark.parametrize(
    ("fields", "temperature"),
    [({}, 0.0), ({"n_cmpl": 2}, 0.8), ({"n_cmpl": 2, "temperature": 0}, 0.0)],
)
def test_a_temperature_that_is_not_given(fields: dict[str, object], temperature: float) -> None:
    engine = FakeEngine()
    ask(engine, **fields)
    assert engine.last_request.temperature == temperature


@pytest.mark.parametrize(
    "bias", [[[5, -1.5], [6, False]], {"5": -1.5, "6": False}, [[5, -1.5], ["6", False]]]
)
def test_biases_by_id(bias: object) -> None:
    engine = FakeEngine()
    assert ask(engine, logit_bias=bias).status_code == 200
    assert engine.last_request.logit_bias == {5: -1.5, 6: -1000.0}


def test_hints_and_unknown_samplers_are_ignored() -> None:
    engine = FakeEngine()
    hints = {
        "id_slot": 7, "cache_prompt": False, "n_cache_reuse": 9, "samplers": "edkypmxt",
        "mirostat": 2, "repeat_penalty": 1.1, "t_max_prompt_ms": 500, "sse_ping_interval": 5,
        "lora": [], "model": "some.gguf", "timings_per_token": True, "stop": ["", "x"],
    }  # fmt: skip
    assert ask(engine, **hints).status_code == 200
    assert engine.last_request.stop == ("x",)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input_prefix": None}, '"input_prefix" is required'),
        ({"input_suffix": None}, '"input_suffix" is required'),
        ({"input_prefix": 5}, "input_prefix is 5"),
        ({"input_prefix": [1.5]}, "input_prefix is [1.5]"),
        ({"input_prefix": [256]}, "token id is 256"),
        ({"input_extra": {}}, "input_extra is {}"),
        ({"input_extra": [{"filename": "a"}]}, "input_extra"),
        ({"input_extra": [{"text": 5}]}, "input_extra.0.text is 5"),
        ({"input_extra": [{"text": "", "filename": 5}]}, "input_extra.0.filename is 5"),
        ({"prompt": 5}, "prompt is 5"),
        ({"n_predict": -2}, "n_predict is -2"),
        ({"n_indent": -1}, "n_indent is -1"),
        ({"n_cmpl": 9}, "Field 'n_cmpl': Value must be between 1 and 8"),
        ({"n": 0}, "Field 'n_cmpl': Value must be between 1 and 8"),
        ({"grammar": "root ::= x"}, "grammar is"),
        ({"lora": [{"id": 0, "scale": 0.5}]}, "lora is not empty"),
        ({"logit_bias": [["word", 1]]}, "ids"),
        ({"logit_bias": 5}, "logit_bias is 5"),
        ({"stop": ["s" * 65]}, "stop"),
        ({"input_suffix": "s" * 300_000}, "limit is 262144"),
    ],
)
def test_a_bad_value_is_a_400_in_llama_cpp_s_shape(fields: dict[str, object], words: str) -> None:
    engine = FakeEngine()
    answer = ask(engine, **fields)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "type"}
    assert (error["code"], error["type"]) == (400, "invalid_request_error")
    assert words in error["message"]
    assert engine.requests == []


# --- whole answers -------------------------------------------------------------------------------


def test_whole_answer_has_every_field_of_the_contract() -> None:
    answer = ask(FakeEngine(), n_predict=32, stop=["x"])
    assert "\n" not in answer.text
    body = answer.json()
    assert body.pop("generation_settings")["stop"] == ["x"]
    assert body.pop("timings") == {
        "cache_n": 12,
        "prompt_n": 7,
        "prompt_ms": 7.75,
        "prompt_per_token_ms": 1.107,
        "prompt_per_second": 903.226,
        "predicted_n": 9,
        "predicted_ms": 32.75,
        "predicted_per_token_ms": 3.639,
        "predicted_per_second": 274.809,
    }
    assert body == {
        "index": 0,
        "content": "3.14159 * r * r",
        "tokens": [],
        "id_slot": 0,
        "stop": True,
        "model": "fake-1b",
        "tokens_predicted": 9,
        "tokens_evaluated": 19,
        "prompt": "def area(r):\n    ",
        "has_new_line": False,
        "truncated": False,
        "stop_type": "eos",
        "stopping_word": "",
        "tokens_cached": 12,
    }


def test_fields_are_returned_by_name() -> None:
    wanted = ["content", "timings/prompt_n", "timings", "nothing", "content/x", "truncated"]
    body = ask(FakeEngine(), response_fields=wanted).json()
    assert set(body) == {"content", "timings/prompt_n", "timings", "truncated"}
    assert ask(FakeEngine(), response_fields=[""]).json() == {}


def test_several_completions_are_a_list_and_one_is_not() -> None:
    bodies = ask(FakeEngine(), n_cmpl=2, return_tokens=True).json()
    assert [(b["index"], b["content"], b["tokens"]) for b in bodies] == [
        (0, "3.14159 * r * r", [1, 1]),
        (1, "3.14159 * r * r", [1, 1]),
    ]
    assert isinstance(ask(FakeEngine(), n_cmpl=1).json(), dict)


def test_probabilities_are_told_per_token() -> None:
    entry = TokenLogprob(5, b"\xc3", -0.25, ((5, b"\xc3", -0.25), (6, b"c", -2.0)))
    engine = FakeEngine([CompletionDelta("a", (5,), "length", USAGE, logprobs=(entry,))])
    body = ask(engine, n_probs=2).json()
    assert engine.last_request.logprobs == 2
    assert body["stop_type"] == "limit"
    assert body["completion_probabilities"] == [
        {
            "id": 5,
            "token": "\ufffd",
            "bytes": [0xC3],
            "logprob": -0.25,
            "top_logprobs": [
                {"id": 5, "token": "\ufffd", "bytes": [0xC3], "logprob": -0.25},
                {"id": 6, "token": "c", "bytes": [0x63], "logprob": -2.0},
            ],
        }
    ]


def test_guesses_are_counted() -> None:
    usage = Usage(4, 0, 3, 0.0, 1.0, 2.0, drafted_tokens=6, accepted_tokens=2)
    timings = ask(FakeEngine([CompletionDelta("a", (1,), "stop", usage)])).json()["timings"]
    assert (timings["draft_n"], timings["draft_n_accepted"]) == (6, 2)


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_that_is_indented_less_ends_the_completion(stream: bool) -> None:
    engine = FakeEngine(["x = 1\n", "\n    y = 2", "\n", "  z = 3\n    w"])
    answer = ask(engine, n_indent=4, stream=stream)
    records = read_records(answer) if stream else [answer.json()]
    assert "".join(str(record["content"]) for record in records) == "x = 1\n\n    y = 2"
    assert records[-1]["stop_type"] == "limit"
    assert records[-1]["has_new_line"] is True


# --- streams -------------------------------------------------------------------------------------


def test_stream_has_no_done_and_ends_with_the_full_fields() -> None:
    script = [
        CompletionDelta("3.14", (7, 8), prompt_tokens=19),
        CompletionDelta("159", (9,), "stop", USAGE, prompt_tokens=19),
    ]
    answer = ask(FakeEngine(script), stream=True, return_tokens=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    first, second, last = read_records(answer)
    assert first == {
        "index": 0,
        "content": "3.14",
        "tokens": [7, 8],
        "stop": False,
        "id_slot": 0,
        "tokens_predicted": 2,
        "tokens_evaluated": 19,
    }
    assert (second["content"], second["tokens_predicted"]) == ("159", 3)
    assert (last["content"], last["stop"]) == ("", True)
    assert last["timings"]
    assert "[DONE]" not in answer.text


def test_stream_and_whole_answer_hold_the_same_text() -> None:
    script = ["größe", " = ", "数\u2028😀", "\u0085\n", "    x", "\n\n"]
    whole = ask(FakeEngine(script), n_indent=2).json()["content"]
    records = read_records(ask(FakeEngine(script), n_indent=2, stream=True))
    assert "".join(str(record["content"]) for record in records) == whole == "".join(script)


def test_failure_inside_the_stream_is_an_error_record() -> None:
    answer = ask(FakeEngine(["a", RuntimeError("secret")]), stream=True)
    first, failure = read_records(answer)
    assert first["content"] == "a"
    error = failure["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["type"]) == (500, "server_error")
    assert "secret" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("order is 'x'"), 400, "invalid_request_error"),
        (QueueFull("full", 1500.0), 429, "rate_limit_error"),
        (EngineClosed("closed"), 503, "unavailable_error"),
        (RuntimeError("secret"), 500, "server_error"),
    ],
)
def test_failure_before_anything_is_told_has_its_own_status(
    error: Exception, status: int, kind: str, stream: bool
) -> None:
    answer = ask(FakeEngine([error]), stream=stream)
    assert answer.status_code == status
    body = answer.json()["error"]
    assert (body["code"], body["type"]) == (status, kind)
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert (answer.headers.get("x-should-retry") == "false") == (status in (429, 503))


def test_a_superseded_request_is_a_499_that_no_client_retries() -> None:
    answer = ask(FakeEngine([""], finish_reason="cancelled"))
    assert answer.status_code == 499
    assert answer.headers["x-should-retry"] == "false"


# --- the server's state --------------------------------------------------------------------------


def test_properties_name_the_model_and_its_room() -> None:
    body = request(FakeEngine(), "GET", "/props").json()
    assert body["default_generation_settings"]["n_ctx"] == 2048
    assert (body["model_path"], body["total_slots"]) == ("fake-1b", 8)
    assert body["build_info"] == f"fimserve-{__version__}"


def test_slots_show_what_runs() -> None:
    slots = request(FakeEngine(), "GET", "/slots").json()
    assert [slot["is_processing"] for slot in slots] == [True] * 2 + [False] * 6
    assert request(FakeEngine(), "GET", "/slots?fail_on_no_slot=1").status_code == 200


def test_tokens_of_a_text_and_back() -> None:
    tokens = request(FakeEngine(), "POST", "/tokenize", json={"content": "aü"}).json()["tokens"]
    assert tokens == [97, 195, 188]
    back = request(FakeEngine(), "POST", "/detokenize", json={"tokens": tokens}).json()
    assert back == {"content": "aü"}


def test_pieces_that_are_no_characters_are_bytes() -> None:
    body = {"content": "aü", "with_pieces": True}
    assert request(FakeEngine(), "POST", "/tokenize", json=body).json()["tokens"] == [
        {"id": 97, "piece": "a"},
        {"id": 195, "piece": [195]},
        {"id": 188, "piece": [188]},
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"content": 5}),
        ("/tokenize", {"content": "x", "add_special": True}),
        ("/detokenize", {"tokens": [256]}),
        ("/detokenize", {"tokens": ["a"]}),
        ("/detokenize", []),
    ],
)
def test_what_has_no_tokens_is_a_400(path: str, body: object) -> None:
    answer = request(FakeEngine(), "POST", path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400


def test_plain_completion_of_llama_cpp_is_not_served() -> None:
    assert request(FakeEngine(), "POST", "/completion", json={"prompt": "x"}).status_code == 404
