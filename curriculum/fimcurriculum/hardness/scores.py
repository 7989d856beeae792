"""What a model made of spans: one JSON line each, appended, so that a stopped run goes on.

The file's first line names the model; scores of another model are refused rather than mixed.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from fimcurriculum.errors import ScoringError

__all__ = ["ModelScore", "ScoreFile"]


@dataclass(frozen=True, slots=True)
class ModelScore:
    """A model's answer to one span, compared with what stands there."""

    id: str
    exact_match: float
    """1 where both are the same but for white space at the ends, else 0."""
    edit_similarity: float | None
    """1 minus the Levenshtein distance by the longer length, white space at the ends removed; None
    where the model wrote no text."""
    mean_nll: float | None
    """Nats per token of the true middle, end token included; None where it was not to be had."""

    @property
    def failure(self) -> float:
        """Hardness by this score: the mean of 1 - exact, 1 - similarity and 1 - exp(-nll)."""
        parts = [1 - self.exact_match]
        if self.edit_similarity is not None:
            parts.append(1 - self.edit_similarity)
        if self.mean_nll is not None:
            parts.append(1 - math.exp(-self.mean_nll))
        return sum(parts) / len(parts)


class ScoreFile:
    """The scores of one data set by one model.

    Args:
        path: The file; made when the first score is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.model: str | None = None
        """The model that gave them; None where there are none."""
        self.scores: dict[str, ModelScore] = {}
        """By the span's id."""
        if path.is_file():
            self._read()

    def begin(self, model: str) -> None:
        """Name the model whose scores follow.

        Args:
            model: Its name.

        Raises:
            ScoringError: If the file holds another model's scores.
        """
        if self.model is None:
            self._append({"model": model})
            self.model = model
        elif self.model != model:
            raise ScoringError(
                f"{self._path} holds scores of {self.model}, not of {model}; move it away first"
            )

    def add(self, score: ModelScore) -> None:
        """Append a score; it is on its way to the disk when this returns."""
        self._append(asdict(score))
        self.scores[score.id] = score

    def _append(self, line: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _read(self) -> None:
        whole = self._path.read_bytes()
        kept = whole[: whole.rfind(b"\n") + 1]
        if kept != whole:  # the run was killed inside a line
            self._path.write_bytes(kept)
        for line in kept.decode("utf-8").splitlines():
            entry = json.loads(line)
            if "model" in entry:
                self.model = entry["model"]
            else:
                self.scores[entry["id"]] = ModelScore(**entry)
