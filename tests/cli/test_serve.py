"""The real `fimserve serve` process on a tiny model: what it prints works, and it ends well."""

import gc
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from fimserve.cli.local_model import LoadedEngine
from fimserve.cli.serve import build_curl_line, run_service
from fimserve.cli.settings import Settings
from fimserve.server.http_server import HttpServer
from fimserve.server.key_file import KeyFile
from support.cli import CommandLine
from support.fake_engine import FakeEngine
from support.stored import read_stored

TIMEOUT_S = 40
PACKAGE_ROOT = Path(__file__).parents[2]


@contextmanager
def start(
    model: Path, directory: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the service and wait for what it prints when it is ready.

    Args:
        model: Model to serve.
        directory: Current directory of the process; gets its log.
        *options: Further options.

    Yields:
        The process, and what it printed.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FIMSERVE_")}
    # The current directory is another one: the package must be found without being installed.
    environment["PYTHONPATH"] = str(PACKAGE_ROOT)
    environment["FIMSERVE_TELEMETRY_URL"] = f"sqlite:///{directory}/events.db"
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fimserve", "serve", "--model", str(model), "--port", "0",
             *options],
            stdout=subprocess.PIPE, stderr=log, text=True, cwd=directory, env=environment,
        )  # fmt: skip
        assert process.stdout is not None
        printed = ""
        try:
            while not printed.endswith("Ctrl+C\n") and (line := process.stdout.readline()):
                printed += line
            yield process, printed
        finally:
            process.kill()
            process.stdout.close()
            process.wait(TIMEOUT_S)


def find_url(printed: str) -> str:
    """Return the address that the service printed."""
    found = re.search(r"ready at (http://127\.0\.0\.1:\d+)$", printed, re.MULTILINE)
    assert found, printed
    return found[1]


def test_the_settings_are_logged_once_and_below_the_banner(
    tiny_model: Path, tmp_path: Path
) -> None:
    together = ["sh", "-c", 'exec "$@" 2>&1', "sh"]  # both streams as a terminal shows them
    command = [sys.executable, "-m", "fimserve", "serve", "--model", str(tiny_model), "--port", "0"]
    environment = os.environ | {
        "PYTHONPATH": str(PACKAGE_ROOT),
        "FIMSERVE_TELEMETRY_URL": f"sqlite:///{tmp_path}/events.db",
    }
    with subprocess.Popen(
        together + command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as process:
        assert process.stdout is not None
        printed = ""
        while "settings: " not in printed and (line := process.stdout.readline()):
            printed += line
        process.terminate()
        printed += process.stdout.read()
    assert printed.count("settings: ") == 1
    assert printed.index("is ready at") < printed.index("Ctrl+C") < printed.index("settings: ")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl on the PATH")
def test_service_does_what_it_prints_and_drains_when_told_to_stop(
    tiny_model: Path, tmp_path: Path
) -> None:
    # One process for everything: most of the time goes into starting it.
    with start(tiny_model, tmp_path) as (process, printed), httpx.Client(trust_env=False) as client:
        check_banner(printed)
        check_curl_line(printed)
        url = find_url(printed)
        check_events_are_kept(client, url)
        assert client.get(f"{url}/health").json()["model"] == "tiny"
        check_stream_outlives_sigterm(client, url, process)
        assert process.wait(TIMEOUT_S) == 0
    assert read_stored(f"sqlite:///{tmp_path}/events.db") == {"local": ["e-1"]}
    log = (tmp_path / "log").read_text()
    assert log.count("route=/v1/completions status=200") == 2
    assert "area(" not in log
    assert "Traceback" not in log


def check_events_are_kept(client: httpx.Client, url: str) -> None:
    """Check that an event is taken, and known when it comes again."""
    event = {"id": "e-1", "type": "shown", "completion_id": "cmpl-1", "at_ms": 0}
    answers = [client.post(f"{url}/v1/events", json={"events": [event]}).json() for _ in range(2)]
    assert answers == [{"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}]


def check_banner(printed: str) -> None:
    """Check that the model is described on a line of its own."""
    model = r"^  model  tiny \(0\.1M parameters, \w+, \w+, loaded in \d+\.\d s\)$"
    assert re.search(model, printed, re.MULTILINE), printed


def check_curl_line(printed: str) -> None:
    """Check that the printed command, pasted into a shell, gets a completion."""
    curl = next(line for line in printed.splitlines() if " curl " in line)
    ran = subprocess.run(
        ["sh", "-c", curl.removeprefix("  try    ")],
        capture_output=True, text=True, check=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert json.loads(ran.stdout)["choices"][0]["finish_reason"] in ("stop", "length")


def check_stream_outlives_sigterm(
    client: httpx.Client, url: str, process: subprocess.Popen[str]
) -> None:
    """Check that a stream that runs when the signal comes is written to its end."""
    body = {"prompt": "def area(radius):\n    return ", "max_tokens": 512, "stream": True}
    with client.stream("POST", f"{url}/v1/completions", json=body | {"seed": 1}) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        process.send_signal(signal.SIGTERM)
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"]


def test_what_is_there_before_serving_is_not_looked_at_by_the_collector_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts: list[int] = []
    monkeypatch.setattr(
        HttpServer, "run", lambda self, sockets: counts.append(gc.get_freeze_count())
    )
    loaded = LoadedEngine(FakeEngine(), 1, "fp32", "cpu", 1.0)  # type: ignore[arg-type]
    with socket.socket() as listener:
        settings = Settings()
        bound = SimpleNamespace(socket=listener, url="http://localhost")
        run_service(loaded, settings, bound, None)  # type: ignore[arg-type]
    gc.unfreeze()
    assert counts[0] > 10_000


def test_port_in_use_is_said_before_the_model_loads(fimserve: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = fimserve("serve", "--port", port, "--model", "no-such-model")
    assert outcome.exit_code == 1
    assert f"port {port} on 127.0.0.1 is in use" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--host", "0.0.0.0"], 2, "API keys"),
        (["--keys", "nowhere.json"], 2, "nowhere.json does not exist"),
        (["--tls-cert", "cert.pem"], 2, "TLS needs both"),
        (["--tls-cert", "no.pem", "--tls-key", "no.pem"], 2, "cannot use no.pem"),
        (["--port", "70000"], 2, "0 to 65535"),
        (["--config", "nowhere.toml"], 2, "cannot read nowhere.toml"),
        (["--port", "0", "--model", "no-such-model"], 1, "no-such-model"),
        (["--port", "0", "--device", "tpu"], 1, "tpu"),
    ],
)
def test_mistakes_are_explained_in_one_message(
    fimserve: CommandLine, tiny_model: Path, arguments: list[str], exit_code: int, words: str
) -> None:
    outcome = fimserve("serve", "--model", tiny_model, *arguments)
    assert outcome.exit_code == exit_code
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_an_open_address_needs_a_key_in_the_file(fimserve: CommandLine) -> None:
    KeyFile(Path("keys.json")).change(lambda known: known)
    outcome = fimserve("serve", "--host", "0.0.0.0", "--port", "0", "--keys", "keys.json")
    assert outcome.exit_code == 2
    assert "fimserve keys create" in outcome.stderr


def test_with_keys_the_line_to_paste_carries_one() -> None:
    line = build_curl_line("https://[::1]:1", has_keys=True)
    assert line.endswith('-H "Authorization: Bearer $FIMSERVE_API_KEY"')
    assert "FIMSERVE_API_KEY" not in build_curl_line("http://[::1]:1")


def test_settings_file_of_the_current_directory_is_read(fimserve: CommandLine) -> None:
    Path("fimserve.toml").write_text("[server]\nprot = 1\n")
    outcome = fimserve("serve")
    assert outcome.exit_code == 2
    assert "unknown key server.prot; did you mean server.port?" in outcome.stderr


def test_events_that_could_be_kept_nowhere_are_said_before_the_model_loads(
    fimserve: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    Path("fimserve.toml").write_text('[telemetry]\nurl = "sqlite:///file/events.db"\n')
    outcome = fimserve("serve", "--port", "0", "--model", "no-such-model")
    assert outcome.exit_code == 1
    assert "[telemetry] cannot write" in outcome.stderr
