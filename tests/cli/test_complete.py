"""`fimserve complete`: with a server and without, for eyes, for pipes and for programs."""

import io
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fimserve.cli.context import find_context
from fimserve.cli.cursor import Cursor
from fimserve.server.settings import ServerSettings
from support.cli import CommandLine
from support.fake_engine import FakeEngine
from support.git_repositories import make_repository
from support.keys import add_key
from support.live_server import serve_in_thread

SOURCE = "def area(r):\n    return \n\nprint(area(2))\n"


@pytest.fixture
def source(fimserve: CommandLine) -> str:
    """Write a file into the current directory and return the place to complete."""
    Path("geo.py").write_text(SOURCE)
    return "geo.py:2:12"


@pytest.fixture
def served() -> Iterator[tuple[FakeEngine, str]]:
    """Serve a fake engine; return it with its address."""
    engine = FakeEngine()
    with serve_in_thread(engine) as url:
        yield engine, url


def run_default_server(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Make the server at url the one that is looked for."""
    monkeypatch.setenv("FIMSERVE_SERVER_PORT", url.rpartition(":")[2])


def test_pipe_gets_the_text_and_nothing_else(
    fimserve: CommandLine, source: str, served: tuple[FakeEngine, str]
) -> None:
    engine, url = served
    outcome = fimserve("complete", source, "--url", url)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, "3.14159 * r * r", "")
    asked = engine.last_request
    assert (asked.prefix, asked.suffix) == ("def area(r):\n    return ", SOURCE[24:])
    assert (asked.path, asked.max_tokens, asked.temperature) == ("geo.py", 64, 0.0)
    assert asked.multiline is None


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/completions"])
def test_address_is_understood_in_every_usual_form(
    fimserve: CommandLine, source: str, served: tuple[FakeEngine, str], suffix: str
) -> None:
    assert fimserve("complete", source, "--url", served[1] + suffix).exit_code == 0


def test_options_reach_the_server(
    fimserve: CommandLine, source: str, served: tuple[FakeEngine, str]
) -> None:
    engine, url = served
    options = ["--url", url, "--max-tokens", 5, "--single-line", "--model", "fake-1b"]
    assert fimserve("complete", source, *options).exit_code == 0
    assert engine.last_request.max_tokens == 5
    assert engine.last_request.multiline is False


def test_key_from_the_environment_is_sent(
    fimserve: CommandLine, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = add_key(Path("keys.json"))
    engine = FakeEngine()
    with serve_in_thread(engine, ServerSettings(keys=Path("keys.json"))) as url:
        refused = fimserve("complete", source, "--url", url)
        monkeypatch.setenv("FIMSERVE_API_KEY", key)
        answered = fimserve("complete", source, "--url", url)
    assert refused.exit_code == 1
    assert "refused (401)" in refused.stderr
    assert answered.stdout == "3.14159 * r * r"


def test_json_says_everything(
    fimserve: CommandLine, source: str, served: tuple[FakeEngine, str]
) -> None:
    outcome = fimserve("complete", source, "--json", "--url", served[1])
    answer = json.loads(outcome.stdout)
    total_ms = answer["timings"].pop("total_ms")
    assert total_ms > 0
    assert answer == {
        "text": "3.14159 * r * r",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 19, "cached_tokens": 12, "completion_tokens": 9},
        "timings": {"queue_ms": 0.5, "ttft_ms": 8.25, "e2e_ms": 41.0},
        "source": "server",
        "model": "fake-1b",
    }


def test_terminal_shows_the_completion_in_its_context(
    fimserve: CommandLine,
    source: str,
    served: tuple[FakeEngine, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, url = served
    engine.script = ("3.14 [bold]\x1b[2J",)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    shown = fimserve("complete", source, "--url", url).stdout
    # Markup is text, and an escape sequence of the model's making is made visible.
    assert "def area(r):\n    return 3.14 [bold]␛[2J\n\nprint(area(2))\n" in shown
    assert "9 tokens in" in shown
    assert "fake-1b (server)" in shown


def test_unsaved_text_comes_from_standard_input(
    fimserve: CommandLine, served: tuple[FakeEngine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, url = served
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x = \ny = 1\n")))
    assert fimserve("complete", "new/file.py:1:5", "--stdin", "--url", url).exit_code == 0
    asked = engine.last_request
    assert (asked.prefix, asked.suffix, asked.path) == ("x = ", "\ny = 1\n", "new/file.py")


def test_running_server_is_found_and_used(
    fimserve: CommandLine,
    source: str,
    served: tuple[FakeEngine, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_default_server(monkeypatch, served[1])
    answer = json.loads(fimserve("complete", source, "--json").stdout)
    assert (answer["source"], answer["model"]) == ("server", "fake-1b")


def test_server_with_another_model_is_left_alone(
    fimserve: CommandLine,
    source: str,
    served: tuple[FakeEngine, str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_model: Path,
) -> None:
    run_default_server(monkeypatch, served[1])
    answer = json.loads(fimserve("complete", source, "--json", "--model", tiny_model).stdout)
    assert (answer["source"], answer["model"]) == ("local", "tiny")
    assert served[0].requests == []


def test_other_service_on_the_port_is_left_alone(
    fimserve: CommandLine, source: str, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    class OtherService(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status":"ok","model":"x"}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), OtherService) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        run_default_server(monkeypatch, f"http://127.0.0.1:{other.server_port}")
        monkeypatch.setenv("FIMSERVE_MODEL", str(tiny_model))
        answer = json.loads(fimserve("complete", source, "--json").stdout)
        thread.join()
    assert answer["source"] == "local"


def test_without_a_server_the_model_is_loaded_here(
    fimserve: CommandLine, source: str, tiny_model: Path
) -> None:
    options = ["--json", "--model", tiny_model, "--max-tokens", 6]
    outcome = fimserve("complete", source, *options)
    answer = json.loads(outcome.stdout)
    assert outcome.exit_code == 0
    assert (answer["source"], answer["model"]) == ("local", "tiny")
    assert 0 < answer["usage"]["completion_tokens"] <= 6
    assert answer["finish_reason"] in ("stop", "length")
    assert set(answer["timings"]) == {"queue_ms", "ttft_ms", "e2e_ms", "total_ms", "load_ms"}
    # The answer is greedy: asked again, it is the same.
    assert json.loads(fimserve("complete", source, *options).stdout)["text"] == answer["text"]


def test_no_server_does_not_look_for_one(
    fimserve: CommandLine,
    source: str,
    served: tuple[FakeEngine, str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_model: Path,
) -> None:
    run_default_server(monkeypatch, served[1])
    monkeypatch.setenv("FIMSERVE_MODEL", str(tiny_model))
    answer = json.loads(fimserve("complete", source, "--json", "--no-server").stdout)
    assert answer["source"] == "local"


def test_settings_file_of_a_repository_is_not_read(
    fimserve: CommandLine, source: str, served: tuple[FakeEngine, str], tiny_model: Path
) -> None:
    Path("fimserve.toml").write_text("[server]\nno_such_key = 1\n")
    assert fimserve("complete", source, "--model", tiny_model, "--max-tokens", 1).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["geo.py"], 2, "FILE:LINE:COL"),
        (["none.py:1:1"], 2, "does not exist"),
        (["geo.py:9:1"], 2, "lines 1 to 5"),
        (["geo.py:1:99"], 2, "columns 1 to 13"),
        (["geo.py:1:1", "--max-tokens", "0"], 2, "max-tokens"),
        (["geo.py:1:1", "--url", "ftp://x"], 2, "url is 'ftp://x'"),
        (["geo.py:1:1", "--url", "http://127.0.0.1:1", "--no-server"], 2, "exclude each other"),
        (["geo.py:1:1", "--url", "http://127.0.0.1:1"], 1, "no answer from http://127.0.0.1:1"),
        (["geo.py:1:1", "--no-server", "--model", "/no/where"], 1, "no such directory"),
    ],
)
def test_mistakes_are_explained_in_one_message(
    fimserve: CommandLine, source: str, arguments: list[str], exit_code: int, words: str
) -> None:
    outcome = fimserve("complete", *arguments)
    assert outcome.exit_code == exit_code
    assert outcome.stdout == ""
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_refusal_of_the_server_is_passed_on(
    fimserve: CommandLine, source: str, served: tuple[FakeEngine, str]
) -> None:
    outcome = fimserve("complete", source, "--url", served[1], "--model", "gpt-4")
    assert outcome.exit_code == 1
    assert f"{served[1]} refused (404): The model 'gpt-4' is not served here" in outcome.stderr


def test_context_is_what_the_repository_defines(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    files = {"utils.py": "def double(x):\n    return x * 2\n"}
    make_repository(root, files)
    cursor = Cursor("from utils import double\n\nprint(double(", ")\n", "main.py")
    (snippet,) = find_context(root / "main.py", cursor)
    assert (snippet.path, snippet.text) == ("utils.py", files["utils.py"].rstrip())
    assert find_context(tmp_path / "main.py", cursor) == ()
