"""Drives the real `tabby-agent` of npm: over its own lines of JSON, and as a language server.

Both are what editors do with it: IntelliJ and Vim speak the lines, others the language server
protocol. One process per agent, with a home folder of its own.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

REPLY_TIMEOUT_S = 20.0
CLI = Path("node_modules", "tabby-agent", "dist", "cli.js")


class _Process:
    """A process whose messages are read by a thread, so that waiting for one can time out."""

    def __init__(self, command: list[str], home: Path) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.stdin: IO[bytes] = self._process.stdin
        self.stdout: IO[bytes] = self._process.stdout
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._ids = count(1)
        threading.Thread(target=self._read, daemon=True).start()

    def read_message(self) -> Any:
        """Return the next message of the process; None at its end."""
        raise NotImplementedError

    def next_id(self) -> int:
        return next(self._ids)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self.stdin.close()
        self.stdout.close()

    def _read(self) -> None:
        try:
            while (message := self.read_message()) is not None:
                self.inbox.put(message)
        except ValueError:
            pass  # closed while reading


class Agent(_Process):
    """The agent as editors embed it: calls by name, answers and notices as lines of JSON."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.notices: list[dict[str, Any]] = []
        super().__init__(["node", str(folder / CLI)], home)

    def read_message(self) -> Any:
        line = self.stdout.readline()
        return json.loads(line) if line else None

    def call(self, function: str, *arguments: object) -> Any:
        """Return what a function of the agent returns; null also where it failed."""
        number = self.next_id()
        request = [number, {"func": function, "args": list(arguments)}]
        self.stdin.write(json.dumps(request).encode() + b"\n")
        self.stdin.flush()
        while True:
            answered, content = self.inbox.get(timeout=REPLY_TIMEOUT_S)
            if answered == number:
                return content
            self.notices.append(content)

    def start(self, endpoint: str, token: str = "") -> str:
        """Configure the agent for a server and return its status."""
        config = {
            "server": {"endpoint": endpoint, "token": token},
            # What is typed by a test comes at once.
            "completion": {"debounce": {"mode": "fixed", "interval": 0}},
            "anonymousUsageTracking": {"disable": True},
        }
        assert self.call("initialize", {"config": config}) is True
        return self.status

    @property
    def status(self) -> str:
        """What the agent thinks of the server: ready, disconnected, unauthorized."""
        return str(self.call("getStatus"))

    def check_health(self) -> str:
        """Make the agent look at the server again now and return its status."""
        self.call("requestAuthUrl", {})
        return self.status

    def complete(self, text: str, **further: object) -> Any:
        """Return what the agent would show at the `█` of a text."""
        before, _, after = text.partition("█")
        request = {
            "filepath": "/w/geo.py",
            "language": "python",
            "text": before + after,
            "position": len(before),
            "workspace": "/w",
        }
        return self.call("provideCompletions", request | further)


class AgentServer(_Process):
    """The agent as a language server on its standard streams."""

    def __init__(self, folder: Path, home: Path) -> None:
        super().__init__(["node", str(folder / CLI), "--lsp", "--stdio"], home)

    def read_message(self) -> Any:
        length = 0
        while (line := self.stdout.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(self.stdout.read(length)) if length else None

    def notify(self, method: str, params: object) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: object) -> Any:
        """Return the result of a request."""
        number = self.next_id()
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self.inbox.get(timeout=REPLY_TIMEOUT_S)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _send(self, message: dict[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.stdin.flush()


@contextmanager
def run_agent(folder: Path, home: Path) -> Iterator[Agent]:
    """Run an agent for the length of a `with` block.

    Args:
        folder: Where the package is installed.
        home: Its home folder, where it looks for settings.

    Yields:
        The agent, not configured.
    """
    agent = Agent(folder, home)
    try:
        yield agent
    finally:
        agent.close()


@contextmanager
def run_agent_server(folder: Path, home: Path, endpoint: str) -> Iterator[AgentServer]:
    """Run the agent as a language server for the length of a `with` block.

    Args:
        folder: Where the package is installed.
        home: Its home folder; the settings are written there.
        endpoint: Address of the server.

    Yields:
        The language server, not initialised.
    """
    settings = home / ".tabby-client" / "agent" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        f'[server]\nendpoint = "{endpoint}"\n\n[anonymousUsageTracking]\ndisable = true\n'
    )
    server = AgentServer(folder, home)
    try:
        yield server
    finally:
        server.close()
