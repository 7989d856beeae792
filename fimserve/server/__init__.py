"""The HTTP service: what clients send becomes a `CompletionRequest`, what the engine says, bytes.

The door is `fimserve.server.app.make_app`. Nothing is re-exported here, so that the command line
can read `fimserve.server.settings` without loading a web framework. This room knows nothing of
tokens, weights or prompts: one file under `routes/` per client dialect translates, the engine
completes.
"""
