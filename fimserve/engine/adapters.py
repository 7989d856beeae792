"""The LoRA adapters that are loaded over the model, by name, and who still uses each one.

Adapters come from one directory that the operator names; a client names a folder in it, never a
path. Replacing or unloading one while it serves is safe: requests that began with it end with it,
and only then are its weights let go. Called on the engine's thread, between steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fimserve.engine.errors import AdapterNotFound
from fimserve.models import Adapter, CausalModel, read_adapter

MAX_ADAPTERS = 64
"""Adapters in memory at the same time, those on their way out included."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(slots=True)
class LoadedAdapter:
    """Holds one adapter in memory."""

    name: str
    """What clients call it."""
    slot: int
    """Its place in the model."""
    cache_name: str
    """Name of its keys and values in the cache; unlike that of any other version of it."""
    num_users: int = 0
    """Requests that use it now."""
    is_retired: bool = False
    """Whether no further request may use it."""


class Adapters:
    """Loads and unloads adapters.

    Args:
        model: Base model.
        directory: Where adapters may come from; None allows none.
    """

    def __init__(self, model: CausalModel, directory: Path | None) -> None:
        self._model = model
        self._directory = directory
        self._forget_cache: Callable[[str], None] = lambda cache_name: None
        self._by_name: dict[str, LoadedAdapter] = {}
        self._by_slot: dict[int, LoadedAdapter] = {}
        self._num_loads = 0

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names of the adapters that requests may use, sorted."""
        return tuple(sorted(self._by_name))

    def serve(self, forget_cache: Callable[[str], None]) -> None:
        """Begin to serve a loop on which no request has been worked yet; loaded adapters stay.

        Args:
            forget_cache: Called with the `cache_name` of each adapter that is let go.
        """
        self._forget_cache = forget_cache
        for adapter in list(self._by_slot.values()):
            adapter.num_users = 0
            self._let_go_if_idle(adapter)

    def available(self) -> tuple[str, ...]:
        """Return the names of the adapters in the directory, sorted."""
        if self._directory is None or not self._directory.is_dir():
            return ()
        found = (path.parent.name for path in self._directory.glob("*/adapter_config.json"))
        return tuple(sorted(name for name in found if _NAME.fullmatch(name)))

    def acquire(self, name: str | None) -> LoadedAdapter | None:
        """Return a loaded adapter, in use from now on; None where none is asked for.

        Args:
            name: The adapter; None for the model as it is.

        Returns:
            The adapter; give it back with `release`.

        Raises:
            AdapterNotFound: If it is not loaded.
        """
        if name is None:
            return None
        adapter = self._by_name.get(name)
        if adapter is None:
            loaded = ", ".join(self.loaded) or "none"
            raise AdapterNotFound(f"adapter is {name!r}; loaded are: {loaded}")
        adapter.num_users += 1
        return adapter

    def release(self, adapter: LoadedAdapter | None) -> None:
        """Give an adapter back that a request has used."""
        if adapter is not None:
            adapter.num_users -= 1
            self._let_go_if_idle(adapter)

    def read(self, name: str) -> Adapter:
        """Return an adapter of the directory; may be called from any thread, and takes a while.

        Fails with a ModelError where the files are damaged or not supported.

        Args:
            name: A folder of the directory.

        Returns:
            What `add` takes.

        Raises:
            AdapterNotFound: If there is no such adapter.
        """
        if self._directory is None:
            raise AdapterNotFound("no adapter directory is set; start with --adapters DIR")
        if name not in self.available():
            available = ", ".join(self.available()) or "none"
            raise AdapterNotFound(f"adapter is {name!r}; the adapter directory holds: {available}")
        return read_adapter(self._directory / name)

    def add(self, name: str, weights: Adapter) -> None:
        """Let requests use an adapter; one of the same name that is loaded already is replaced.

        Fails with a ModelError where it does not fit the model, the old one then stays, and with
        AdapterNotFound where there is no room for one more.

        Args:
            name: What clients call it.
            weights: As `read` gives it.
        """
        slot = self._free_slot()
        self._model.add_adapter(slot, weights)
        self.unload(name)
        self._num_loads += 1
        adapter = LoadedAdapter(name, slot, f"{name}#{self._num_loads}")
        self._by_name[name] = self._by_slot[slot] = adapter

    def load(self, name: str) -> None:
        """Read an adapter and let requests use it; fails as `read` and `add` do.

        Args:
            name: A folder of the directory.
        """
        self.add(name, self.read(name))

    def unload(self, name: str) -> bool:
        """Let an adapter go once nobody uses it any more; return whether it was loaded."""
        adapter = self._by_name.pop(name, None)
        if adapter is None:
            return False
        adapter.is_retired = True
        self._let_go_if_idle(adapter)
        return True

    def _let_go_if_idle(self, adapter: LoadedAdapter) -> None:
        if adapter.is_retired and adapter.num_users == 0:
            del self._by_slot[adapter.slot]
            self._model.remove_adapter(adapter.slot)
            self._forget_cache(adapter.cache_name)

    def _free_slot(self) -> int:
        for slot in range(1, MAX_ADAPTERS + 1):
            if slot not in self._by_slot:
                return slot
        raise AdapterNotFound(f"{MAX_ADAPTERS} adapters are in memory; unload one first")
