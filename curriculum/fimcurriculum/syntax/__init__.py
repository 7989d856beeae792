"""Spans in one file: grammars, queries, what is refused, what a span's syntax looks like."""
