"""Writes `fimserve.toml` with every setting, its default and what it means.

    python -m fimserve.cli.annotated_config > deploy/fimserve.toml

The text is made of the settings classes themselves; a test holds the file in `deploy/` to it.
"""

import ast
import inspect
import textwrap
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from fimserve.cli.settings import TABLES, Settings

__all__ = ["read_attribute_docs", "render_config"]

WIDTH = 98

HEAD = """\
# All settings of fimserve, with their defaults. `fimserve serve` reads fimserve.toml of its current
# directory, or what --config names. A flag goes over the environment, the environment over this
# file, this file over the default; an unknown key is an error.
#
# In the environment a top-level key is FIMSERVE_MODEL, a key of a table FIMSERVE_SERVER_PORT;
# lists are separated by commas.
#
# Written by `python -m fimserve.cli.annotated_config`: do not edit this copy, but your own.
"""


def render_config() -> str:
    """Return the whole file: everything is commented out, so that it changes nothing."""
    docs = read_attribute_docs(Settings)
    lines = [HEAD]
    for name, field in Settings.model_fields.items():
        if name not in TABLES:
            lines += _render_setting(name, field.default, docs[name])
    for table, room in TABLES.items():
        lines += ["", *_comment(docs[table]), f"[{table}]", ""]
        room_docs = read_attribute_docs(room)
        for one in fields(room):
            default = one.default if one.default is not MISSING else None
            lines += _render_setting(one.name, default, room_docs[one.name])
    return "\n".join(lines).rstrip() + "\n"


def read_attribute_docs(owner: type) -> dict[str, str]:
    """Return the text under each attribute of a class, on one line.

    Args:
        owner: A class whose source can be read.

    Returns:
        Text by attribute.

    Raises:
        ValueError: If an attribute has no text.
    """
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101
    docs: dict[str, str] = {}
    for statement, following in zip(body.body, [*body.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))):
                docs[statement.target.id] = " ".join(text.split())
            case _:
                raise ValueError(f"{owner.__name__}.{statement.target.id} has no text under it")
    return docs


def _render_setting(name: str, default: object, doc: str) -> list[str]:
    shown = _render_value(default)
    assignment = f"#{name} = {shown}" if shown is not None else f"#{name} ="
    return [*_comment(doc), assignment, ""]


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH)]


def _render_value(value: Any) -> str | None:
    """Return a value as TOML writes it; None where the default is to have none."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case str() | Path():
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple() | list():
            return "[" + ", ".join(str(_render_value(item)) for item in value) + "]"
        case _:
            return str(value)


if __name__ == "__main__":
    print(render_config(), end="")
