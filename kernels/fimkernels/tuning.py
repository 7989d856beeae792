"""How kernels are launched: block sizes, warps, stages, found by measuring and kept on disk.

One file per kind of card, torch and triton, in `FIMSERVE_KERNEL_CACHE` or the user's cache folder;
files that the package ships for known cards are read first. Nothing is measured while a request
waits: `tune_launch` is called at start, and what was never measured runs on the kernel's default.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import torch

logger = logging.getLogger(__name__)

VARIABLE = "FIMSERVE_KERNEL_CACHE"
SHIPPED = Path(__file__).parent / "tuned"
"""Files that come with the package."""

Result = TypeVar("Result")
Key = tuple[str | int | bool, ...]
"""What a launch depends on, besides the card and the versions."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Holds the numbers that change a kernel's speed and not its result."""

    block_n: int = 64
    """Columns, or keys, of one program's tile."""
    block_k: int = 64
    """Elements of the inner axis taken at once."""
    num_splits: int = 1
    """Parts that the inner axis is cut into."""
    num_warps: int = 4
    """Warps of a program."""
    num_stages: int = 2
    """Tiles on their way at the same time."""


class LaunchTable:
    """Holds the launches known for one card.

    Args:
        path: File to keep them in; None keeps them in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._launches: dict[str, Launch] = {}
        if path is not None:
            self._launches = read_launches(SHIPPED / path.name) | read_launches(path)
        self._trial: dict[str, Launch] = {}

    def find(self, name: str, default: Launch) -> Launch:
        """Return the launch of a name, the one on trial first."""
        operation = name.partition("/")[0]
        return self._trial.get(operation) or self._launches.get(name, default)

    def knows(self, name: str) -> bool:
        """Return whether a name was measured."""
        return name in self._launches

    @contextmanager
    def on_trial(self, operation: str, launch: Launch) -> Iterator[None]:
        """Let every launch of an operation be this one, until the context ends."""
        self._trial[operation] = launch
        try:
            yield
        finally:
            del self._trial[operation]

    def keep(self, name: str, launch: Launch) -> None:
        """Note what was measured, on disk too; a disk that refuses is reported, not raised."""
        self._launches[name] = launch
        if self._path is None:
            return
        try:
            write_launches(self._path, read_launches(self._path) | {name: launch})
        except OSError as error:
            logger.warning("launches are not kept in %s: %s", self._path, error)


def find_launch(operation: str, key: Key, default: Launch) -> Launch:
    """Return how to launch an operation.

    Args:
        operation: Its name, without a slash.
        key: What the choice depends on.
        default: What runs where nothing was measured.

    Returns:
        The launch.
    """
    return find_table().find(name_launch(operation, key), default)


def tune_launch(
    operation: str,
    key: Key,
    candidates: Sequence[Launch],
    measure: Callable[[], float],
) -> Launch | None:
    """Measure an operation under several launches and keep the fastest.

    A candidate that the card cannot run (too much shared memory, say) is left out; whatever else
    one fails with is raised.

    Args:
        operation: Its name.
        key: What the choice depends on.
        candidates: Launches to try.
        measure: Runs the operation with a key equal to `key` and returns the time that it takes.

    Returns:
        The fastest; None where none could run.
    """
    table, name = find_table(), name_launch(operation, key)
    best: tuple[float, Launch] | None = None
    for launch in candidates:
        taken = try_launch(operation, launch, measure)
        if taken is not None and (best is None or taken < best[0]):
            best = (taken, launch)
    if best is None:
        return None
    table.keep(name, best[1])
    return best[1]


def try_launch(operation: str, launch: Launch, act: Callable[[], Result]) -> Result | None:
    """Return what an act gives while an operation is launched in one way.

    Args:
        operation: Its name.
        launch: The way.
        act: Runs the operation.

    Returns:
        Its result; None where the card or the compiler cannot launch it so.

    Raises:
        Exception: Whatever else it fails with.
    """
    try:
        with find_table().on_trial(operation, launch):
            return act()
    except Exception as error:
        if not _is_misfit(error):
            raise
        logger.debug("%s cannot run as %s: %s", operation, launch, error)
        return None


def name_launch(operation: str, key: Key) -> str:
    """Return the name under which a launch is kept."""
    return "/".join([operation, *(str(part).removeprefix("torch.") for part in key)])


@functools.cache
def find_table() -> LaunchTable:
    """Return the launches of this process's card; without a card they are kept in memory."""
    if not torch.cuda.is_available():
        return LaunchTable(None)
    return LaunchTable(find_folder() / f"{name_card()}.json")


def find_folder() -> Path:
    """Return where launches are kept."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fimserve" / "kernels"


def name_card() -> str:
    """Return card, torch and triton as a file's name, such as nvidia-h100-80gb-hbm3-torch2.11."""
    card = "-".join(torch.cuda.get_device_name().lower().split())
    torch_version = ".".join(torch.__version__.split(".")[:2])
    triton_version = ".".join(metadata.version("triton").split(".")[:2])
    return f"{card}-torch{torch_version}-triton{triton_version}"


def read_launches(path: Path) -> dict[str, Launch]:
    """Return the launches in a file; none where it is absent or damaged, which is reported."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): _parse_launch(numbers) for name, numbers in stored.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        logger.warning("%s holds no launches, defaults are used: %s", path, error)
        return {}


def write_launches(path: Path, launches: dict[str, Launch]) -> None:
    """Replace a file of launches as a whole, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, suffix=".tmp", delete=False
    ) as file:
        json.dump({name: asdict(launches[name]) for name in sorted(launches)}, file, indent=1)
    os.replace(file.name, path)


def _parse_launch(numbers: dict[str, int]) -> Launch:
    names = {field.name for field in fields(Launch)}
    for name, number in numbers.items():
        if name not in names or not isinstance(number, int) or number < 1:
            raise ValueError(f"{name}={number!r} is no number of a launch")
    return Launch(**numbers)


def _is_misfit(error: Exception) -> bool:
    """Return whether a launch does not fit the card or the compiler, which others may."""
    return type(error).__name__ in {"OutOfResources", "CompilationError", "PTXASError"}
