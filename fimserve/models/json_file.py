"""Reading and writing the JSON files of a checkpoint directory.

Every failure becomes a BrokenCheckpoint that names the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias

from fimserve.models.errors import BrokenCheckpoint

JsonObject: TypeAlias = dict[str, object]


def read_json(path: Path) -> JsonObject:
    """Return the object in a JSON file.

    Args:
        path: The file.

    Returns:
        Its keys and values.

    Raises:
        BrokenCheckpoint: If the file is absent, no JSON, or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BrokenCheckpoint(f"{path} does not exist; is {path.parent} a model?") from None
    except (OSError, ValueError) as error:
        raise BrokenCheckpoint(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise BrokenCheckpoint(f"{path} holds a {type(content).__name__}, not a JSON object")
    return content


def write_json(path: Path, content: JsonObject) -> None:
    """Write an object as indented JSON with a final newline."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
