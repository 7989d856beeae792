"""What the miner says when it cannot do what was asked.

MinerError
├── RecipeError     a recipe has a key or value that it cannot have
├── ScoringError    the model that is asked for hardness does not answer
└── DataSetError    a directory holds no data set, or one that cannot be read
"""

__all__ = ["DataSetError", "MinerError", "RecipeError", "ScoringError"]


class MinerError(Exception):
    """The root; the message names value, limit and remedy."""


class RecipeError(MinerError):
    """A recipe does not say what it must."""


class ScoringError(MinerError):
    """A model gave no usable answer."""


class DataSetError(MinerError):
    """There is no readable data set."""
