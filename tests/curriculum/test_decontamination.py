"""The comparison of token windows is the published rule of fingerprints, and finds benchmarks."""

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimcurriculum.sources.decontamination import (
    WINDOW,
    Decontamination,
    DecontaminationError,
    fingerprint,
    load_decontamination,
    record_windows,
    tokenize,
)
from support.shared import shared_file
from support.source_texts import make_python
from support.tiny_eval import LISTED_REPOSITORY, write_tiny_eval

# The published test vector of decontamination.json, version 1.
VECTOR_RECORD = (
    'def add(a, b):\n    """Return the sum of a and b."""\n    total = 0\n'
    "    for value in (a, b):\n        ",
    "total += value\n",
    "    return total\n\n\nprint(add(1, 2))\n",
)
VECTOR_FINGERPRINTS = [
    "176d17353c66ae6c",
    "1ed1a339c17c0407",
    "236f710dd9e98048",
    "412e4d7c7254b0c9",
    "4c243be530c36255",
    "5f9c2e549d9df291",
    "6c4c7e8c71cfd935",
    "86761fd3a8877359",
    "93c3759fcc02ded7",
    "9903b11a83eed981",
    "9cd43c2ae9d282b7",
    "a13b2311fbbce096",
    "ad47abdcbd2eb943",
    "bfe9114c70e6bec7",
    "e7d12f36c33d0352",
]

# ------------------------------------------------------------- the published rule, word for word

TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[^\sA-Za-z0-9_]")


def _hash(tokens: list[str]) -> str:
    return hashlib.sha256(" ".join(tokens).encode("utf-8")).hexdigest()[:16]


def document_fingerprints(text: str) -> set[str]:
    tokens = TOKEN.findall(text)
    return {_hash(tokens[i : i + WINDOW]) for i in range(max(1, len(tokens) - WINDOW + 1))}


def record_fingerprints(prefix: str, answer: str, suffix: str) -> set[str]:
    spans = [m.span() for m in TOKEN.finditer(prefix + answer + suffix)]
    text = prefix + answer + suffix
    tokens = [text[a:b] for a, b in spans]
    begin, end = len(prefix), len(prefix) + len(answer)
    inside = [i for i, (a, b) in enumerate(spans) if a < end and b > begin]
    if not inside:
        return set()
    first = max(0, inside[0] - WINDOW + 1)
    last = max(first, min(inside[-1], len(tokens) - WINDOW))
    return {_hash(tokens[i : i + WINDOW]) for i in range(first, last + 1)}


# --------------------------------------------------------------------------------------- vectors


def test_windows_of_the_published_record_have_the_published_fingerprints() -> None:
    found = {fingerprint(window) for window in record_windows(*VECTOR_RECORD)}
    assert sorted(found) == VECTOR_FINGERPRINTS


@pytest.mark.shared
def test_published_file_still_holds_this_vector() -> None:
    listing = json.loads(shared_file("data/eval/decontamination.json").read_text(encoding="utf-8"))
    vector = listing["text_fingerprints"]["test_vector"]
    record = tuple(vector["input"][name] for name in ("prefix", "answer", "suffix"))
    assert record == VECTOR_RECORD
    assert sorted({fingerprint(w) for w in record_windows(*record)}) == sorted(
        vector["record_fingerprints"]
    )


# ------------------------------------------------------------------------------- the same rule

# Few words, so that windows coincide by chance; a stretch of the record makes it likely.
WORDS = st.sampled_from(["a", "b", "1", "+", "(", "ab_1", "é"])
TEXTS = st.lists(WORDS, max_size=50).map(" ".join)
RECORDS = st.tuples(TEXTS, TEXTS, TEXTS)


def decontaminate(*records: tuple[str, str, str]) -> Decontamination:
    windows = frozenset(window for record in records for window in record_windows(*record))
    return Decontamination(
        repositories=frozenset(),
        windows=windows,
        anchors=frozenset(window[:8] for window in windows if len(window) == WINDOW),
    )


@st.composite
def documents_with_a_record(draw: st.DrawFn) -> tuple[str, tuple[str, str, str]]:
    """Return a record, and a document that holds a stretch of it between words of its own."""
    record = draw(RECORDS)
    tokens = tokenize("".join(record))
    start = draw(st.integers(0, len(tokens)))
    stretch = tokens[start : start + draw(st.integers(0, 2 * WINDOW))]
    pieces = [draw(TEXTS), " ".join(stretch), draw(TEXTS)]
    keep_alone = draw(st.booleans())
    return (pieces[1] if keep_alone else " ".join(pieces)), record


@settings(deadline=None)
@given(documents_with_a_record())
def test_comparison_of_windows_is_the_published_rule(
    case: tuple[str, tuple[str, str, str]],
) -> None:
    document, record = case
    published = bool(document_fingerprints(document) & record_fingerprints(*record))
    assert decontaminate(record).is_contaminated(tokenize(document)) == published


@settings(deadline=None)
@given(st.text(max_size=200), st.tuples(st.text(), st.text(), st.text()))
def test_windows_of_any_text_have_the_published_fingerprints(
    document: str, record: tuple[str, str, str]
) -> None:
    windows = {fingerprint(window) for window in record_windows(*record)}
    assert windows == record_fingerprints(*record)
    published = bool(document_fingerprints(document) & windows)
    assert decontaminate(record).is_contaminated(tokenize(document)) == published


@pytest.mark.parametrize("num_tokens", [1, 7, 8, 9, 30, 31, 32, 33, 40])
def test_record_around_the_length_of_a_window_is_found_as_published(num_tokens: int) -> None:
    words = [f"w{number}" for number in range(num_tokens)]
    record = ("", " ".join(words), "")
    rule = decontaminate(record)
    for document in (words, [*words, "more"], ["more", *words], words[1:], words[:-1]):
        text = " ".join(document)
        published = bool(document_fingerprints(text) & record_fingerprints(*record))
        assert rule.is_contaminated(tokenize(text)) == published
    assert rule.is_contaminated(words)


def test_both_answers_of_the_rule_occur() -> None:
    rule = decontaminate(VECTOR_RECORD)
    prefix, answer, suffix = VECTOR_RECORD
    copied = f"{make_python(1)}\n{prefix}{answer}{suffix}\n{make_python(2)}"
    assert rule.is_contaminated(tokenize(copied))
    assert not rule.is_contaminated(tokenize(make_python(1) + make_python(2)))


def test_white_space_hides_nothing() -> None:
    rule = decontaminate(VECTOR_RECORD)
    squeezed = re.sub(r"\s+", "\t", "".join(VECTOR_RECORD))
    assert rule.is_contaminated(tokenize(squeezed))


def test_text_shared_with_a_record_outside_its_answer_is_free() -> None:
    header = make_python(3, num_functions=12)
    rule = decontaminate((header, "total += value", ""))
    assert not rule.is_contaminated(tokenize(header))


# -------------------------------------------------------------------------------- repositories


@pytest.mark.parametrize(
    "name", ["psf/requests", "PSF/Requests", "somebody/requests", "somebody/REQUESTS", "a/hp"]
)
def test_listed_repository_and_its_forks_are_known(name: str) -> None:
    rule = Decontamination(frozenset({"psf/requests", "a/hp"}), frozenset(), frozenset())
    assert rule.is_listed(name)


@pytest.mark.parametrize("name", ["psf/black", "other/hp", "requests/core", "psf/requests-html"])
def test_other_repository_is_free(name: str) -> None:
    rule = Decontamination(frozenset({"psf/requests", "a/hp"}), frozenset(), frozenset())
    assert not rule.is_listed(name)


# ---------------------------------------------------------------------------------------- files


DESCRIPTIONS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "plain fields": (
        {"prefix": "p", "answer": "a", "suffix": "s"},
        dict(zip("pas", VECTOR_RECORD, strict=True)),
    ),
    "line breaks added": (
        {"prefix": 'p + "\\n"', "answer": 'a + "\\n"', "suffix": "s"},
        {"p": VECTOR_RECORD[0], "a": VECTOR_RECORD[1].rstrip("\n"), "s": VECTOR_RECORD[2]},
    ),
    "mark in the prompt": (
        {
            "prefix": 'p before "{{completion}}"',
            "answer": "a",
            "suffix": 'p after "{{completion}}"',
        },
        {"p": VECTOR_RECORD[0] + "{{completion}}" + VECTOR_RECORD[2], "a": VECTOR_RECORD[1]},
    ),
}


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_file_is_read_by_its_description(kind: str, tmp_path: Path) -> None:
    fields, record = DESCRIPTIONS[kind]
    rule = load_decontamination(write_tiny_eval(tmp_path, record, fields))
    assert sorted({fingerprint(window) for window in rule.windows}) == VECTOR_FINGERPRINTS
    assert rule.is_listed(LISTED_REPOSITORY.upper())


def test_missing_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DecontaminationError, match=r"decontamination\.json is missing"):
        load_decontamination(tmp_path)


def test_missing_evaluation_file_is_an_error(tmp_path: Path) -> None:
    fields, record = DESCRIPTIONS["plain fields"]
    write_tiny_eval(tmp_path, record, fields)
    (tmp_path / "set.jsonl.gz").unlink()
    with pytest.raises(DecontaminationError, match=r"set\.jsonl\.gz is named .* but missing"):
        load_decontamination(tmp_path)


def test_file_without_an_answer_is_an_error(tmp_path: Path) -> None:
    fields, record = DESCRIPTIONS["plain fields"]
    write_tiny_eval(tmp_path, record | {"a": " \n"}, fields)
    with pytest.raises(DecontaminationError, match="no fingerprint"):
        load_decontamination(tmp_path)


@pytest.fixture(scope="module")
def real_rule() -> Decontamination:
    return load_decontamination(shared_file("data/eval/decontamination.json").parent)


@pytest.mark.shared
@pytest.mark.slow
def test_real_records_are_found_as_the_published_code_finds_them(
    real_rule: Decontamination,
) -> None:
    listing_file = shared_file("data/eval/decontamination.json")
    listing = json.loads(listing_file.read_text(encoding="utf-8"))
    published: dict[str, Any] = {}
    exec("\n".join(listing["text_fingerprints"]["reference_python"]), published)
    names = {fingerprint(window) for window in real_rule.windows}
    assert len(listing["by_file"]) >= 8
    for name, description in listing["by_file"].items():
        for record in read_records(listing_file.parent / name)[:20]:
            parts = read_parts(record, description["text"])
            assert published["record_fingerprints"](*parts) <= names
            assert real_rule.is_contaminated(tokenize("".join(parts)))


@pytest.mark.shared
@pytest.mark.slow
def test_our_own_sources_hold_no_benchmark(real_rule: Decontamination) -> None:
    package = Path(__file__).resolve().parents[2] / "training" / "fimtraining"
    sources = sorted(package.rglob("*.py"))
    assert len(sources) >= 15
    for source in sources:
        assert not real_rule.is_contaminated(tokenize(source.read_text(encoding="utf-8"))), source


def read_records(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def read_parts(record: dict[str, str], fields: dict[str, str]) -> tuple[str, str, str]:
    """Return prefix, answer and suffix; only the descriptions that the files use."""
    if "{{completion}}" in fields["prefix"]:
        before, _, after = record["eval_prompt"].partition("{{completion}}")
        return before, record["ground_truth"], after
    ends = {part: "\n" if "+" in fields[part] else "" for part in fields}
    prefix, answer, suffix = (
        record[fields[part].split(" ")[0]] + ends[part] for part in ("prefix", "answer", "suffix")
    )
    return prefix, answer, suffix
