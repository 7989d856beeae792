"""Reads batches whose events are all plainly written, in a third of the time of one by one.

The rules of the fields, compiled: what is accepted here is what `Event.from_json` accepts and comes
out the same. It looks at nothing twice, though: where a whole number is written 64.0, or something
is wrong, it says so of nobody in particular, and events are read one by one.
"""

from collections.abc import Sequence
from dataclasses import fields

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from fimserve.telemetry.errors import EventError
from fimserve.telemetry.event import EVENT_RULES, REQUIRED_FIELDS, SCHEMA_VERSION, Event
from fimserve.telemetry.rules import Flag, Number, OneOf, Rule, Shape, Text, Whole

__all__ = ["read_plain_events"]


def read_plain_events(records: Sequence[object]) -> list[Event] | None:
    """Return the events of a batch, where each is plainly valid.

    Args:
        records: Values of JSON.

    Returns:
        The events in their order; None where one needs a closer look, which may find it valid.
    """
    try:
        events: list[Event] = _READER.validate_python(records)
        for event in events:
            event.check_fields_together()
    except (ValidationError, EventError):
        return None
    return events


def _compile_reader() -> SchemaValidator:
    arguments = core_schema.dataclass_args_schema(
        Event.__name__,
        [
            core_schema.dataclass_field(name, _compile_field(name, rule), kw_only=True)
            for name, rule in EVENT_RULES.items()
        ],
        extra_behavior="ignore",
    )
    event = core_schema.dataclass_schema(
        Event, arguments, [one.name for one in fields(Event)], slots=True, frozen=True
    )
    return SchemaValidator(core_schema.list_schema(event, strict=True, fail_fast=True))


def _compile_field(name: str, rule: Rule) -> CoreSchema:
    value = _compile_rule(rule)
    if name in REQUIRED_FIELDS:
        return value
    if name == "schema_version":
        return core_schema.with_default_schema(value, default=SCHEMA_VERSION)
    return core_schema.with_default_schema(core_schema.nullable_schema(value), default=None)


def _compile_rule(rule: Rule) -> CoreSchema:
    match rule:
        case Flag():
            return core_schema.bool_schema(strict=True)
        case Whole():
            return core_schema.int_schema(strict=True, ge=rule.min, le=rule.max)
        case Number():
            return core_schema.float_schema(
                strict=True, ge=rule.min, le=rule.max, allow_inf_nan=False
            )
        case OneOf():
            return core_schema.literal_schema(list(rule.values))
        case Shape():
            return core_schema.str_schema(strict=True, pattern=f"^(?:{rule.pattern.pattern})$")
        case Text():
            return core_schema.str_schema(
                strict=True, pattern=r"^[^\x00]*$", max_length=rule.max_chars
            )
        case _:
            raise TypeError(f"no reader is known for {type(rule).__name__}")


_READER = _compile_reader()
