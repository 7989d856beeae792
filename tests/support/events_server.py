"""Processes that serve events over HTTP, with an engine that completes nothing.

    python -m support.events_server DATABASE_URL SPOOL_DIRECTORY

For each line on standard input one server is forked, which prints its process id and its port once
it answers, and stops on SIGTERM as the real service does. Everything is imported before, so a
server can be killed and started two hundred times.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import uvicorn

from fimserve.server.app import make_app
from fimserve.telemetry import TelemetrySettings, open_event_store
from support.experiments import open_watch
from support.fake_engine import FakeEngine


class Life(NamedTuple):
    """A running server."""

    pid: int
    port: int


class ServerNursery:
    """Starts servers, one after the other.

    Args:
        process: The process that forks them.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._started: list[int] = []

    def start(self) -> Life:
        """Return a new server, once it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        pid, port = self._process.stdout.readline().split()
        self._started.append(int(pid))
        return Life(int(pid), int(port))

    def kill_all(self) -> None:
        """Kill the servers that are left; their parent does not take them along."""
        for pid in self._started:
            with suppress(OSError):  # most are dead, and a number may be another's by now
                if b"support.events_server" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def open_nursery(url: str, spool: str) -> Iterator[ServerNursery]:
    """Have servers for the length of a `with` block.

    Args:
        url: Database of all of them.
        spool: Directory for when it is away.

    Yields:
        What starts them.
    """
    command = [sys.executable, "-m", "support.events_server", url, spool]
    pipe = subprocess.PIPE
    # pytest finds this package without it being on the path of other processes.
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        nursery = ServerNursery(process)
        try:
            yield nursery
        finally:
            nursery.kill_all()
            process.kill()


class AnnouncingServer(uvicorn.Server):
    """Prints process and port when it is ready."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print.

        Args:
            sockets: The bound socket.
        """
        await super().startup(sockets)
        assert sockets
        sys.stdout.write(f"{os.getpid()} {sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()


def serve(url: str, spool: str) -> None:
    """Serve until a signal comes.

    Args:
        url: Database.
        spool: Directory for when it is away.
    """
    store = open_event_store(TelemetrySettings(url=url, spool=spool))
    app = make_app(FakeEngine(), event_store=store, experiments=open_watch(url))
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="on")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        AnnouncingServer(config).run(sockets=[listener])


def main(url: str, spool: str) -> None:
    """Fork a server for each line that comes in.

    Args:
        url: Database.
        spool: Directory for when it is away.
    """
    logging.basicConfig(level=logging.ERROR)
    # Nobody waits for the servers; the dead are not to be kept.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(url, spool)
            finally:
                os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
