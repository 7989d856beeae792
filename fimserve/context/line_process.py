"""A program that answers one line of JSON with another, within a time limit or not at all.

What does not answer in time is ended with all that it started. Knows nothing of what is asked.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["LineProcess", "ProcessGone", "ProcessTooSlow"]

MAX_ANSWER_BYTES = 4_000_000
READ_BYTES = 65_536


class ProcessGone(Exception):
    """The program has ended, or says what is no answer."""


class ProcessTooSlow(Exception):
    """The program did not answer in time; it was ended."""


class LineProcess:
    """One running program.

    Args:
        command: Program and arguments.
        environment: Its environment variables.

    Raises:
        ProcessGone: If it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessGone(f"cannot start {command[0]}: {error.strerror}") from None
        assert self._process.stdin is not None  # noqa: S101 - pipes were asked for
        assert self._process.stdout is not None  # noqa: S101
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._input.fileno(), False)
        os.set_blocking(self._output.fileno(), False)

    def ask(self, question: Mapping[str, object], timeout_s: float) -> dict[str, Any]:
        """Return the answer to a question.

        Args:
            question: What is sent, as one line.
            timeout_s: How long the whole exchange may take.

        Returns:
            The answer.

        Raises:
            ProcessGone: If there is no answer and will be none.
            ProcessTooSlow: If there was none in time.
        """
        try:
            line = self._exchange(json.dumps(question).encode("ascii") + b"\n", timeout_s)
            answer = json.loads(line)
        except (OSError, ValueError):
            self.close()
            raise ProcessGone("it ended") from None
        except ProcessTooSlow:
            self.close()
            raise
        if not isinstance(answer, dict):
            self.close()
            raise ProcessGone("it gave no answer")
        return answer

    def close(self) -> None:
        """End the program, now."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # What was not written yet is of no use to anybody.
        for pipe in (self._input, self._output):
            with contextlib.suppress(OSError):
                pipe.close()

    def _exchange(self, line: bytes, timeout_s: float) -> bytes:
        """Write and read at once: a program may answer before it has read everything."""
        ends_s = time.monotonic() + timeout_s
        unsent, received = memoryview(line), bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(self._input, selectors.EVENT_WRITE)
            ready.register(self._output, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                events = ready.select(max(0.0, ends_s - time.monotonic()))
                if not events and time.monotonic() >= ends_s:
                    raise ProcessTooSlow
                for key, _ in events:
                    if key.fileobj is self._input:
                        unsent = unsent[os.write(key.fd, unsent[:READ_BYTES]) :]
                        if not unsent:
                            ready.unregister(self._input)
                    elif not (read := os.read(key.fd, READ_BYTES)):
                        raise ValueError("end of output")
                    else:
                        received += read
                if len(received) > MAX_ANSWER_BYTES:
                    raise ValueError("answer too long")
        return bytes(received)
