"""Hand-made benchmark rows and files, and completers whose answers are known beforehand."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fimeval.completer import Completion, EvalPrompt


def single_line_row(problem: int, line: int, answer: str = "    return x\n") -> dict[str, str]:
    """Return one row as the single-line file has them."""
    return {
        "task_id": f"SingleLineInfilling/HumanEval/{problem}/L{line}",
        "entry_point": "f",
        "prompt": f"def f(x):\n    # {problem} {line}\n",
        "suffix": "\n",
        "canonical_solution": answer,
        "test": "def check(candidate):\n    assert candidate(1) == 1\n",
    }


def random_span_row(
    problem: int, answer: str, kind: str = "RandomSpanInfillingLight"
) -> dict[str, str]:
    """Return one row as the random-span files have them: the hole cuts tokens."""
    row = single_line_row(problem, 0, answer)
    return row | {
        "task_id": f"{kind}/HumanEval/{problem}/1",
        "prompt": f"def f(x):\n    ret{problem}",
    }


def santacoder_row(problem: str, line: int, language: str, answer: str) -> dict[str, str]:
    """Return one row of SantaCoder-FIM: no newline ends the prompt or begins the suffix."""
    return {
        "name": f"humaneval-{problem}.json-L{line}",
        "language": language,
        "prompt": f"function f(x) {{ // {problem} {line} {language}",
        "suffix": "}",
        "canonical_solution": answer,
        "tests": "",
    }


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows as JSON lines, compressed where the name ends in .gz."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


class KnownAnswers:
    """A completer that looks its answer up by the prefix, and counts how often it was asked."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = dict(answers)
        self.prompts: list[EvalPrompt] = []

    def __call__(self, prompt: EvalPrompt) -> Completion:
        self.prompts.append(prompt)
        return Completion(self.answers[prompt.prefix], "stop", 7, 3)
