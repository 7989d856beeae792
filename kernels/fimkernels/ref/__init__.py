"""The operations in plain PyTorch, in the type they are given: what the kernels mean."""
