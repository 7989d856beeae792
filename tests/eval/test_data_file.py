"""Benchmark files: what is read, and how a bad one is refused."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from fimeval.data_file import load_data_file
from fimeval.errors import DataFileError

FIELDS = ("name", "text")


def test_plain_and_compressed_files_hold_the_same_rows(tmp_path: Path) -> None:
    content = b'{"name": "a", "text": "1", "other": 3}\n\n{"name": "b", "text": "2"}\n'
    plain, packed = tmp_path / "d.jsonl", tmp_path / "d.jsonl.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    data = load_data_file(plain, FIELDS)
    assert [row.fields for row in data.rows] == [
        {"name": "a", "text": "1"},
        {"name": "b", "text": "2"},
    ]
    assert [row.line_number for row in data.rows] == [1, 3]
    assert data.sha256 == hashlib.sha256(content).hexdigest()
    assert [row.fields for row in load_data_file(packed, FIELDS).rows] == [
        row.fields for row in data.rows
    ]


def test_code_keeps_its_unusual_line_ends(tmp_path: Path) -> None:
    code = "a\r\nb\u2028c\x85d"
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"name": "a", "text": code}, ensure_ascii=False), newline="")
    assert load_data_file(path, FIELDS).rows[0].fields["text"] == code


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"name": "a"}', "line 2: field 'text' is missing; every row needs name, text"),
        ('{"name": "a", "text": null}', "line 2: field 'text' is NoneType, not a string"),
        ('["a"]', "line 2: a list, but a row is a JSON object"),
        ('{"name": ', "line 2: not JSON"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"name": "a", "text": "1"}\n' + line + "\n")
    with pytest.raises(DataFileError, match=message):
        load_data_file(path, FIELDS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.json", b"{}", "neither .jsonl nor .jsonl.gz"),
        ("d.jsonl.gz", b'{"name": "a"}', "not a whole gzip file"),
        ("d.jsonl.gz", gzip.compress(b'{"name": "a", "text": "b"}')[:-9], "not a whole gzip file"),
        ("d.jsonl", b"\xff", "not UTF-8"),
        ("d.jsonl", b"\n", "holds no rows"),
        ("d.jsonl", None, "cannot be read"),
    ],
)
def test_a_bad_file_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataFileError, match=message):
        load_data_file(path, FIELDS)
