"""Places drawn for the comparison with and without context, and the bench's made-up repository."""

import json
from pathlib import Path

from fimeval.bench.context import ContextSettings, measure_context
from fimeval.bench.made_up_repository import make_files
from fimeval.context_spans import main
from support.git_repositories import make_repository

SOURCE = "from pkg.tools import double\n\n" + "".join(
    f"def use_{n}(value_{n}):\n    return double(value_{n}) + {n}\n\n" for n in range(30)
)


def test_rows_hold_the_file_and_both_lists_of_snippets(tmp_path: Path) -> None:
    files = {"pkg/main.py": SOURCE, "pkg/tools.py": "def double(x):\n    return x * 2\n"}
    make_repository(tmp_path / "demo", files, bare=True)
    output = tmp_path / "rows.jsonl"
    main([str(tmp_path / "demo"), "--spans", "4", "--output", str(output)])
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == 4
    for row in rows:
        assert row["prompt"] + row["canonical_solution"] + row["suffix"] == files[row["path"]]
        assert row["canonical_solution"].partition("\n")[1] == ""
        assert set(row["contexts"]) == {"cursor", "oracle"}
    assert any(row["contexts"]["cursor"] for row in rows)


def test_bench_measures_a_repository_that_is_made_up() -> None:
    result = measure_context(ContextSettings(None, 12, 3, 512, 0), lambda _: None)
    assert result.num_files == 12
    assert result.left_out == {}
    assert result.answered_share > 0


def test_made_up_files_are_the_same_for_one_seed() -> None:
    assert list(make_files(8, 1)) == list(make_files(8, 1)) != list(make_files(8, 2))
