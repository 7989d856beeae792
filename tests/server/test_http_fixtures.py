"""The HTTP fixtures that the editor plugin's tests read say what the service really answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.http_exchanges import JsonObject, shape_of, text_of
from support.http_playing import play
from support.http_scenes import FILES, Scene
from support.http_stages import with_model

FOLDER = Path(__file__).parents[1] / "fixtures" / "http"


def stored(file: str) -> dict[str, JsonObject]:
    """Return the exchanges of a file by their names."""
    exchanges: list[JsonObject] = json.loads((FOLDER / f"{file}.json").read_text("utf-8"))
    named = {exchange["name"]: exchange for exchange in exchanges}
    assert len(named) == len(exchanges)
    return named


def scenes_of(file: str, is_model: bool) -> list[Scene]:
    return [scene for scene in FILES[file] if (scene.stage is with_model) == is_model]


def check(file: str, scenes: list[Scene]) -> None:
    """Check that the service answers each scene as its fixture says."""
    fixtures = stored(file)
    for played in play(scenes):
        fixture = fixtures[played["name"]]
        assert fixture["request"] == played["request"], "record the fixtures anew"
        assert shape_of(fixture["response"]) == shape_of(played["response"]), played["name"]


@pytest.mark.parametrize("file", FILES)
def test_the_service_answers_as_the_fixtures_say(file: str) -> None:
    check(file, scenes_of(file, is_model=False))


@pytest.mark.model
@pytest.mark.timeout(180)  # the machine may be busy
def test_the_embedded_model_answers_as_the_fixtures_say() -> None:
    check("openai", scenes_of("openai", is_model=True))


@pytest.mark.parametrize("file", FILES)
def test_every_scene_is_stored_and_nothing_else(file: str) -> None:
    assert list(stored(file)) == [scene.name for scene in FILES[file]]


def test_a_stream_adds_up_to_the_whole_answer() -> None:
    fixtures = stored("openai")
    whole = fixtures["whole"]["response"]["body"]["choices"][0]["text"]
    assert whole
    for name in ("stream", "stream without usage"):
        assert text_of(fixtures[name]["response"]["records"]) == whole


def test_every_status_that_a_client_must_tell_apart_is_there() -> None:
    statuses = {exchange["response"]["status"] for exchange in stored("openai").values()}
    assert statuses == {200, 400, 401, 403, 404, 413, 429, 431, 499, 500, 503}


CHANGES: list[tuple[object, object]] = [
    ({"a": 1}, {"a": "1"}),
    ({"a": 1}, {"a": 1, "b": 1}),
    ({"code": "x"}, {"code": "y"}),
    ({"status": 429}, {"status": 503}),
    ({"a": None}, {"a": "x"}),
    ({"a": True}, {"a": 1}),
    ({"headers": {"retry-after": "1"}}, {"headers": {"retry-after": "3"}}),
    ({"records": ['data: {"a":1}\n\n']}, {"records": ['data: {"a":1}\n\n', "data: [DONE]\n\n"]}),
    ({"choices": [{"a": 1}]}, {"choices": []}),
]


@pytest.mark.parametrize(("one", "other"), CHANGES)
def test_a_changed_answer_has_another_shape(one: object, other: object) -> None:
    assert shape_of(one) != shape_of(other)


def test_other_words_and_other_times_have_the_same_shape() -> None:
    one = {"records": ['data: {"text":"a","ms":1}\n\n'], "headers": {"x-request-id": "req-1"}}
    two = {
        "records": ['data: {"text":"b","ms":2.5}\n\n', 'data: {"text":"c","ms":3}\n\n'],
        "headers": {"x-request-id": "req-2"},
    }
    assert shape_of(one) == shape_of(two)
