"""Which error shape belongs to which path, and whose request it is."""

import json

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from fimserve.server.dialect import ErrorShapes
from fimserve.server.errors import BadRequest, ServerError
from fimserve.server.principal import LOCAL, Principal, principal_of


def say(word: str) -> Response:
    return PlainTextResponse(word)


SHAPES = ErrorShapes(
    {"/api": lambda error: say("wide"), "/api/generate": lambda error: say(error.message)}
)


def body_of(path: str, error: ServerError) -> bytes:
    return bytes(SHAPES.of(path)(error).body)


def test_the_longest_beginning_that_fits_counts() -> None:
    assert body_of("/api/generate", BadRequest("n is 9")) == b"n is 9"
    assert body_of("/api/tags", BadRequest("n is 9")) == b"wide"


def test_a_path_of_no_dialect_answers_in_openais_shape() -> None:
    assert json.loads(body_of("/nowhere", BadRequest("n is 9")))["error"]["message"] == "n is 9"


def test_without_keys_everybody_is_local_and_may_do_all() -> None:
    assert principal_of(Request({"type": "http", "headers": []})) == LOCAL
    assert LOCAL.scopes == {"complete", "events", "admin"}


def test_a_principal_that_was_set_is_found() -> None:
    someone = Principal("acme", frozenset({"complete"}), "key-1")
    request = Request({"type": "http", "headers": [], "state": {"principal": someone}})
    assert principal_of(request) is someone
