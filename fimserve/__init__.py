"""fimserve completes code at the cursor: a service, a command line and the parts they stand on.

Importing this package costs nothing: no torch, no tokenizer, no web framework. Each room is
imported by the command that needs it.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
