"""One event in the life of a suggestion: numbers, names and hashes; code only where allowed.

The schema is this class, read from top to bottom by `docs/events.md`, by the table that stores it
and by the route that receives it. Only `id`, `type` and `at_ms` are always there, and
`completion_id` wherever there is a completion; a client sends what it knows. Meanings follow the
definitions of CAR and CPR: lengths are UTF-16 code units with line ends as one, durations are
milliseconds of the client's monotonic clock.

Opens longer than most files because a schema is a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from fimserve.telemetry.errors import EventError
from fimserve.telemetry.rules import HASH, ID, KIND, NAME, Flag, Number, OneOf, Rule, Text, Whole

__all__ = [
    "EVENT_RULES",
    "REQUIRED_FIELDS",
    "SCHEMA_VERSION",
    "TEXT_FIELDS",
    "DismissReason",
    "Event",
    "EventType",
    "PersistenceWindow",
    "Source",
    "Trigger",
]

SCHEMA_VERSION = 1
"""Version of the schema as clients send it; grows when a field changes its meaning."""

EventType: TypeAlias = Literal[
    "requested", "shown", "accepted", "partially_accepted", "dismissed", "persisted", "error"
]
Trigger: TypeAlias = Literal["auto", "invoked", "after_accept"]
Source: TypeAlias = Literal["network", "cache", "typed_through", "speculative"]
DismissReason: TypeAlias = Literal[
    "typed_over", "caret_moved", "escape", "file_switched", "replaced", "blurred", "other"
]
CensorReason: TypeAlias = Literal["editor_closed", "file_gone", "tracking_lost", "asleep", "other"]
FinishReason: TypeAlias = Literal["stop", "length", "cancelled", "error"]
PersistenceWindow: TypeAlias = Literal[30, 120, 300, 600]

MAX_AT_MS = 253_402_300_799_999
"""End of the year 9999: a wrong clock is the client's, but it must be a date."""
MAX_DURATION_MS = 86_400_000.0
"""A day: nothing about one suggestion takes longer."""

MAX_EXACT_FLOAT = 2**53
"""Whole numbers below are the same as floats."""

_Id: TypeAlias = Annotated[str, ID]
_Name: TypeAlias = Annotated[str, NAME]
_Kind: TypeAlias = Annotated[str, KIND]
_Hash: TypeAlias = Annotated[str, HASH]
_Count: TypeAlias = Annotated[int, Whole()]
_Ms: TypeAlias = Annotated[float, Number(0.0, MAX_DURATION_MS)]
_Flag: TypeAlias = Annotated[bool, Flag()]
_Text: TypeAlias = Annotated[str, Text()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a suggestion. Valid once made: a wrong value raises EventError."""

    id: _Id
    """Made by the client, once per event; sent again it counts once."""
    type: EventType
    """What happened. `requested` is the opportunity: a trigger that passed the client's filters."""
    at_ms: Annotated[int, Whole(0, MAX_AT_MS)]
    """When, in Unix milliseconds of the client's clock; order and age go by the server's."""
    completion_id: _Id | None = None
    """The suggestion; absent only in `requested` and `error`. Shown again, it keeps its id."""
    schema_version: Annotated[int, Whole(1, 1_000)] = SCHEMA_VERSION
    """Version of this schema that the client follows."""

    request_id: _Id | None = None
    """The HTTP request that brought the suggestion (`x-request-id`)."""
    view_id: _Id | None = None
    """One showing of the suggestion; a suggestion that is shown twice has two."""
    choice_index: _Count | None = None
    """Which of several suggestions under one completion id, from 0."""

    user_hash: _Hash | None = None
    """Keyed hash of the user: the unit of experiments."""
    window_hash: _Hash | None = None
    """Keyed hash of the editor window."""
    session_hash: _Hash | None = None
    """Keyed hash of the session: one open document of one user."""
    file_hash: _Hash | None = None
    """Keyed hash of the document's path."""
    text_hash: _Hash | None = None
    """Keyed hash of what makes a suggestion the same one: prefix, text, next non-empty line."""

    experiment: _Name | None = None
    """Experiment that the user takes part in."""
    arm: _Name | None = None
    """Arm that was served."""
    assigned_arm: _Name | None = None
    """Arm that the user was assigned; differs from `arm` only where something fell back."""
    model: _Name | None = None
    """Model that wrote the suggestion."""
    adapter: _Name | None = None
    """LoRA adapter over it."""

    editor: _Name | None = None
    """Editor, for instance `vscode`, `neovim`."""
    editor_version: _Name | None = None
    """Its version."""
    client: _Name | None = None
    """Plugin or program that talks to the server."""
    client_version: _Name | None = None
    """Its version."""
    other_provider: _Flag | None = None
    """Whether another source of inline suggestions was active in the editor."""

    language: _Name | None = None
    """Language id of the document, as the language server protocol has them."""
    kind: _Kind | None = None
    """Kind of the innermost named syntax node at the cursor, before insertion."""
    parent_kind: _Kind | None = None
    """Kind of its parent."""
    grandparent_kind: _Kind | None = None
    """Kind of its parent's parent."""
    great_grandparent_kind: _Kind | None = None
    """Kind of the next node outwards."""
    line_kind: _Kind | None = None
    """Kind of the outermost node that begins on the cursor's line."""
    kind_after: _Kind | None = None
    """Kind of the innermost node around the whole suggestion, once it is inserted."""
    parse_errors_before: _Count | None = None
    """Error nodes in the syntax tree without the suggestion."""
    parse_errors_after: _Count | None = None
    """Error nodes with it."""

    trigger: Annotated[Trigger, OneOf(get_args(Trigger))] | None = None
    """What made the client ask."""
    source: Annotated[Source, OneOf(get_args(Source))] | None = None
    """Where the suggestion came from: the server, the client's cache, typing on, a prefetch."""
    multiline: _Flag | None = None
    """Whether more than one line was asked for."""
    finish_reason: Annotated[FinishReason, OneOf(get_args(FinishReason))] | None = None
    """Why the model stopped."""

    prefix_chars: _Count | None = None
    """Length of the text before the cursor, as sent."""
    suffix_chars: _Count | None = None
    """Length of the text behind it, as sent."""
    snippets: _Count | None = None
    """Pieces of other files that were sent."""
    prompt_tokens: _Count | None = None
    """Tokens of the whole prompt."""
    cached_tokens: _Count | None = None
    """Tokens of it that the server had in its prefix cache."""
    completion_tokens: _Count | None = None
    """Tokens of the suggestion."""
    completion_chars: _Count | None = None
    """Length of the suggestion."""
    completion_lines: _Count | None = None
    """Its lines; a suggestion within one line has 1."""
    accepted_chars: _Count | None = None
    """Accepted so far, from the suggestion's start, what the user typed himself not counted."""
    typed_chars: _Count | None = None
    """Typed by the user since the client's last report of it, pasted text not counted."""

    queue_ms: _Ms | None = None
    """Time in the server's queue."""
    prefill_ms: _Ms | None = None
    """Time for the prompt."""
    decode_ms: _Ms | None = None
    """Time for the suggestion."""
    transport_ms: _Ms | None = None
    """The part of the request that the server did not use."""
    ttft_ms: _Ms | None = None
    """From trigger to the first text that could be shown."""
    e2e_ms: _Ms | None = None
    """From trigger to the last byte."""
    visible_ms: _Ms | None = None
    """From trigger to the moment it was seen."""
    shown_ms: _Ms | None = None
    """How long it had been visible; the longest of a suggestion's events counts (750 ms rule)."""

    dismiss_reason: Annotated[DismissReason, OneOf(get_args(DismissReason))] | None = None
    """Why it went away."""
    error_code: _Name | None = None
    """Name of the error, in `error`."""
    http_status: Annotated[int, Whole(100, 599)] | None = None
    """Status of the answer, in `error`."""

    after_s: Annotated[PersistenceWindow, OneOf(get_args(PersistenceWindow))] | None = None
    """Window of `persisted`, in seconds after acceptance."""
    difference: Annotated[float, Number(0.0, 1.0)] | None = None
    """Levenshtein distance by the longer length, of the text then and now; 1 where removed."""
    removed: _Flag | None = None
    """Whether nothing of it is left; holds for later windows too."""
    censored: _Flag | None = None
    """Whether the window could not be observed."""
    censor_reason: Annotated[CensorReason, OneOf(get_args(CensorReason))] | None = None
    """Why not."""
    current_chars: _Count | None = None
    """Length of the tracked text at that moment."""
    current_lines: _Count | None = None
    """Its lines."""
    retained_chars: _Count | None = None
    """Characters on the longest common subsequence of the text then and now."""

    completion_text: _Text | None = field(default=None, repr=False)
    """The suggestion itself; stored only for tenants whose operator said so."""
    prefix_text: _Text | None = field(default=None, repr=False)
    """Text before the cursor; the same holds."""
    suffix_text: _Text | None = field(default=None, repr=False)
    """Text behind the cursor; the same holds."""

    def __post_init__(self) -> None:
        for (name, allows), value in zip(_CHECKS, _read_all(self), strict=True):
            if value is None and name not in _NEVER_NONE:
                continue
            if not allows(value):
                raise EventError(name, f"should be {EVENT_RULES[name].wanted}")
        self.check_fields_together()

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> "Event":
        """Return the event that a JSON object says.

        Args:
            record: The object; unknown keys are ignored, null is the same as absent, and 64.0 is
                a whole number.

        Returns:
            The event.

        Raises:
            EventError: On the first field with a wrong value, naming the field.
        """
        known: dict[str, Any] = {}
        for name, value in record.items():
            if value is None or name not in EVENT_RULES:
                continue
            number = _NUMBERS.get(name)
            known[name] = value if number is None else _as_exact(value, number)
        for name in REQUIRED_FIELDS:
            if name not in known:
                raise EventError(name, "is missing; it is required")
        return cls(**known)

    def to_json(self) -> dict[str, object]:
        """Return what `from_json` reads: the fields that are there."""
        return {name: value for name in EVENT_RULES if (value := getattr(self, name)) is not None}

    def with_values(self, values: Mapping[str, object]) -> "Event":
        """Return the same event with other values; what does not change is not checked again.

        Args:
            values: Values of fields that no other field's validity depends on.

        Returns:
            The event.

        Raises:
            EventError: On a wrong value.
        """
        for name, value in values.items():
            if value is not None and not EVENT_RULES[name].allows(value):
                raise EventError(name, f"should be {EVENT_RULES[name].wanted}")
        # Seventy fields need not be checked for the sake of five.
        changed = object.__new__(Event)
        for name, value in zip(EVENT_RULES, _read_all(self), strict=True):
            object.__setattr__(changed, name, values.get(name, value))
        return changed

    def check_fields_together(self) -> None:
        """Check what no field says alone.

        Fails with `EventError` where two fields contradict each other, or one lacks another.
        """
        _check_completion(self)
        _check_persistence(self)

    @property
    def has_text(self) -> bool:
        """Whether the event carries code."""
        return any(getattr(self, name) is not None for name in TEXT_FIELDS)

    def without_text(self) -> "Event":
        """Return the same event without code."""
        if not self.has_text:
            return self
        return replace(self, completion_text=None, prefix_text=None, suffix_text=None)


def _as_exact(value: object, wanted: type[int] | type[float]) -> object:
    # JSON has one kind of number: some clients write 64.0 where they mean 64, or 0 for 0.0.
    if wanted is int:
        return int(value) if isinstance(value, float) and value.is_integer() else value
    # A larger one is out of every range, and may be out of a float's.
    return float(value) if type(value) is int and abs(value) < MAX_EXACT_FLOAT else value


def _check_completion(event: Event) -> None:
    if event.completion_id is None and event.type not in ("requested", "error"):
        raise EventError("completion_id", f"is missing; {event.type} is about a completion")
    if event.type == "partially_accepted" and event.accepted_chars is None:
        raise EventError("accepted_chars", "is missing; partially_accepted says how much")


def _check_persistence(event: Event) -> None:
    observed = event.difference, event.removed or None, event.censored or None
    if event.type != "persisted":
        if event.after_s is not None or any(value is not None for value in observed):
            raise EventError("after_s", "and what was observed then belong to persisted")
        return
    if event.after_s is None:
        raise EventError("after_s", "is missing; persisted is about a window")
    if event.censored and (event.removed or event.difference is not None):
        raise EventError("censored", "excludes difference and removed: nothing was observed")
    if event.removed and event.difference not in (None, 1, 1.0):
        raise EventError("difference", "should be 1 where the text was removed")
    if not any(value is not None for value in observed):
        raise EventError("difference", "is missing; persisted has it, or removed, or censored")


def _collect_rules() -> dict[str, Rule]:
    hints = get_type_hints(Event, include_extras=True)
    return {one.name: _find_rule(hints[one.name]) for one in fields(Event)}


def _find_rule(hint: object) -> Rule:
    if get_origin(hint) is Literal:
        return OneOf(get_args(hint))
    if get_origin(hint) is Annotated:
        rule: Rule = get_args(hint)[1]
        return rule
    return _find_rule(get_args(hint)[0])  # the first of `... | None`


def _number_type(rule: Rule) -> type[int] | type[float] | None:
    """Return what a field's numbers are made of; None where it has no numbers."""
    if isinstance(rule, Number):
        return float
    holds_ints = isinstance(rule, Whole) or (
        isinstance(rule, OneOf) and isinstance(rule.values[0], int)
    )
    return int if holds_ints else None


EVENT_RULES = _collect_rules()
"""The rule of each field, in the order of the class."""
_CHECKS = tuple((name, rule.allows) for name, rule in EVENT_RULES.items())
_read_all = attrgetter(*EVENT_RULES)
_NUMBERS = {name: _number_type(rule) for name, rule in EVENT_RULES.items() if _number_type(rule)}
REQUIRED_FIELDS = ("id", "type", "at_ms")
"""Fields without a default."""
_NEVER_NONE = frozenset({*REQUIRED_FIELDS, "schema_version"})
TEXT_FIELDS = tuple(name for name, rule in EVENT_RULES.items() if isinstance(rule, Text))
"""Fields that hold code."""
