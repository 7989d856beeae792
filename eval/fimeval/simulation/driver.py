"""Lets simulated users work on a service, each in his own order of things.

A user's first question names his arm, as for an editor: by the answer's headers. His events repeat
what they said.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
import numpy as np

from fimeval.errors import EvalError
from fimeval.simulation.calendar import plan_sessions
from fimeval.simulation.code_sample import SAMPLES
from fimeval.simulation.effect import NO_EFFECT
from fimeval.simulation.life import (
    Offer,
    make_error,
    make_life,
    make_request,
    number_events,
)
from fimeval.simulation.settings import SimulationSettings
from fimeval.simulation.user import User, draw_user

__all__ = ["SimulationResult", "simulate"]

TIMEOUT_S = 60.0
MAX_TRIES = 20
TOLD = {
    "experiment": "x-fimserve-experiment",
    "arm": "x-fimserve-arm",
    "assigned_arm": "x-fimserve-assigned-arm",
}
"""Fields of events, and the headers of an answer that say them."""
MAX_TOKENS = 12


@dataclass(slots=True)
class SimulationResult:
    """What was done."""

    users: Counter[str] = field(default_factory=Counter)
    """Users by the arm that they were assigned; `-` where they are in no experiment."""
    events: Counter[str] = field(default_factory=Counter)
    """Events by type."""
    num_completions: int = 0
    """Suggestions that the service wrote."""
    num_stored: int = 0
    """Events that the service had not known."""


async def simulate(
    url: str, settings: SimulationSettings, key: str | None, advance: Callable[[], None]
) -> SimulationResult:
    """Let all users work.

    Args:
        url: Address of the service.
        settings: Who they are and what they do.
        key: API key, where the service asks for one.
        advance: Called as each user is done.

    Returns:
        What was done.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    result = SimulationResult()
    waiting = iter(range(settings.num_users))
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False
    ) as client:

        async def work() -> None:
            for number in waiting:
                await _Worker(client, settings, number, result).run()
                advance()

        await asyncio.gather(*(work() for _ in range(settings.connections)))
    return result


class _Worker:
    """Plays one user."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: SimulationSettings,
        number: int,
        result: SimulationResult,
    ) -> None:
        self._client = client
        self._settings = settings
        self._result = result
        # Of the user alone, so that what others do changes nothing for him.
        self._rng = np.random.default_rng([settings.seed, number])
        self._user: User = draw_user(settings, number, self._rng)
        self._counter = itertools.count()
        self._told: dict[str, object] | None = None
        """What the answers say of his arm; None before the first."""
        self._events: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Work through all sessions, and bring all events."""
        for session in plan_sessions(self._settings, self._user, self._rng):
            for at_ms in session:
                await self._ask(at_ms)
                if len(self._events) >= self._settings.batch_events:
                    await self._send()
        await self._send()
        assigned = (self._told or {}).get("assigned_arm", "-")
        self._result.users[str(assigned)] += 1

    async def _ask(self, at_ms: int) -> None:
        settings, rng = self._settings, self._rng
        is_asked = rng.random() < settings.completion_share or self._told is None
        number = int(rng.integers(len(SAMPLES)))
        made_up = self._make_up()
        offer = await self._complete(number) if is_asked else made_up
        facts = self._told or {}
        typed = int(rng.poisson(25))
        events = [make_request(at_ms, self._user, typed, facts)]
        arm = str(facts.get("arm", ""))
        effect = settings.effects.get(arm, NO_EFFECT)
        if rng.random() < settings.error_rate + effect.errors:
            events.append(make_error(at_ms + 1, self._user, facts))
        elif offer.num_chars:
            events += make_life(offer, at_ms, self._user, effect, settings.censored, rng)
        number_events(events, self._user, settings.run, self._counter)
        self._events += events

    def _make_up(self) -> Offer:
        """Return a suggestion that no model wrote."""
        rng = self._rng
        effect = self._settings.effects.get(str((self._told or {}).get("arm", "")), NO_EFFECT)
        num_lines = 1 if rng.random() < 0.75 else int(rng.integers(2, 7))
        return Offer(
            completion_id=f"{self._settings.run}-{self._user.hash[:12]}-{next(self._counter)}",
            num_chars=1 + int(rng.lognormal(3.2, 0.6)) * num_lines,
            num_lines=num_lines,
            e2e_ms=round(rng.lognormal(4.5, 0.4) + self._user.network_ms + effect.latency_ms, 1),
            facts=dict(self._told or {}),
        )

    async def _complete(self, number: int) -> Offer:
        """Return a suggestion of the service; it has no characters where there is none."""
        prefix, suffix = SAMPLES[number]
        body = {
            "prompt": prefix,
            "suffix": suffix,
            "language": self._user.language,
            "max_tokens": MAX_TOKENS,
            "user": self._user.hash,
        }
        started_s = asyncio.get_running_loop().time()
        headers = {"x-editor": self._user.editor}
        answer = await self._post("/v1/completions", body, headers)
        took_ms = (asyncio.get_running_loop().time() - started_s) * 1000
        self._told = {
            name: answer.headers[header]
            for name, header in TOLD.items()
            if header in answer.headers
        }
        self._result.num_completions += 1
        told: Mapping[str, Any] = answer.json()
        text = str(told["choices"][0]["text"])
        return Offer(
            completion_id=str(told["id"]),
            num_chars=len(text),
            num_lines=text.count("\n") + 1,
            e2e_ms=round(took_ms + self._user.network_ms, 1),
            facts=self._told | {"model": str(told["model"])},
        )

    async def _send(self) -> None:
        batch, self._events = self._events, []
        if not batch:
            return
        answer = await self._post("/v1/events", {"events": batch}, {})
        self._result.num_stored += answer.json()["accepted"]
        self._result.events.update(str(event["type"]) for event in batch)

    async def _post(
        self, path: str, body: Mapping[str, object], headers: Mapping[str, str]
    ) -> httpx.Response:
        """Return the answer, once there is one that is not `come again`."""
        for attempt in range(MAX_TRIES):
            try:
                answer = await self._client.post(path, json=body, headers=dict(headers))
            except httpx.HTTPError as error:
                raise EvalError(f"no answer from {path} ({type(error).__name__})") from None
            if answer.status_code == HTTPStatus.OK:
                return answer
            if answer.status_code not in (
                HTTPStatus.TOO_MANY_REQUESTS,
                HTTPStatus.SERVICE_UNAVAILABLE,
            ):
                break
            await asyncio.sleep(0.1 * (attempt + 1))
        raise EvalError(f"{path} answered {answer.status_code}: {answer.text[:200]}")
