"""What a completion request may hold: defaults, caps, and refusals that name field and limit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine import CompletionRequest
from fimserve.prompt import Snippet
from fimserve.server.cursor_text import read_prompt
from fimserve.server.parse import parse_fields
from fimserve.server.routes.openai_fields import CompletionFields, to_completion_request
from fimserve.server.settings import ServerSettings
from support.asgi import post
from support.fake_engine import FakeEngine

SMALL = ServerSettings(max_context_chars=100, max_snippets=2)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"prompt": None}, "prompt", ["missing"]),
        ({"prompt": 5}, "prompt", ["5", "string"]),
        ({"prompt": []}, "prompt", ["0 prompts", "one"]),
        ({"prompt": ["a", "b"]}, "prompt", ["2 prompts", "one"]),
        ({"prompt": [1, -2, 3]}, "prompt", ["-2", "0 to 255"]),
        ({"prompt": [[1, 256]]}, "prompt", ["256", "0 to 255"]),
        ({"prompt": [[1, 2], [3]]}, "prompt", ["2 prompts", "one"]),
        ({"prompt": [1, "a"]}, "prompt", ["2 prompts", "one"]),
        ({"prompt": [[1, "a"]]}, "prompt", ["[[1, 'a']]", "token ids"]),
        ({"prompt": [True]}, "prompt", ["[True]", "token ids"]),
        ({"prompt": [[]]}, "prompt", ["[[]]", "token ids"]),
        ({"repetition_penalty": 1.1}, "repetition_penalty", ["1.1", "not supported"]),
        ({"repetition_penalty": 0}, "repetition_penalty", ["0"]),
        ({"include_stop_str_in_output": True}, "include_stop_str_in_output", ["not supported"]),
        ({"bad_words": ["x"]}, "bad_words", ["['x']", "not supported"]),
        ({"allowed_token_ids": [1]}, "allowed_token_ids", ["[1]", "not supported"]),
        ({"return_token_ids": True}, "return_token_ids", ["not supported"]),
        ({"prompt_logprobs": 0}, "prompt_logprobs", ["not supported"]),
        ({"stop_token_ids": ["a"]}, "stop_token_ids", ["'a'", "integer"]),
        ({"stop_token_ids": list(range(65))}, "stop_token_ids", ["64"]),
        ({"stream_options": {"include_obfuscation": False}}, "stream_options", ["stream: true"]),
        ({"suffix": 1}, "suffix", ["1", "string"]),
        ({"max_tokens": -1}, "max_tokens", ["-1", "0"]),
        ({"max_tokens": "5"}, "max_tokens", ["'5'", "integer"]),
        ({"max_tokens": 1.5}, "max_tokens", ["1.5", "integer"]),
        ({"max_tokens": True}, "max_tokens", ["True", "integer"]),
        ({"temperature": 2.5}, "temperature", ["2.5", "2"]),
        ({"temperature": -0.1}, "temperature", ["-0.1", "0"]),
        ({"temperature": "0"}, "temperature", ["'0'", "number"]),
        ({"top_p": 1.1}, "top_p", ["1.1", "1"]),
        ({"stop": 5}, "stop", ["5", "list"]),
        ({"stop": ["a", 5]}, "stop", ["5", "string"]),
        ({"stop": ["s"] * 17}, "stop", ["17", "16"]),
        ({"stop": "s" * 65}, "stop", ["65", "64"]),
        ({"seed": 2**63}, "seed", [str(2**63 - 1)]),
        ({"seed": "x"}, "seed", ["'x'", "integer"]),
        ({"stream": "yes"}, "stream", ["'yes'", "boolean"]),
        ({"stream_options": {"include_usage": True}}, "stream_options", ["stream: true"]),
        ({"stream": True, "stream_options": []}, "stream_options", ["[]"]),
        ({"n": 9}, "n", ["9", "8"]),
        ({"n": 0}, "n", ["0", "1"]),
        ({"best_of": 2}, "best_of", ["2", "not supported"]),
        ({"echo": True}, "echo", ["True", "not supported"]),
        ({"logprobs": 21}, "logprobs", ["21", "20"]),
        ({"logprobs": True}, "logprobs", ["True", "integer"]),
        ({"logprobs": "all"}, "logprobs", ["'all'", "integer"]),
        ({"logit_bias": {"50256": -101}}, "logit_bias", ["-101", "-100"]),
        ({"logit_bias": {"fifty": 1}}, "logit_bias", ["fifty", "token id"]),
        ({"logit_bias": {str(i): 1 for i in range(301)}}, "logit_bias", ["300"]),
        ({"top_k": -2}, "top_k", ["-2", "-1"]),
        ({"min_p": 1.5}, "min_p", ["1.5", "1"]),
        ({"min_tokens": -1}, "min_tokens", ["-1", "0"]),
        ({"ignore_eos": 1}, "ignore_eos", ["1", "boolean"]),
        ({"priority": "now"}, "priority", ["'now'", "interactive"]),
        ({"deadline_ms": -5}, "deadline_ms", ["-5", "0"]),
        ({"trim": "no"}, "trim", ["'no'", "boolean"]),
        ({"presence_penalty": 1.0}, "presence_penalty", ["1.0", "not supported"]),
        ({"frequency_penalty": 3}, "frequency_penalty", ["3", "2"]),
        ({"user": "u" * 257}, "user", ["256"]),
        ({"path": "a\nb"}, "path", ["pattern"]),
        ({"path": "a" * 1025}, "path", ["1024"]),
        ({"language": 3}, "language", ["3", "string"]),
        ({"snippets": "x"}, "snippets", ["'x'", "list"]),
        ({"snippets": [{"path": "a"}]}, "snippets", ["snippets.0.text", "missing"]),
        ({"snippets": [{"text": "a"}] * 3}, "snippets", ["3", "2"]),
        ({"multiline": "no"}, "multiline", ["'no'", "boolean"]),
        ({"order": "mps"}, "order", ["'mps'", "psm, spm, middle-increment, auto"]),
        ({"order": ["psm"]}, "order", ["['psm']", "psm"]),
        ({"heal": "no"}, "heal", ["'no'", "boolean"]),
        ({"session": ""}, "session", ["''", "1"]),
        ({"suffix": "s" * 100}, "prompt", ["107", "100"]),
        ({"snippets": [{"text": "s" * 94}]}, "prompt", ["101", "100"]),
    ],
)
def test_bad_value_is_a_400_naming_field_value_and_limit(
    fields: dict[str, object], param: str, words: list[str]
) -> None:
    engine = FakeEngine()
    answer = post(engine, {"prompt": "x = 1 +"} | fields, SMALL)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert error["code"]
    for word in [param, *words]:
        assert word in error["message"]
    assert "\n" not in error["message"]
    assert engine.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ["x = "]},
        {"prompt": [120, 32, 61]},
        {"prompt": [[120, 32, 61]]},
        {"repetition_penalty": 1, "bad_words": [], "allowed_token_ids": None},
        {"stop_token_ids": [2, 5], "skip_special_tokens": False, "truncate_prompt_tokens": 100},
        {"cache_salt": "s", "request_id": "r", "stream_interval": 4, "truncation_side": "left"},
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        {"priority": 0},
        {"priority": -3},
        {"priority": 2.5},
        {"prompt": "", "suffix": ""},
        {"prompt": ""},
        {"suffix": None, "max_tokens": None, "stop": None, "n": None, "logprobs": None},
        {"stream": None, "stream_options": None, "user": None, "logit_bias": None},
        {"max_tokens": 64.0, "temperature": 0, "top_p": 0},
        {"echo": False, "best_of": 1, "n": 1, "logit_bias": {}, "presence_penalty": 0},
        {"stop": ["s" * 64] * 16},
        {"stream": False, "model": ""},
    ],
)
def test_what_clients_really_send_is_accepted(fields: dict[str, object]) -> None:
    answer = post(FakeEngine(), {"prompt": "x = 1 +"} | fields)
    assert answer.status_code == 200, answer.text


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    body=st.dictionaries(
        st.sampled_from([*CompletionFields.model_fields, "unknown"]), JSON_VALUES, max_size=6
    ),
    has_prompt=st.booleans(),
)
def test_no_json_object_whatsoever_brings_the_service_down(
    body: dict[str, object], has_prompt: bool
) -> None:
    answer = post(FakeEngine(), body | ({"prompt": "x"} if has_prompt else {}))
    assert answer.status_code in (200, 400, 404), answer.text
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert error["message"].isprintable()
        assert len(error["message"]) < 250


def translate(**fields: object) -> CompletionRequest:
    """Return the engine's request for a prompt and these fields."""
    parsed = parse_fields(CompletionFields, {"prompt": "x"} | fields)
    cursor = read_prompt(parsed.prompt, parsed.suffix, FakeEngine())
    return to_completion_request(parsed, cursor, ServerSettings())


@pytest.mark.parametrize(
    ("fields", "max_tokens"),
    [
        ({}, 16),
        ({"max_tokens": None}, 16),
        ({"suffix": ""}, 64),
        ({"suffix": "y", "max_tokens": None}, 64),
        ({"suffix": "y", "max_tokens": 3}, 3),
        ({"max_tokens": 0}, 0),
        ({"max_tokens": 100_000}, 512),
    ],
)
def test_length_defaults_by_suffix_and_is_clamped(
    fields: dict[str, object], max_tokens: int
) -> None:
    assert translate(**fields).max_tokens == max_tokens


def test_sampling_defaults_are_those_of_openai() -> None:
    asked = translate()
    assert (asked.temperature, asked.top_p, asked.seed, asked.stop) == (1.0, 1.0, None, ())


def test_absent_suffix_is_continuation_and_empty_suffix_is_infilling() -> None:
    assert translate().suffix is None
    assert translate(suffix=None).suffix is None
    assert translate(suffix="").suffix == ""


def test_healing_is_on_unless_switched_off() -> None:
    assert translate().heal
    assert translate(heal=None).heal
    assert not translate(heal=False).heal


@pytest.mark.parametrize("prompt", [[102, 195, 188], [[102, 195, 188]]])
def test_token_ids_are_read_as_their_text(prompt: list[object]) -> None:
    assert translate(prompt=prompt, suffix="y").prefix == "fü"


@pytest.mark.parametrize("as_ids", [False, True])
def test_a_template_without_a_suffix_is_taken_apart(as_ids: bool) -> None:
    text = (
        "<|file_sep|>a.py\nA = 1\n<|file_sep|>b.py\n"
        "<|fim_prefix|>x = <|fim_suffix|>\ny = 2\n<|fim_middle|>"
    )
    asked = translate(
        prompt=list(text.encode()) if as_ids else text, snippets=[{"path": "c.py", "text": "C"}]
    )
    assert (asked.prefix, asked.suffix, asked.path) == ("x = ", "\ny = 2\n", "b.py")
    assert asked.snippets == (Snippet("c.py", "C"), Snippet("a.py", "A = 1"))
    assert asked.max_tokens == 64


def test_a_template_beside_a_suffix_is_text() -> None:
    text = "<|fim_prefix|>x = <|fim_suffix|>\n<|fim_middle|>"
    assert translate(prompt=text, suffix="").prefix == text


@pytest.mark.parametrize(
    ("priority", "meaning"),
    [
        (None, "interactive"),
        ("interactive", "interactive"),
        ("background", "background"),
        (0, "interactive"),
        (-1, "interactive"),
        (1, "background"),
    ],
)
def test_vllm_s_priority_goes_the_other_way(priority: object, meaning: str) -> None:
    assert translate(priority=priority).priority == meaning


def test_stop_tokens_reach_the_engine() -> None:
    assert translate(stop_token_ids=[7, 9, 7]).stop_token_ids == {7, 9}


def test_single_stop_string_is_a_list_of_one() -> None:
    assert translate(stop="\n").stop == ("\n",)


def test_negative_seeds_stay_different_from_each_other() -> None:
    seeds = [translate(seed=seed).seed for seed in (-1, -2, 1, 2**63 - 1, -(2**63))]
    assert len(set(seeds)) == 5
    assert all(seed is not None and seed >= 0 for seed in seeds)


@pytest.mark.parametrize(
    ("fields", "session"),
    [
        ({}, None),
        ({"user": "u"}, None),
        ({"path": "a.py"}, None),
        ({"session": "s"}, "s"),
        ({"session": "s", "user": "u", "path": "a.py"}, "s"),
        ({"user": "u", "path": "a.py"}, "u\na.py"),
    ],
)
def test_session_is_one_document_of_one_user(
    fields: dict[str, object], session: str | None
) -> None:
    assert translate(**fields).session == session
