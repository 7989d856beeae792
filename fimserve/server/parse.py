"""From a JSON object to a dialect's typed fields, with refusals that people can read.

Knows pydantic, so that route files only state types and ranges. Two rules hold for every
dialect: unknown keys are ignored, and null is the same as absent.
"""

import re
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from fimserve.server.errors import BadRequest, shorten

__all__ = [
    "MISSING",
    "Fields",
    "OneLine",
    "StopTexts",
    "WholeNumber",
    "describe_body",
    "parse_fields",
]

MISSING = "missing_required_parameter"
"""Code of the refusal of a body that lacks a field."""


class Fields(BaseModel):
    """Base of every dialect's request fields: exact JSON types, unknown keys ignored."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: entry for key, entry in value.items() if entry is not None}


def _as_whole_number(value: object) -> object:
    # JSON has one kind of number: some clients write 64.0 where they mean 64.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_stop_list(value: object) -> object:
    stops = [value] if isinstance(value, str) else value
    # An empty stop string would end every completion at once; clients send them by mistake.
    return [stop for stop in stops if stop != ""] if isinstance(stops, list) else stops


WholeNumber = Annotated[int, BeforeValidator(_as_whole_number)]
StopTexts = Annotated[list[str], BeforeValidator(_as_stop_list)]
OneLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]

MAX_ENTRIES = 1000
"""Most entries of any list or object of a body, token ids apart; each dialect has narrower caps."""

CONTAINERS: dict[type, str] = {list: "a list", dict: "an object"}

LEADING_NOUN = re.compile(r"^(Value error, |Input |String |List |Object )")
"""What pydantic puts before the predicate that a message here is built from."""

FieldsT = TypeVar("FieldsT", bound=Fields)


def parse_fields(fields_type: type[FieldsT], body: dict[str, object]) -> FieldsT:
    """Return the fields that body holds.

    Args:
        fields_type: What to look for.
        body: The parsed JSON object.

    Returns:
        The fields, each with its exact type and inside its range.

    Raises:
        BadRequest: On the first field with a wrong type, size or range, naming field, value and
            limit.
    """
    _check_sizes(body)
    try:
        return fields_type.model_validate(body)
    except ValidationError as error:
        message, param, code = _first_problem(error)
        raise BadRequest(message, param=param, code=code) from None


def describe_body(fields_type: type[Fields]) -> dict[str, object]:
    """Return the OpenAPI description of a route whose JSON body holds these fields."""
    schema = fields_type.model_json_schema()
    definitions = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inline(schema, definitions)}}
    return {"requestBody": {"required": True, "content": content}}


def _inline(node: object, definitions: dict[str, object]) -> object:
    # References are relative to the whole OpenAPI document, where the definitions are not.
    if isinstance(node, list):
        return [_inline(child, definitions) for child in node]
    if not isinstance(node, dict):
        return node
    if isinstance(reference := node.get("$ref"), str):
        return _inline(definitions[reference.rpartition("/")[2]], definitions)
    return {key: _inline(child, definitions) for key, child in node.items()}


def _check_sizes(node: dict[str, object] | list[object], field: str = "") -> None:
    """Refuse what takes seconds to look at entry by entry; only token ids come in thousands."""
    is_ids = isinstance(node, list) and {int}.issuperset(map(type, node))
    if len(node) > MAX_ENTRIES and not is_ids:
        raise BadRequest(
            f"{field or 'The body'} holds {len(node)} entries; the limit is {MAX_ENTRIES}.",
            param=field or None,
        )
    if not is_ids:
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(item, (list, dict)):
                _check_sizes(item, field or _show_step(key))


def _first_problem(error: ValidationError) -> tuple[str, str, str | None]:
    """Return what is wrong first, the field at fault, and a code of its own where it has one."""
    first = error.errors(include_url=False)[0]
    field = ".".join(_show_step(step) for step in first["loc"])
    param = field.partition(".")[0]
    if first["type"] == "missing":
        return f"{field} is missing; it is required.", param, MISSING
    limit = LEADING_NOUN.sub("", first["msg"])
    given = first["input"]
    # What should be text and holds text deeper inside: a client's code is not repeated.
    shown = CONTAINERS.get(type(given)) if first["type"] == "string_type" else None
    return f"{field} is {shown or shorten(given)}; it {limit}.", param, None


def _show_step(step: int | str) -> str:
    """Return one step of a field's path; a key that the client made up is quoted."""
    is_plain = isinstance(step, int) or (step.isascii() and step.isidentifier())
    return str(step) if is_plain else shorten(step)
