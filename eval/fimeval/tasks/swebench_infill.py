"""SWE-bench infilling: the lines that an upstream fix adds, hidden in the fixed file.

Own derivation (see `build_swebench`): one row per block of added lines. Other blocks of the same
fix stay visible around the hole, so the hole is the only unknown. Without the instances' images an
answer is not run but compared. Clusters are repositories: fixes of one repository are alike, and
the few repositories make wide intervals, as they should.
"""

from pathlib import Path

from fimeval.data_file import DataRow, load_data_file
from fimeval.line_slices import LINE_SLICES
from fimeval.records import Record, RowKey
from fimeval.rules import Rule, cut_ahead_of_suffix, match_exact
from fimeval.similarity import (
    find_edit_similarity,
    find_identifier_f1,
    list_identifiers,
    match_lines,
)
from fimeval.task import ALL_ROWS, Slice, Task, check_unique_keys

FIELDS = ("task_id", "repo", "file_path", "language", "prefix", "middle", "suffix", "split")
VALUES = ("num_lines", "pure_insertion")

MAX_TOKENS = 256

NUM_PUBLISHED_ROWS = {"lite": 315, "verified": 654, "multilingual": 866}


def _identifier_f1(text: str, row: Record) -> float:
    return find_identifier_f1(text, row.reference, row.key.language)


def _has_identifiers(row: Record) -> bool:
    return bool(list_identifiers(row.reference, row.key.language))


RULES = (
    Rule.of_texts("lines", "equal lines but for blank ones and indentation", match_lines),
    Rule.of_texts("exact", "equal, character by character", match_exact),
    Rule.of_texts("es", "edit similarity", find_edit_similarity),
    Rule("id-f1", "F1 of identifiers, rows that have some", _identifier_f1, _has_identifiers),
    Rule(
        "lines-ahead-of-suffix",
        "cut at a line that repeats the first one behind the hole; then as lines",
        lambda text, row: match_lines(cut_ahead_of_suffix(text, row.suffix), row.reference),
        can_match=lambda row: bool(
            match_lines(cut_ahead_of_suffix(row.reference, row.suffix), row.reference)
        ),
    ),
)


def load_swebench_infill(path: Path) -> Task:
    """Read a file of SWE-bench infilling rows.

    Args:
        path: A `.jsonl` or `.jsonl.gz` file, published or from `fimserve eval build-swebench`.

    Returns:
        The task; its subset is the SWE-bench set that the rows came from.
    """
    data = load_data_file(path, FIELDS, VALUES)
    insertions = {
        row.fields["task_id"] for row in data.rows if row.values["pure_insertion"] is True
    }
    records = tuple(_read_record(row) for row in data.rows)
    check_unique_keys(path, records)
    splits = sorted({row.fields["split"] for row in data.rows})
    return Task(
        name="swebench-infill",
        subset="+".join(splits),
        data_path=data.path,
        data_sha256=data.sha256,
        records=records,
        rules=RULES,
        slices=(
            ALL_ROWS,
            Slice(
                "insertions",
                "rows whose fix removed no line at that place",
                lambda row: row.key.task_id in insertions,
            ),
            *LINE_SLICES,
        ),
        max_tokens=MAX_TOKENS,
        num_published_rows=sum(NUM_PUBLISHED_ROWS.get(split, 0) for split in splits),
    )


def _read_record(row: DataRow) -> Record:
    fields = row.fields
    if not fields["middle"].strip():
        raise row.refuse("the middle is blank, so there is nothing to fill in")
    return Record(
        key=RowKey(fields["task_id"], fields["language"]),
        cluster=fields["repo"],
        prefix=fields["prefix"],
        suffix=fields["suffix"],
        reference=fields["middle"],
    )
