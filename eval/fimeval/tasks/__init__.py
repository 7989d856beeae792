"""The benchmarks: one file each, which reads rows and names rules, slices and clusters."""

from fimeval.tasks.load import TASK_NAMES, load_task

__all__ = ["TASK_NAMES", "load_task"]
