"""The OpenAPI description of a batch of events, made from the rules of the fields.

Rules between fields are in words only: `docs/events.md`.
"""

from fimserve.telemetry import EVENT_RULES
from fimserve.telemetry.event import REQUIRED_FIELDS
from fimserve.telemetry.rules import Flag, Number, OneOf, Rule, Shape, Text, Whole

__all__ = ["describe_events"]


def describe_events() -> dict[str, object]:
    """Return the OpenAPI description of a route whose JSON body holds a batch of events."""
    event = {
        "type": "object",
        "required": list(REQUIRED_FIELDS),
        "properties": {name: _describe(rule) for name, rule in EVENT_RULES.items()},
    }
    batch = {
        "type": "object",
        "required": ["events"],
        "properties": {"events": {"type": "array", "items": event}},
    }
    content = {"application/json": {"schema": batch}}
    return {"requestBody": {"required": True, "content": content}}


def _describe(rule: Rule) -> dict[str, object]:
    match rule:
        case Flag():
            return {"type": "boolean"}
        case Whole():
            return {"type": "integer", "minimum": rule.min, "maximum": rule.max}
        case Number():
            return {"type": "number", "minimum": rule.min, "maximum": rule.max}
        case OneOf():
            return {"enum": list(rule.values)}
        case Shape():
            return {"type": "string", "pattern": f"^{rule.pattern.pattern}$"}
        case Text():
            return {"type": "string", "maxLength": rule.max_chars}
        case _:
            return {}
