"""A file of held-out holes as `fimserve eval repo` makes them."""

from pathlib import Path
from typing import Any

from support.fim_rows import write_rows


def write_held_out(path: Path, num_rows: int = 6) -> Path:
    """Write holes of two kinds in three files, with a snippet each."""
    return write_rows(path, [_make_row(number) for number in range(num_rows)])


def _make_row(number: int) -> dict[str, Any]:
    return {
        "task_id": f"o/n:a{number % 3}.py:{number}",
        "repository": "o/n",
        "commit": "0" * 40,
        "path": f"a{number % 3}.py",
        "language": "python",
        "kind": ("call", "loop")[number % 2],
        "line": number,
        "prefix": f"def f{number}(values):\n" + "    # more\n" * number + "    total = ",
        "middle": f"sum(values) + {number}",
        "suffix": "\n    return total\n",
        "snippets": [{"path": "b.py", "text": "def helper(): ...", "reason": "definition"}],
    }
