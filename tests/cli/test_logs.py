"""The log in both forms: one line a record, whatever is in it."""

import json
import logging

import pytest

from fimserve.cli.logs import JsonFormatter, set_up_logs


def make_record(message: str, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("fimserve.server", logging.INFO, "", 0, message, (), None)
    record.__dict__.update(extra)
    return record


def test_json_line_holds_the_fields_of_a_request() -> None:
    line = JsonFormatter().format(make_record("a=1", fields={"request_id": "req-1", "status": 200}))
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "info", "logger": "fimserve.server", "request_id": "req-1", "status": 200,
    }  # fmt: skip


@pytest.mark.parametrize("message", ["two\nlines", "\u2028", '"quoted"', "\ud83d"])
def test_json_line_is_one_line_of_ascii(message: str) -> None:
    line = JsonFormatter().format(make_record(message))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["message"] == message


def test_stack_of_a_failure_is_inside_the_line() -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        record = make_record("failed", exc_info=(type(error), error, error.__traceback__))
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "RuntimeError: broken" in json.loads(line)["stack"]


@pytest.mark.usefixtures("fimserve")
def test_level_holds_for_the_service_s_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json", "info")
    logging.getLogger("fimserve.server.app").info("ours")
    logging.getLogger("uvicorn.error").info("theirs")
    logging.getLogger("fimserve.server.app").debug("too little")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "ours"
