"""Can one tenant tell from its waiting times what another tenant has asked before?

An attacker guesses a prompt and times the answer. Half of its guesses are prompts that the victim
has just asked, the other half nobody has. If the cache told them apart, times of the first would be
shorter; the area under the classifier's curve says how well they can be told apart: 0.5 is not at
all. The same is done with two keys of one tenant, where it must succeed, or the test is blind.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import httpx
import numpy as np
from numpy.typing import NDArray

from fimeval.bench.attacks import PATH
from fimeval.bench.percentiles import Percentiles, find_percentiles
from fimeval.errors import EvalError

TIMEOUT_S = 600.0

OTHER_TENANT = "other tenant"
SAME_TENANT = "same tenant"

Times: TypeAlias = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TimingSettings:
    """How often, and with which dice."""

    n: int = 600
    """Guesses of the other tenant, half of them right."""
    num_controls: int = 60
    """Guesses with a key of the same tenant: a difference that needs no more to be seen."""
    num_lines: int = 20
    """Lines of a prompt: long enough that computing it takes many times the network's noise."""
    seed: int = 0
    num_resamples: int = 2000
    """For the interval of the area under the curve."""


@dataclass(frozen=True, slots=True)
class TimingResult:
    """What one attacker could tell."""

    attacker: str
    """`other tenant` or `same tenant`."""
    n: int
    auc: float
    """Chance that a right guess was answered faster than a wrong one. Below 0.5 tells as much as
    above: an attacker would turn the rule round."""
    low: float
    high: float
    """95 % interval of the area, by resampling both classes."""
    right_ms: Percentiles
    wrong_ms: Percentiles
    max_cached_tokens: int
    """Most tokens that an answer to a right guess said were cached."""


def measure_timing(
    url: str,
    victim_key: str,
    stranger_key: str,
    friend_key: str,
    settings: TimingSettings,
    advance: Callable[[int], None] = lambda total: None,
) -> tuple[TimingResult, ...]:
    """Let each attacker guess, in turn on one connection.

    Args:
        url: Address of the server.
        victim_key: Key of the victim.
        stranger_key: Key of an attacker of another tenant.
        friend_key: Another key of the victim's tenant.
        settings: How often.
        advance: Called after each guess with the number of all.

    Returns:
        What each could tell.
    """
    chooser = random.Random(settings.seed)
    attackers = {
        OTHER_TENANT: (stranger_key, settings.n),
        SAME_TENANT: (friend_key, settings.num_controls),
    }
    guesses: dict[str, list[_Guess]] = {name: [] for name in attackers}
    # Right and wrong in a random order, so that no drift of the machine looks like an answer.
    plan = [(name, i % 2 == 0) for name, (_, number) in attackers.items() for i in range(number)]
    chooser.shuffle(plan)
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
        for key in (victim_key, stranger_key, friend_key) * 2:  # warm connection and code
            _ask(client, key, _make_prompt(chooser, settings.num_lines))
        for name, is_right in plan:
            prompt, other = (_make_prompt(chooser, settings.num_lines) for _ in range(2))
            # The victim asks either way, or the machine would be in another state.
            _ask(client, victim_key, prompt if is_right else other)
            wait_ms, cached_tokens = _ask(client, attackers[name][0], prompt)
            guesses[name].append(_Guess(is_right, wait_ms, cached_tokens))
            advance(len(plan))
    return tuple(_sum_up(name, made, settings) for name, made in guesses.items())


def find_auc(right_ms: Times, wrong_ms: Times) -> float:
    """Return the chance that a right guess was faster than a wrong one; ties count half.

    Args:
        right_ms: Times of right guesses.
        wrong_ms: Times of wrong guesses.

    Returns:
        The area under the curve of the classifier "faster means right".
    """
    right, wrong = np.asarray(right_ms)[:, None], np.asarray(wrong_ms)[None, :]
    return float(np.mean((right < wrong) + 0.5 * (right == wrong)))


def describe_results(results: Sequence[TimingResult]) -> list[dict[str, Any]]:
    """Return what the JSON line says of each attacker."""
    return [asdict(result) for result in results]


@dataclass(frozen=True, slots=True)
class _Guess:
    is_right: bool
    wait_ms: float
    cached_tokens: int


def _sum_up(name: str, guesses: Sequence[_Guess], settings: TimingSettings) -> TimingResult:
    right = np.array([guess.wait_ms for guess in guesses if guess.is_right])
    wrong = np.array([guess.wait_ms for guess in guesses if not guess.is_right])
    dice = np.random.default_rng(settings.seed)
    resampled = [
        find_auc(dice.choice(right, right.size), dice.choice(wrong, wrong.size))
        for _ in range(settings.num_resamples)
    ]
    low, high = np.percentile(resampled, [2.5, 97.5])
    return TimingResult(
        attacker=name,
        n=len(guesses),
        auc=round(find_auc(right, wrong), 4),
        low=round(float(low), 4),
        high=round(float(high), 4),
        right_ms=find_percentiles(right.tolist()),
        wrong_ms=find_percentiles(wrong.tolist()),
        max_cached_tokens=max(guess.cached_tokens for guess in guesses if guess.is_right),
    )


def _make_prompt(chooser: random.Random, num_lines: int) -> str:
    # Different from the first token on, or the attacker's own earlier guesses would be cached.
    lines = (f"{chooser.randrange(10**6)} * value_{index}" for index in range(num_lines))
    return "\n".join(lines) + "\nresult = "


def _ask(client: httpx.Client, key: str, prompt: str) -> tuple[float, int]:
    body = {"prompt": prompt, "max_tokens": 1, "temperature": 0}
    began_s = time.perf_counter()
    answer = client.post(PATH, json=body, headers={"authorization": f"Bearer {key}"})
    wait_ms = (time.perf_counter() - began_s) * 1000.0
    if answer.status_code != httpx.codes.OK:
        raise EvalError(f"{client.base_url} answered {answer.status_code}: {answer.text[:200]}")
    details = answer.json()["usage"]["prompt_tokens_details"]
    return wait_ms, int(details["cached_tokens"])
