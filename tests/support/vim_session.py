"""A real Vim or Neovim on a terminal that nobody sees, typed into and asked what it shows.

Vim reports mode, text and screen of its own accord, many times a second, into a file.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WAIT_S = 10.0
STEP_S = 0.02
ROWS, COLUMNS = 40, 120
ESCAPE = "\x1b"

REPORTING = """
function! Row(number) abort
  return join(map(range(1, 60), {_, column -> screenstring(a:number, column)}), '')
endfunction
function! Report(timer) abort
  let l:seen = {'mode': mode(), 'lines': getline(1, '$'),
    \\ 'screen': map(range(1, 12), {_, number -> Row(number)})}
  call writefile([json_encode(l:seen)], $REPORT .. '.new')
  call rename($REPORT .. '.new', $REPORT)
endfunction
call timer_start(40, 'Report', {'repeat': -1})
"""


class VimSession:
    """One running Vim.

    Args:
        master: The test's end of its terminal.
        report: File that Vim writes what it sees into.
    """

    def __init__(self, master: int, report: Path) -> None:
        self._master = master
        self._report = report

    def type(self, keys: str) -> None:
        """Type keys, as a person would."""
        os.write(self._master, keys.encode())

    def wait_for_hint(self, *rows: str) -> None:
        """Wait until rows stand on the screen one below the other, and not so in the text.

        Blanks at their starts do not count: llama.vim indents lines twice in some Vims.
        """
        wanted = [row.strip() for row in rows]

        def is_there(seen: dict[str, Any]) -> bool:
            screen = [row.strip() for row in seen["screen"]]
            starts = range(len(screen) - len(wanted) + 1)
            is_shown = any(screen[at : at + len(wanted)] == wanted for at in starts)
            return is_shown and not set(rows) <= set(seen["lines"])

        self.wait(is_there, f"the hint {rows}")

    def look(self) -> dict[str, Any]:
        """Return what Vim last reported; nothing before its first report."""
        try:
            seen: dict[str, Any] = json.loads(self._report.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return seen

    def wait(self, is_there: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """Wait until a report shows something, and return that report.

        Args:
            is_there: Looks at a report.
            what: What is waited for, for the message.

        Raises:
            AssertionError: If it does not come.
        """
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            seen = self.look()
            if seen and is_there(seen):
                return seen
            time.sleep(STEP_S)
        raise AssertionError(f"Vim did not show {what}; it shows {self.look()}")


@contextmanager
def run_vim(editor: str, file: Path, settings: str, home: Path) -> Iterator[VimSession]:
    """Open a file in an editor for the length of a `with` block.

    Args:
        editor: `vim` or `nvim`.
        file: What to edit.
        settings: Vim script to start with.
        home: An empty home folder.

    Yields:
        The session.
    """
    script, report = home / "vimrc", home / "report.json"
    script.write_text(f"set nocompatible noswapfile nomore shortmess+=F\n{settings}\n{REPORTING}")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [editor, "-u", str(script), "-i", "NONE", "-n", str(file)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "REPORT": str(report),
        },
    )
    os.close(slave)
    # A terminal that nobody reads fills up, and Vim with it waits.
    threading.Thread(target=_drain, args=(master,), daemon=True).start()
    try:
        yield VimSession(master, report)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _drain(master: int) -> None:
    try:
        while os.read(master, 65_536):
            pass
    except OSError:
        pass  # closed
