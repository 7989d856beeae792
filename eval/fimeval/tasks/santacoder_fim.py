"""SantaCoder-FIM: one missing line of a Python, Java or JavaScript program.

The prompt seldom ends with a newline and the suffix seldom begins with one, so a right answer
usually begins with a newline: no newline stop may be used in generation, and cutting happens here.
A third of the Java and JavaScript answers are closing brackets; scores without them stand apart.
"""

import re
from pathlib import Path
from types import MappingProxyType

from fimeval.data_file import DataRow, load_data_file
from fimeval.records import Record, RowKey
from fimeval.rules import Rule, cut_at_markers, match_stripped, take_first_line
from fimeval.task import ALL_ROWS, Slice, Task, check_unique_keys

FIELDS = ("name", "language", "prompt", "suffix", "canonical_solution", "tests")

LANGUAGES = MappingProxyType({"py": "python", "java": "java", "js": "javascript"})

# What bigcode-evaluation-harness cuts at: its SantaCoder task the first two, its StarCoder task
# the third (bigcode_eval/tasks/santacoder_fim.py at 8fc5bae).
END_MARKERS = ("<|endoftext|>", "<|filename|>", "<file_sep>")

MAX_TRIVIAL_CHARS = 2

LINE_SUFFIX = re.compile(r"\.json-L\d+$")


def match_official(completion: str, reference: str) -> float:
    """Return 1.0 where the text ahead of the end markers is the reference, both stripped.

    As in the official scorer, a right line that is followed by more text is wrong.
    """
    return match_stripped(cut_at_markers(completion, END_MARKERS), reference)


def match_first_line(completion: str, reference: str) -> float:
    """Return 1.0 where the first non-blank line ahead of the end markers is the reference."""
    return match_stripped(take_first_line(cut_at_markers(completion, END_MARKERS)), reference)


def find_problem(name: str) -> str:
    """Return the problem of a row, the same in all languages: its cluster."""
    return LINE_SUFFIX.sub("", name)


def is_nontrivial(record: Record) -> bool:
    """Return whether the answer is longer than a closing bracket or two."""
    return len(record.reference.strip()) > MAX_TRIVIAL_CHARS


RULES = (
    Rule.of_texts("official", "cut at end markers only; equal after strip()", match_official),
    Rule.of_texts(
        "first-line",
        "first non-blank line ahead of end markers; equal after strip()",
        match_first_line,
    ),
)

SLICES = (
    ALL_ROWS,
    Slice(
        "nontrivial",
        f"rows whose stripped answer has more than {MAX_TRIVIAL_CHARS} characters",
        is_nontrivial,
    ),
)


def load_santacoder_fim(path: Path) -> Task:
    """Read a SantaCoder-FIM file, the whole benchmark or a part of it.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file.

    Returns:
        The task; rows are keyed by name and language, for a name alone is not unique.
    """
    data = load_data_file(path, FIELDS)
    records = tuple(_read_record(row) for row in data.rows)
    check_unique_keys(path, records)
    return Task(
        name="santacoder-fim",
        subset="single-line",
        data_path=data.path,
        data_sha256=data.sha256,
        records=records,
        rules=RULES,
        slices=SLICES,
        max_tokens=64,
        num_published_rows=4792,
    )


def _read_record(row: DataRow) -> Record:
    fields = row.fields
    if fields["language"] not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise row.refuse(f"language {fields['language']!r} is unknown; known are {known}")
    return Record(
        key=RowKey(fields["name"], LANGUAGES[fields["language"]]),
        cluster=find_problem(fields["name"]),
        prefix=fields["prompt"],
        suffix=fields["suffix"],
        reference=fields["canonical_solution"],
    )
