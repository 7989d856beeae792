"""Runs this project's own service as a process of its own, on a free port, for a measurement.

Knows the service only by its command line and by the address it prints when it is ready.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from fimeval.errors import ServerStartError

READY = re.compile(r"ready at (https?://\S+)")

STOP_TIMEOUT_S = 20.0
"""Longer than the service drains."""

MAX_LOG_LINES = 5


@contextmanager
def run_own_server(model: str, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve a model for the length of a `with` block.

    Its settings come from the environment and `fimserve.toml`, as for `fimserve serve`.

    Args:
        model: embedded, a directory, or a hub id.
        settings: Further variables of its environment, such as FIMSERVE_SERVER_KEYS.

    Yields:
        str: Address of the service.
    """
    command = [sys.executable, "-m", "fimserve", "serve", "--model", model, "--port", "0"]
    environment = {**os.environ, **(settings or {})}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        ) as process,
    ):
        try:
            yield _wait_until_ready(process, log)
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[str], log: IO[str]) -> str:
    # Without a time limit: a hub model may take long to fetch, and whoever waits can interrupt.
    for line in process.stdout or ():
        if found := READY.search(line):
            return found[1]
    exit_code = process.wait()
    log.seek(0)
    end = "\n".join(log.read().splitlines()[-MAX_LOG_LINES:])
    raise ServerStartError(f"the service ended with code {exit_code} before it was ready:\n{end}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
