"""Right answers stay: those of the benchmarks, given as if a model had written them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import pytest

from fimserve.engine.text_stream import TextStream
from support.shared import shared_file

Row = dict[str, str]
Answer = tuple[str, str, str, str]
"""Language, prefix, suffix and the right middle."""
LANGUAGES = {"py": "python", "js": "javascript"}


def read_santacoder(row: Row) -> Answer:
    language = LANGUAGES.get(row["language"], row["language"])
    return language, row["prompt"], row["suffix"], row["canonical_solution"]


def read_humaneval(row: Row) -> Answer:
    return "python", row["prompt"], row["suffix"], row["canonical_solution"]


def read_safim(row: Row) -> Answer:
    prefix, _, suffix = row["eval_prompt"].partition("{{completion}}")
    return row["lang"], prefix, suffix, row["ground_truth"]


def read_swebench(row: Row) -> Answer:
    return row["language"].lower(), row["prefix"], row["suffix"], row["middle"]


@pytest.mark.parametrize(
    ("name", "read", "min_share"),
    [
        ("santacoder-fim/santacoder_fim_dev", read_santacoder, 1.0),
        ("humaneval-infilling/HumanEval-SingleLineInfilling", read_humaneval, 1.0),
        ("humaneval-infilling/HumanEval-RandomSpanInfillingLight", read_humaneval, 0.98),
        ("safim/control_completion_dev", read_safim, 1.0),
        ("safim/block_completion_dev", read_safim, 0.99),
        # Holes over several blocks, which no single completion is meant to fill.
        ("swebench-infill/swebench_lite_infill", read_swebench, 0.96),
    ],
)
def test_right_answers_are_not_cut(
    name: str, read: Callable[[Row], Answer], min_share: float
) -> None:
    path = shared_file(f"data/eval/{name}.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        rows = [json.loads(line) for line in lines]
    rows = rows[:: max(1, len(rows) // 400)]
    assert len(rows) > 100
    cut = [row for row in rows if is_cut(*read(row))]
    assert len(cut) <= (1 - min_share) * len(rows), cut[0]


def is_cut(language: str, prefix: str, suffix: str, answer: str) -> bool:
    stream = TextStream(
        [answer.encode()].__getitem__, prefix=prefix, suffix=suffix, language=language, trim=True
    )
    shown = stream.feed(0) + stream.flush()
    return shown.replace("\r\n", "\n").strip() != answer.replace("\r\n", "\n").strip()
