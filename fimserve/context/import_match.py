"""Which files of a repository an import means.

One rule for all languages: the path of the file without its ending, or the folder it lies in, ends
with the path of the module. What no file matches comes from outside the repository.
"""

import posixpath

from fimserve.context.source_imports import Import

__all__ = ["is_meant_by"]


def is_meant_by(path: str, taken: Import) -> bool:
    """Return whether an import may take something from a file.

    Args:
        path: Path of the file inside the repository.
        taken: The import.

    Returns:
        Whether the paths agree.
    """
    if not taken.module and not taken.is_relative:
        return False
    stem = posixpath.splitext(path)[0]
    if stem.endswith(".d"):  # index.d.ts
        stem = stem[:-2]
    folder = posixpath.dirname(stem)
    places = (stem, folder)
    modules = [taken.module]
    if taken.name is not None and not taken.is_relative:
        modules.append(f"{taken.module}/{taken.name}")
    elif taken.name is not None:
        modules.append(posixpath.join(taken.module, taken.name))
    if taken.is_relative:
        return any(place == module for place in places for module in modules)
    return any(_ends_with(place, module) for place in places for module in modules)


def _ends_with(place: str, module: str) -> bool:
    return place == module or place.endswith(f"/{module}") or _is_longer(place, module)


def _is_longer(place: str, module: str) -> bool:
    # Go and Java name more than the repository holds: example.org/team/project/geo, geo.
    has_domain = "." in module.partition("/")[0]
    return ("/" in place or has_domain) and module.endswith(f"/{place}")
