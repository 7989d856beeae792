"""The one number: a weighted mean of the parts that are there.

Weights: what the model did 0.5, what users did 0.3, what the syntax says 0.2. A part that is absent
gives its weight to the others, so a data set without model and telemetry is ranked by syntax alone.
"""

__all__ = ["WEIGHTS", "combine"]

WEIGHTS = {"model": 0.5, "telemetry": 0.3, "static": 0.2}


def combine(model: float | None, telemetry: float | None, static: float) -> float:
    """Return the hardness of a span, 0 to 1.

    Args:
        model: Failure of the model.
        telemetry: Share of suggestions of its kind that users refused.
        static: Hardness by syntax.

    Returns:
        The weighted mean of those that are not None.
    """
    parts = {"model": model, "telemetry": telemetry, "static": static}
    there = {name: value for name, value in parts.items() if value is not None}
    return sum(WEIGHTS[n] * v for n, v in there.items()) / sum(WEIGHTS[n] for n in there)
