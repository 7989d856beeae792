"""The errors of evaluation. Every message names the value, the limit and the remedy.

EvalError
├── DataFileError      a benchmark file that cannot be read as the rows of its task
├── GenerationsError   a generations file that is damaged, incomplete or of other data
├── SettingsMismatch   a run that would mix rows made under different settings
├── CompleterError     a model or server that gave no usable completion
└── ServerStartError   a service that ended before it could be measured
"""


class EvalError(Exception):
    """Base of everything evaluation refuses to do."""


class DataFileError(EvalError):
    """A benchmark file that cannot be read as the rows of its task."""


class GenerationsError(EvalError):
    """A generations file that is damaged, incomplete or made from other data."""


class SettingsMismatch(EvalError):
    """A run that would add rows to a file made under other settings."""


class CompleterError(EvalError):
    """A model or server that gave no usable completion."""


class ServerStartError(EvalError):
    """A service that was started for a measurement and ended before it was ready."""
