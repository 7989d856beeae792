"""Plays scenes of the HTTP fixtures: those in a row on one stage meet one service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from support.http_exchanges import JsonObject, exchange
from support.http_scenes import Scene


def play(scenes: Sequence[Scene]) -> Iterator[JsonObject]:
    """Play scenes.

    Args:
        scenes: The scenes, in their order.

    Yields:
        JsonObject: Each one's request and answer, as fixtures hold them.
    """
    for stage, same in groupby(scenes, key=lambda scene: scene.stage):
        with stage() as served:
            for scene in same:
                yield exchange(served, scene.name, scene.ask)
