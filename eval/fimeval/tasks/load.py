"""Finding a task by its name on the command line or in the head of a generations file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from fimeval.errors import EvalError
from fimeval.task import Task, take_first_rows
from fimeval.tasks.crosscodeeval import load_cceval, load_cceval_fim
from fimeval.tasks.humaneval_infilling import load_humaneval_infilling
from fimeval.tasks.random_cursor import load_random_cursor
from fimeval.tasks.repository import load_repository
from fimeval.tasks.safim import load_safim
from fimeval.tasks.santacoder_fim import load_santacoder_fim
from fimeval.tasks.swebench_infill import load_swebench_infill

_LOADERS: Mapping[str, Callable[[Path], Task]] = MappingProxyType(
    {
        "humaneval-infilling": load_humaneval_infilling,
        "santacoder-fim": load_santacoder_fim,
        "random-cursor": load_random_cursor,
        "repo": load_repository,
        "safim": load_safim,
        "cceval": load_cceval,
        "cceval-fim": load_cceval_fim,
        "swebench-infill": load_swebench_infill,
    }
)

TASK_NAMES = tuple(_LOADERS)


def load_task(name: str, data_path: Path, limit: int | None = None) -> Task:
    """Read a benchmark file as the named task.

    Args:
        name: One of TASK_NAMES.
        data_path: The benchmark's `.jsonl` or `.jsonl.gz` file.
        limit: First rows to take; None takes all.

    Returns:
        The task with its rows.

    Raises:
        EvalError: If no task has that name, or limit is not positive.
    """
    if name not in _LOADERS:
        raise EvalError(f"no task is called {name!r}; tasks are {', '.join(TASK_NAMES)}")
    return take_first_rows(_LOADERS[name](data_path), limit)
