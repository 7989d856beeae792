"""A language server that offers completions at the cursor, made by a fimserve that it asks."""
