"""The easy control: middles cut between any two characters, as in plain training of this kind.

Two in five stay within one line, so that the control has short middles as an editor asks for.
"""

import random

from fimcurriculum.schema import Kind
from fimcurriculum.syntax.span import Span

__all__ = ["random_spans"]

ONE_LINE_SHARE = 0.4
MAX_LOG2_CHARS = 8.0


def random_spans(text: str, num_spans: int, seed: str) -> list[Span]:
    """Return spans anywhere in a text.

    Args:
        text: The file.
        num_spans: How many.
        seed: Decides where.

    Returns:
        Spans of 3 to 256 characters, every order of magnitude as likely; of those within one line
        the end is where the line ends or before.
    """
    rng = random.Random(seed)
    spans = []
    for _ in range(num_spans):
        start = rng.randrange(max(1, len(text)))
        end = min(len(text), start + round(2 ** rng.uniform(1.6, MAX_LOG2_CHARS)))
        if rng.random() < ONE_LINE_SHARE:
            line_end = text.find("\n", start)
            end = min(end, line_end if line_end > start else end)
        spans.append(Span(Kind.RANDOM.value, start, end))
    return spans
