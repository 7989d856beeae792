"""Keep benchmark problems out of the corpus, by repository name and by text fingerprint.

The rules and the list come from `decontamination.json` beside the evaluation sets: a document is
dropped when one of its 32-token windows equals a window of a benchmark record that overlaps the
answer. Windows are compared here as token tuples, which is the comparison the published
fingerprints (SHA-256 of the joined window) stand for, without hashing 10^9 windows; a test holds
both to the published test vector.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[^\sA-Za-z0-9_]")
WINDOW = 32
# A window can only be in a document where its first tokens are; eight tokens are rare enough.
_ANCHOR = 8


class DecontaminationError(Exception):
    """The list of evaluation data is missing or does not describe the files beside it."""


def tokenize(text: str) -> list[str]:
    """Return the words, numbers and single marks of a text; white space is ignored."""
    return TOKEN.findall(text)


def fingerprint(window: Sequence[str]) -> str:
    """Return the published 16-digit name of a window of tokens."""
    return hashlib.sha256(" ".join(window).encode("utf-8")).hexdigest()[:16]


def record_windows(prefix: str, answer: str, suffix: str) -> Iterator[tuple[str, ...]]:
    """Yield the windows of one benchmark record that overlap its answer."""
    text = prefix + answer + suffix
    spans = [match.span() for match in TOKEN.finditer(text)]
    tokens = tuple(text[a:b] for a, b in spans)
    begin, end = len(prefix), len(prefix) + len(answer)
    inside = [i for i, (a, b) in enumerate(spans) if a < end and b > begin]
    if not inside:
        return
    first = max(0, inside[0] - WINDOW + 1)
    last = max(first, min(inside[-1], len(tokens) - WINDOW))
    for start in range(first, last + 1):
        yield tokens[start : start + WINDOW]


@dataclass(frozen=True, slots=True)
class Decontamination:
    """What must not be trained on: repositories by name, and windows of benchmark text."""

    repositories: frozenset[str]
    """Lower-case `owner/name`."""
    windows: frozenset[tuple[str, ...]]
    anchors: frozenset[tuple[str, ...]]
    """The first tokens of every window of full length."""

    def is_listed(self, repository: str) -> bool:
        """Tell whether a repository, or the same name under another owner, must be left out."""
        name = repository.lower()
        return name in self.repositories or name.rpartition("/")[2] in self._names

    @property
    def _names(self) -> frozenset[str]:
        # Names of fewer than five letters ("core", "hp", "go") are ordinary words.
        return frozenset(
            name for full in self.repositories if len(name := full.rpartition("/")[2]) > 4
        )

    def is_contaminated(self, tokens: list[str]) -> bool:
        """Tell whether a document, given as tokens, shares a window with a benchmark record."""
        if len(tokens) <= WINDOW:
            return tuple(tokens) in self.windows
        grams = zip(*(tokens[i:] for i in range(_ANCHOR)), strict=False)
        return any(
            tuple(tokens[start : start + WINDOW]) in self.windows
            for start, gram in enumerate(grams)
            if gram in self.anchors
        )


def load_decontamination(eval_dir: Path) -> Decontamination:
    """Read `decontamination.json` and every evaluation file it describes.

    Args:
        eval_dir: Directory that holds `decontamination.json` and the files it names.

    Returns:
        Repositories and windows to keep out.

    Raises:
        DecontaminationError: If the list or one of its files is absent, or yields no window.
    """
    listing = eval_dir / "decontamination.json"
    if not listing.is_file():
        raise DecontaminationError(f"{listing} is missing; no corpus is built without it")
    rules = json.loads(listing.read_text(encoding="utf-8"))
    windows: set[tuple[str, ...]] = set()
    for name, description in rules["by_file"].items():
        found = _file_windows(eval_dir / name, description["text"])
        if not found:
            raise DecontaminationError(f"{name} yields no fingerprint; check its text fields")
        windows |= found
    return Decontamination(
        repositories=frozenset(name.lower() for name in rules["repositories"]),
        windows=frozenset(windows),
        anchors=frozenset(window[:_ANCHOR] for window in windows if len(window) == WINDOW),
    )


def _file_windows(path: Path, fields: dict[str, str]) -> set[tuple[str, ...]]:
    if not path.is_file():
        raise DecontaminationError(f"{path} is named by decontamination.json but missing")
    windows: set[tuple[str, ...]] = set()
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            record = json.loads(line)
            windows.update(record_windows(*_texts(record, fields)))
    return windows


def _texts(record: dict[str, str], fields: dict[str, str]) -> tuple[str, str, str]:
    """Return prefix, answer and suffix of a record by its file's field descriptions.

    A description is a field's name, `NAME + "\\n"`, or `NAME before|after "MARK"`.
    """

    def read(description: str) -> str:
        name, _, rest = description.partition(" ")
        text = record[name]
        if rest.startswith("+"):
            return text + "\n"
        if rest.startswith("before"):
            return text.partition("{{completion}}")[0]
        return text.partition("{{completion}}")[2] if rest.startswith("after") else text

    return read(fields["prefix"]), read(fields["answer"]), read(fields["suffix"])
