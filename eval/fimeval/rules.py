"""Rules: how a completion is cut and compared with the reference answer.

None of them looks at the length or shape of the reference to decide where to cut. A newline is
`\\n` alone; `strip` removes all Unicode white space.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from fimeval.records import Record


def _always(record: Record) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """A named way to score one completion."""

    name: str
    description: str
    score: Callable[[str, Record], float]
    """(completion, row) -> 0.0 to 1.0; exact match answers 0.0 or 1.0."""
    covers: Callable[[Record], bool] = _always
    """Whether the rule says anything about a row: one without identifiers has no identifier F1."""
    can_match: Callable[[Record], bool] = _always
    """Whether the reference of a row scores 1. It must, but where a published rule cuts its own
    answer; such rows are counted in the test of the scorer, and stay in every score."""

    @classmethod
    def of_texts(cls, name: str, description: str, match: Callable[[str, str], float]) -> Self:
        """Make a rule that needs nothing of a row but its reference.

        Args:
            name: The rule's name in results.
            description: What it cuts and compares.
            match: (completion, reference) -> 0.0 to 1.0.

        Returns:
            The rule.
        """
        return cls(name, description, lambda completion, row: match(completion, row.reference))


def cut_after_first_line(text: str) -> str:
    """Return the text up to the first newline that follows non-blank text, without it.

    Newlines ahead of the first non-blank text stay, so an answer may begin with blank lines.
    """
    start = len(text) - len(text.lstrip())
    return text[:start] + text[start:].partition("\n")[0]


def take_first_line(text: str) -> str:
    """Return the first line that is not blank, with its indentation, or the empty string."""
    return next((line for line in text.split("\n") if line.strip()), "")


def cut_at_markers(text: str, markers: Sequence[str]) -> str:
    """Return the text ahead of whichever marker occurs first."""
    ends = [position for marker in markers if (position := text.find(marker)) >= 0]
    return text[: min(ends, default=len(text))]


def cut_ahead_of_suffix(text: str, suffix: str) -> str:
    """Return the text ahead of a line that repeats the first one of the suffix that is not blank.

    It looks at what stands behind the hole, which the model was shown, and never at the reference.
    """
    first = next((line for line in suffix.split("\n") if line.strip()), None)
    if first is None:
        return text
    kept = []
    for line in text.split("\n"):
        if line == first:
            break
        kept.append(line)
    return "\n".join(kept)


def match_exact(completion: str, reference: str) -> float:
    """Return 1.0 where both texts are the same, character by character."""
    return float(completion == reference)


def match_stripped(completion: str, reference: str) -> float:
    """Return 1.0 where both texts are the same without white space at their ends."""
    return float(completion.strip() == reference.strip())


def match_line_stripped(completion: str, reference: str) -> float:
    """Return 1.0 where the first line of the completion is the reference, both stripped."""
    return match_stripped(cut_after_first_line(completion), reference)


def match_rest_of_line(completion: str, reference: str) -> float:
    """Return 1.0 where the text ahead of the first newline is the reference, blanks at the end
    apart."""
    return float(completion.partition("\n")[0].rstrip() == reference.rstrip())


def match_line_indented(completion: str, reference: str) -> float:
    """Return 1.0 where the first non-blank line is the reference, indentation included."""
    return float(take_first_line(completion).rstrip() == reference.rstrip())
