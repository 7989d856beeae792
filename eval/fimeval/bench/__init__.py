"""Benches of a completion server over HTTP: latency of one editor, goodput of many, a long soak.

Knows a server only by its address and its dialect; never imports torch, the engine or the server.
Run them with `fimserve bench`; what each number means is in `eval/README.md`. Nothing here asserts
a time: a number is judged by who reads it.
"""
