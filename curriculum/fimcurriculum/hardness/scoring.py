"""Ask a model for spans and note how it did: a sample spread over kinds and languages, resumable.

The model is anything that answers a `Question`: a function around an engine, or `HttpAnswerer`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from rapidfuzz.distance import Levenshtein

from fimcurriculum.hardness.scores import ModelScore, ScoreFile
from fimcurriculum.syntax.draw import draw

__all__ = ["Answer", "Answerer", "Question", "SpanRef", "compare", "draw_sample", "score_questions"]


@dataclass(frozen=True, slots=True)
class SpanRef:
    """What the choice of a sample needs to know of a span."""

    id: str
    repository: str
    language: str
    kind: str


@dataclass(frozen=True, slots=True)
class Question:
    """A span without its middle, and the middle to compare with.

    Snippets of other files are no part of it: they were found with the middle known, and would say
    how hard the span is for a model that is told what to write.
    """

    id: str
    language: str
    path: str
    prefix: str
    middle: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model made of a question: a text, or only whether it would have been the middle."""

    text: str | None
    mean_nll: float | None = None
    """Nats per token of the true middle, where the model can tell."""
    is_exact: bool = False
    """Of an answer without text: whether greedy decoding writes the middle and ends."""


Answerer = Callable[[Question], Answer]
"""Answers one question greedily; raises ScoringError where it cannot. Called from threads."""


def draw_sample(spans: Iterable[SpanRef], num_per_stratum: int, seed: int) -> list[SpanRef]:
    """Return some spans of each kind and language, taken from the repositories in turn.

    Args:
        spans: All spans.
        num_per_stratum: How many of one kind in one language.
        seed: Decides which.

    Returns:
        The sample in an order drawn by lot, so that a run that is stopped has some of everything.
    """
    strata: dict[tuple[str, str], dict[str, list[SpanRef]]] = defaultdict(lambda: defaultdict(list))
    for span in spans:
        strata[span.kind, span.language][span.repository].append(span)
    sample: list[SpanRef] = []
    for by_repository in strata.values():
        for group in by_repository.values():
            group.sort(key=lambda span: draw(seed, "span", span.id))
        names = sorted(by_repository, key=lambda name: draw(seed, "repository", name))
        sample += islice(_in_turn([by_repository[name] for name in names]), num_per_stratum)
    return sorted(sample, key=lambda span: draw(seed, "order", span.id))


def _in_turn(groups: list[list[SpanRef]]) -> Iterator[SpanRef]:
    for round_number in range(max(map(len, groups), default=0)):
        yield from (group[round_number] for group in groups if round_number < len(group))


def compare(question: Question, answer: Answer) -> ModelScore:
    """Return the score of an answer."""
    if answer.text is None:
        return ModelScore(question.id, float(answer.is_exact), None, answer.mean_nll)
    written, wanted = answer.text.strip(), question.middle.strip()
    return ModelScore(
        id=question.id,
        exact_match=float(written == wanted),
        edit_similarity=Levenshtein.normalized_similarity(written, wanted),
        mean_nll=answer.mean_nll,
    )


def score_questions(
    questions: Iterable[Question], answer: Answerer, scores: ScoreFile, num_parallel: int = 1
) -> Iterator[ModelScore]:
    """Ask for each span that has no score yet, and keep the scores.

    Args:
        questions: The spans.
        answer: The model.
        scores: Where scores are kept; what it has is not asked again.
        num_parallel: Questions under way at a time.

    Yields:
        ModelScore: Each new score, once it is kept. A model that does not answer is a ScoringError.
    """
    waiting = (question for question in questions if question.id not in scores.scores)
    with ThreadPoolExecutor(num_parallel) as pool:
        while batch := list(islice(waiting, 4 * num_parallel)):
            for question, given in zip(batch, pool.map(answer, batch), strict=True):
                score = compare(question, given)
                scores.add(score)
                yield score
