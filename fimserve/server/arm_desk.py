"""Experiments at the door: from a request's user to how it is served, and from an event to its arm.

Nothing here waits: the state is in memory, and where nothing runs a request passes with one look at
it. Which user is in what is decided in `telemetry.experiments`; what an arm means to the engine is
decided here.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from starlette.requests import Request

from fimserve.engine import CompletionRequest, EngineStats
from fimserve.prompt import Order
from fimserve.server.principal import principal_of
from fimserve.server.request_record import record_of
from fimserve.server.served_arm import ServedArm
from fimserve.server.user import find_editor, find_user
from fimserve.telemetry import Event
from fimserve.telemetry.experiments import BASE, HOLDOUT, JOINT, Arm, Assignment, Catalogue
from fimserve.telemetry.experiments.watch import ExperimentWatch

__all__ = ["ArmDesk"]

logger = logging.getLogger(__name__)

MAX_REMEMBERED = 50_000
"""Completions whose arm is remembered for their events: some hours of a busy service."""


class AdapterHolder(Protocol):
    """What experiments need to know of an engine."""

    def stats(self) -> EngineStats:
        """Say which adapters are loaded."""

    def load_adapter(self, name: str) -> None:
        """Load a LoRA adapter; may take seconds.

        Args:
            name: One of the available ones.
        """


class ArmDesk:
    """Serves arms.

    Args:
        watch: What runs.
        engine: Holds the adapters.
    """

    def __init__(self, watch: ExperimentWatch, engine: AdapterHolder) -> None:
        self._watch = watch
        self._engine = engine
        self._served: OrderedDict[tuple[str, str], ServedArm | None] = OrderedDict()
        watch.follow(self._load_adapters)

    def serve(self, asked: CompletionRequest, request: Request) -> CompletionRequest:
        """Return what is to be asked of the engine, by the arm of whoever sent the request.

        Args:
            asked: What the client asks for. Who names an adapter gets that one.
            request: The HTTP request; its record keeps what was served.

        Returns:
            The request as its arm has it; the same where its user is in none.
        """
        catalogue = self._watch.catalogue
        if catalogue.is_idle:
            return asked
        record = record_of(request)
        assignment = None if asked.adapter else self._assign(catalogue, asked.language, request)
        if assignment is not None:
            asked, record.served = self._apply(asked, assignment)
        if record.completion_id is not None:
            self.remember(request, record.completion_id)
        return asked

    def remember(self, request: Request, completion_id: str) -> None:
        """Keep what a completion was served by, for the events about it.

        Args:
            request: The HTTP request that asked for it.
            completion_id: Its id.
        """
        record = record_of(request)
        record.completion_id = completion_id
        if self._watch.catalogue.is_idle:
            return
        self._served[principal_of(request).tenant, completion_id] = record.served
        if len(self._served) > MAX_REMEMBERED:
            self._served.popitem(last=False)

    def fill_in(self, events: Sequence[Event], request: Request) -> list[Event]:
        """Return events with experiment, arms and user as this service knows them.

        What it served it knows best; else the client's word holds where it can be true; else the
        user's assignment stands for it.

        Args:
            events: What a client sent.
            request: The HTTP request that brought them.

        Returns:
            The events in their order.
        """
        catalogue = self._watch.catalogue
        if not catalogue.experiments:
            return list(events)
        return [self._fill_in(event, catalogue, request) for event in events]

    def close(self) -> None:
        """Stop following what runs."""
        self._watch.close()

    def _assign(
        self, catalogue: Catalogue, language: str | None, request: Request
    ) -> Assignment | None:
        user = find_user(request)
        if user is None:
            return None
        tenant = principal_of(request).tenant
        user_hash = catalogue.hash_user(tenant, user)
        return catalogue.assign(user_hash, tenant, language, find_editor(request))

    def _apply(
        self, asked: CompletionRequest, assignment: Assignment
    ) -> tuple[CompletionRequest, ServedArm]:
        loaded = self._engine.stats().adapters
        names, delay_ms = [], 0.0
        for one in assignment.memberships:
            arm = one.arm
            if one.is_stopped or (arm.adapter is not None and arm.adapter not in loaded):
                names.append(BASE)
                continue
            names.append(arm.name)
            asked = _change(asked, arm)
            if asked.max_tokens:  # nobody waits for an answer without text
                delay_ms += arm.delay_ms or 0.0
        served = ServedArm(
            experiment=assignment.experiment,
            arm=JOINT.join(names) or HOLDOUT,
            assigned_arm=assignment.assigned_arm,
            user_hash=assignment.user_hash,
            adapter=asked.adapter,
            delay_ms=delay_ms,
        )
        return asked, served

    def _fill_in(self, event: Event, catalogue: Catalogue, request: Request) -> Event:
        tenant = principal_of(request).tenant
        if (key := (tenant, event.completion_id or "")) in self._served:
            served = self._served[key]
            return event if served is None else _say(event, served)
        if event.experiment is not None and _can_be_true(event, catalogue):
            return event
        user_hash = event.user_hash
        if user_hash is None and (user := find_user(request)) is not None:
            user_hash = catalogue.hash_user(tenant, user)
        if user_hash is None:
            return event
        editor = event.editor or find_editor(request)
        assignment = catalogue.assign(user_hash, tenant, event.language, editor)
        if assignment is None:
            return event.with_values(
                {"user_hash": user_hash, "experiment": None, "arm": None, "assigned_arm": None}
            )
        return event.with_values(
            {
                "user_hash": user_hash,
                "experiment": assignment.experiment,
                "arm": assignment.served_arm,
                "assigned_arm": assignment.assigned_arm,
            }
        )

    def _load_adapters(self, catalogue: Catalogue) -> None:
        """Load what running arms need; an arm whose adapter is not there falls back to base."""
        arms = [arm for one in catalogue.running for arm in one.plan.arms]
        wanted = {arm.adapter for arm in arms if arm.adapter is not None}
        for name in sorted(wanted - set(self._engine.stats().adapters)):
            try:
                self._engine.load_adapter(name)
            except Exception as error:
                logger.warning(
                    "adapter %r of an experiment is not loaded, base is served instead: %s",
                    name,
                    error,
                )


def _change(asked: CompletionRequest, arm: Arm) -> CompletionRequest:
    """Return a request as an arm has it."""
    changed: dict[str, Any] = {
        name: value for name in AS_THEY_ARE if (value := getattr(arm, name)) is not None
    }
    if arm.order is not None:
        changed["order"] = "auto" if arm.order == "auto" else Order(arm.order)
    if arm.max_snippets is not None:
        changed["snippets"] = asked.snippets[: arm.max_snippets]
    if arm.max_prefix_chars is not None:
        changed["prefix"] = asked.prefix[-arm.max_prefix_chars :]
    if arm.max_suffix_chars is not None and asked.suffix is not None:
        changed["suffix"] = asked.suffix[: arm.max_suffix_chars]
    if arm.max_tokens is not None:
        changed["max_tokens"] = min(asked.max_tokens, arm.max_tokens)
        changed["min_tokens"] = min(asked.min_tokens, changed["max_tokens"])
    return replace(asked, **changed) if changed else asked


AS_THEY_ARE = (
    *("adapter", "heal", "multiline", "temperature", "top_p", "top_k", "min_p"),
    *("trim", "speculate"),
)
"""Fields of an arm that a request has by the same name and meaning."""


def _say(event: Event, served: ServedArm) -> Event:
    return event.with_values(
        {
            "experiment": served.experiment,
            "arm": served.arm,
            "assigned_arm": served.assigned_arm,
            "user_hash": served.user_hash,
            "adapter": served.adapter or event.adapter,
        }
    )


def _can_be_true(event: Event, catalogue: Catalogue) -> bool:
    """Return whether a client's word names arms that its experiments have.

    Experiments that are not known here are the client's own: nothing is known against them.
    """
    arms_of = {one.name: {arm.name for arm in one.plan.arms} for one in catalogue.experiments}
    experiments = (event.experiment or "").split(JOINT)
    said = [(event.arm or "").split(JOINT), (event.assigned_arm or "").split(JOINT)]
    for number, experiment in enumerate(experiments):
        if experiment not in arms_of:
            continue
        known = arms_of[experiment]
        if any(len(arms) != len(experiments) for arms in said):
            return False
        if said[0][number] not in {*known, BASE} or said[1][number] not in known:
            return False
    return True
