"""One file per client dialect, and `health.py` for what every dialect shares.

A route file owns its dialect's fields, answers and error shape; it hands a `CompletionRequest`
to `fimserve.server.run` and nothing of its dialect passes that door.
"""
