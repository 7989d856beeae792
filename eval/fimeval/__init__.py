"""Offline evaluation of code completion: tasks, generate, score, report.

Knows a model only as a callable from prompt to completion (`fimeval.completer`), or as an
HTTP address (`fimeval.http_completer`); never imports torch, the engine or the server.
Run it with `fimserve eval`; the rules of every score are in `eval/README.md`.
"""
