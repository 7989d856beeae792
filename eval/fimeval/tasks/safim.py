"""SAFIM: syntax-aware holes in programs: a block, a control expression, or an API call.

As published, a prompt is the problem's text and the program with a placeholder; it is split there,
so the problem's text is part of the prefix. Answers are cut as the published harness does
(`prompt_utils.py` of gonglinyuan/safim at 9543286) and, as another rule, not at all. Decoding is
greedy; the published figures are of one sample at temperature 0.2.
"""

import ast
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimeval.data_file import DataFile, DataRow, load_data_file
from fimeval.errors import DataFileError
from fimeval.execution import has_toolchain, passes
from fimeval.program import Case, Program
from fimeval.records import Record, RowKey
from fimeval.rules import Rule, match_stripped, take_first_line
from fimeval.syntax import parse, walk
from fimeval.task import ALL_ROWS, Task, check_unique_keys

FIELDS = ("task_id", "lang", "prompt", "eval_prompt", "ground_truth")
VALUES = ("unit_tests",)

MAX_TOKENS = 128

COMPLETION = "{{completion}}"

PLACEHOLDERS: Mapping[str, str] = {
    "python": "# TODO: Your code here",
    "java": "/* TODO: Your code here */",
    "cpp": "/* TODO: Your code here */",
    "csharp": "/* TODO: Your code here */",
}

STATEMENT = re.compile(r"Description: (.*?)\n\n", re.DOTALL)

Cut = Callable[[str, Record], str]

NUM_PASS_NODES = 4
"""Entries of a trace that the statement `pass` makes: block and statement, entered and left."""


@dataclass(frozen=True, slots=True)
class _Kind:
    subset: str
    cut: Cut
    cut_text: str
    match: Callable[[str, str, str], float]
    num_published_rows: int


def cut_block(text: str, row: Record) -> str:
    """Drop last lines until the program is well formed and only the hole has new nodes.

    Args:
        text: The answer.
        row: A row with its program.

    Returns:
        The longest run of first lines with which the program has no error node and differs in its
        syntax tree from the program with an empty hole (`pass` in Python) by added nodes alone.
    """
    program = _program(row)
    lines = text.splitlines(keepends=True)
    if not lines:
        return ""
    empty = program.fill("pass" if program.language == "python" else "")
    before = _trace(empty, program.language) or []
    spare = NUM_PASS_NODES if program.language == "python" else 0
    while lines:
        after = _trace(program.fill("".join(lines)), program.language)
        if after is not None and _adds_only(before, after, spare):
            break
        lines.pop()
    return "".join(lines)


def cut_control(text: str, row: Record) -> str:
    """Cut an answer to a control expression.

    Args:
        text: The answer.
        row: Its row, for the language.

    Returns:
        In Python the first line that is not blank, else the text ahead of the parenthesis that
        closes more than was opened.
    """
    if row.key.language == "python":
        return take_first_line(text.replace("\r\n", "\n"))
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return text[:index]
    return text


def cut_call(text: str, row: Record) -> str:
    """Return the text up to the first parenthesis that closes all that were opened."""
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == ")" and depth <= 0:
            return text[: index + 1]
    return text


def match_call(text: str, reference: str, language: str) -> float:
    """Return 1.0 where two calls are the same but for white space.

    As published: white space is dropped everywhere, in string literals too, and of two Python calls
    the arguments alone are compared.
    """
    one, other = ("".join(side.split()) for side in (text, reference))
    if language == "python":
        calls = [_parse_call(side) for side in (one, other)]
        if calls[0] is not None and calls[1] is not None:
            return float(calls[0] == calls[1])
    return float(one == other)


def _match_text(text: str, reference: str, language: str) -> float:
    return match_stripped(text.replace("\r\n", "\n"), reference.replace("\r\n", "\n"))


_KINDS = (
    _Kind("block", cut_block, "cut where the program's tree fits", _match_text, 8781),
    _Kind("control", cut_control, "cut at the end of the expression", _match_text, 8629),
    _Kind("api", cut_call, "cut at the end of the call", match_call, 310),
)
_BY_SUBSET = {kind.subset: kind for kind in _KINDS}


def load_safim(path: Path) -> Task:
    """Read a SAFIM file of one kind, whole or a part.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file. Kinds are told by task ids and unit tests.

    Returns:
        The task; its subset is block, control or api. Block and control have a rule by execution,
        which covers rows of languages that can be run on this machine.
    """
    data = load_data_file(path, FIELDS, VALUES)
    kind = _find_kind(data)
    records = tuple(_read_record(row) for row in data.rows)
    check_unique_keys(path, records)
    return Task(
        name="safim",
        subset=kind.subset,
        data_path=data.path,
        data_sha256=data.sha256,
        records=records,
        rules=(
            _make_match("match", kind.cut, kind.cut_text, kind),
            _make_match("own-stop", _keep, "whole text up to the model's own end token", kind),
        ),
        executed_rules=() if kind.subset == "api" else (_make_pass(kind),),
        slices=(ALL_ROWS,),
        max_tokens=MAX_TOKENS,
        num_published_rows=kind.num_published_rows,
    )


def _make_match(name: str, cut: Cut, cut_text: str, kind: _Kind) -> Rule:
    def match(text: str, row: Record) -> float:
        return kind.match(cut(text, row), row.reference, row.key.language)

    how = "equal but for white space" if kind.subset == "api" else "equal after strip()"
    return Rule(
        name,
        f"{cut_text}; {how}",
        match,
        can_match=lambda row: match(row.reference, row) == 1.0,
    )


def _make_pass(kind: _Kind) -> Rule:
    def run(text: str, row: Record) -> float:
        answer = kind.cut(text, row)
        if answer == row.reference:
            return 1.0  # as published: the reference is taken to be right
        return float(bool(answer.strip()) and passes(_program(row), answer))

    return Rule(
        "pass",
        f"{kind.cut_text}; all unit tests pass (pass@1)",
        run,
        covers=lambda row: has_toolchain(row.key.language),
        can_match=lambda row: kind.cut(row.reference, row) == row.reference,
    )


def _keep(text: str, row: Record) -> str:
    return text


def _trace(text: str, language: str) -> list[tuple[bool, str]] | None:
    """Return the kinds of all nodes as they are entered and left; None where there is an error."""
    trace = []
    for node, is_entered in walk(parse(text, language)):
        if node.type == "ERROR" and node.text != b";":
            return None
        trace.append((is_entered, node.type))
    return trace


def _adds_only(before: list[tuple[bool, str]], after: list[tuple[bool, str]], spare: int) -> bool:
    if len(before) > len(after):
        return False
    longest = len(before)
    head = 0
    while head < longest and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < longest - 1 and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return longest - (head + tail) - spare == 0


def _parse_call(text: str) -> tuple[list[str], dict[str | None, str]] | None:
    try:
        body = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(body, ast.Call):
        return None
    named = {word.arg: ast.dump(word.value) for word in body.keywords}
    return [ast.dump(argument) for argument in body.args], named


def _find_kind(data: DataFile) -> _Kind:
    subsets = {_find_subset(row) for row in data.rows}
    if len(subsets) > 1:
        raise DataFileError(
            f"{data.path} mixes rows of {' and '.join(sorted(subsets))}; give one file per kind"
        )
    return _BY_SUBSET[subsets.pop()]


def _find_subset(row: DataRow) -> str:
    # API rows bear ids of blocks, but no unit tests.
    if not row.values["unit_tests"]:
        return "api"
    name = row.fields["task_id"].partition("_")[0]
    if name not in _BY_SUBSET:
        raise row.refuse(
            f"task_id {row.fields['task_id']!r} is of no known kind; expected "
            "block_completion_0 or control_completion_0"
        )
    return name


def _read_record(row: DataRow) -> Record:
    fields = row.fields
    language = fields["lang"]
    if language not in PLACEHOLDERS:
        raise row.refuse(f"lang {language!r} is unknown; known are {', '.join(PLACEHOLDERS)}")
    prefix, suffix = _split(row, "prompt", PLACEHOLDERS[language])
    before, after = _split(row, "eval_prompt", COMPLETION)
    return Record(
        key=RowKey(fields["task_id"], language),
        cluster=_find_problem(prefix, before + fields["ground_truth"] + after),
        prefix=prefix,
        suffix=suffix,
        reference=fields["ground_truth"],
        program=Program(language, before, after, _read_cases(row)),
    )


def _split(row: DataRow, name: str, mark: str) -> tuple[str, str]:
    parts = row.fields[name].split(mark)
    if len(parts) != 2:
        raise row.refuse(f"{name} has {mark!r} {len(parts) - 1} times; it marks the hole, once")
    return parts[0], parts[1]


def _find_problem(prefix: str, program: str) -> str:
    """Return what tells problems apart: the statement, or, where there is none, the program."""
    found = STATEMENT.search(prefix)
    return hashlib.sha256((found[1] if found else program).encode()).hexdigest()[:16]


def _read_cases(row: DataRow) -> tuple[Case, ...]:
    tests: Any = row.values["unit_tests"] or []
    try:
        return tuple(Case(test["input"], tuple(test["output"])) for test in tests)
    except (TypeError, LookupError) as error:
        raise row.refuse(
            f"unit_tests are of another shape ({error!r}): a list of input and outputs"
        ) from error


def _program(row: Record) -> Program:
    assert row.program is not None  # every row of this task is read with one
    return row.program
