"""The operations that decide the speed of a step, each in plain PyTorch and in Triton.

`ops` is the door: same signatures, chosen by device. `ref` is the meaning, `triton` the speed.
Knows nothing of models, requests or text. Importing the package loads neither torch nor triton.
"""
