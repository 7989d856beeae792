"""A pretraining recipe of a model of nine thousand weights: sixty steps in a second."""

from pathlib import Path

_RECIPE = """
name = "tiny"
row_tokens = 64
rows_per_step = 4
rows_per_pass = 2
max_examples_per_pass = 20
validation_every_steps = 30
seed = 3

[model]
vocab_size = 400
hidden_size = 16
intermediate_size = 24
num_layers = 1
num_heads = 2
num_kv_heads = 1
max_tokens = 64

[optimiser]
learning_rate = 0.02

[schedule]
num_steps = 60
warmup_steps = 5
"""


def write_tiny_recipe(path: Path) -> Path:
    """Write the recipe as TOML and return its path."""
    path.write_text(_RECIPE, encoding="utf-8")
    return path
