"""Which key may ask which path: everything is guarded unless a route module says otherwise.

A route module may state `SCOPES: dict[path, Scope]`, which holds for the path and all below it,
and `PUBLIC: tuple[path, ...]`, which opens exactly these paths, and below them where they end with
a slash, to everybody's GET and HEAD. What no module mentions needs the scope `complete`.
"""

from collections.abc import Collection, Mapping

from fimserve.server.api_key import Scope

__all__ = ["DEFAULT_SCOPE", "Access"]

DEFAULT_SCOPE: Scope = "complete"

PUBLIC_METHODS = frozenset({"GET", "HEAD"})


class Access:
    """Answers who may ask for a path.

    Args:
        scopes: Scope by the path at which it begins; the longest that fits counts.
        public: Paths that need no key.
    """

    def __init__(self, scopes: Mapping[str, Scope], public: Collection[str]) -> None:
        self._scopes = sorted(scopes.items(), key=lambda entry: len(entry[0]), reverse=True)
        self._public_paths = frozenset(public)
        self._public_folders = tuple(path for path in public if path.endswith("/") and path != "/")

    def is_public(self, method: str, path: str) -> bool:
        """Return whether a request needs no key.

        Args:
            method: HTTP method.
            path: Path of the request, known or not.

        Returns:
            Whether everybody may ask.
        """
        if method not in PUBLIC_METHODS:
            return False
        return path in self._public_paths or path.startswith(self._public_folders)

    def scope_of(self, path: str) -> Scope:
        """Return what a key must be allowed to do for this path.

        Args:
            path: Path of the request, known or not.

        Returns:
            The scope.
        """
        for start, scope in self._scopes:
            if path == start or path.startswith(f"{start}/"):
                return scope
        return DEFAULT_SCOPE
