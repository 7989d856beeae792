"""The operations as Triton kernels. Imported only where they run."""
