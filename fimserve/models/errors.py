"""What can go wrong between a model's name and its weights in memory.

ModelError
├── ModelNotFound            no such directory, hub repository or embedded model
├── UnsupportedModel         understood, but not a shape or format served here
├── PickleCheckpointRefused  weights that only a pickle could load
├── AdapterMismatch          an adapter for another base model
└── BrokenCheckpoint         files missing, damaged or contradicting each other
"""


class ModelError(Exception):
    """Covers every failure to find or load a model; its message says what to do."""


class ModelNotFound(ModelError):
    """Says that nothing was found under the name given."""


class UnsupportedModel(ModelError):
    """Says which key of the checkpoint asks for something not served here."""


class PickleCheckpointRefused(ModelError):
    """Says that loading the weights would run code, and how to convert them."""


class AdapterMismatch(ModelError):
    """Says which layer an adapter changes that the model has not, or has in another shape."""


class BrokenCheckpoint(ModelError):
    """Says which file or tensor is missing, damaged or of the wrong shape."""
