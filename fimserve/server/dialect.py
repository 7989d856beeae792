"""Which shape an error has on which path: each dialect's clients read errors their own way.

A route module that needs a shape of its own states `ERROR_SHAPES`; everything else, unknown paths
too, answers in OpenAI's.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from starlette.responses import Response

from fimserve.server.answer import openai_error
from fimserve.server.errors import ServerError

__all__ = ["ErrorShape", "ErrorShapes"]

ErrorShape: TypeAlias = Callable[[ServerError], Response]
"""Makes the whole answer that says an error."""


class ErrorShapes:
    """Finds the error shape of a path.

    Args:
        shapes: Shape by the beginning of the path; the longest beginning that fits counts.
    """

    def __init__(self, shapes: Mapping[str, ErrorShape]) -> None:
        self._shapes = sorted(shapes.items(), key=lambda entry: len(entry[0]), reverse=True)

    def of(self, path: str) -> ErrorShape:
        """Return the shape in which a path answers errors.

        Args:
            path: Path of the request, known or not.

        Returns:
            The shape; OpenAI's where no dialect has claimed the path.
        """
        for start, shape in self._shapes:
            if path.startswith(start):
                return shape
        return openai_error
