"""Every route of the OpenAPI document, asked whatever fits its description and whatever does not.

No 5xx, no status that the document does not state, on the real server over a real engine. A route
that is added is asked too. The short form is part of `make test`; `make test-slow` asks thousands.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import schemathesis
import torch
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from fimeval.bench.result_line import build_line
from fimeval.gpu import find_gpu
from fimeval.provenance import describe_provenance
from fimserve.engine import Engine
from fimserve.models import load_model
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import TelemetrySettings, open_event_store
from support.keys import add_key, bearer
from support.live_server import serve_in_thread
from support.tiny_checkpoint import write_tiny_checkpoint

NUM_SLOW_CASES = int(os.environ.get("FIMSERVE_TEST_CASES", "5000"))
OUTPUT = os.environ.get("FIMSERVE_TEST_OUTPUT")
"""File that gets the JSON line of the long form, such as eval/results/schemathesis.jsonl."""

NUM_QUICK_CASES = 2
"""Of each operation with a name in its path, as many against its description."""

BODY_WEIGHT = 4
"""So many times more for one with a body: there is more that can be wrong."""


class Site(NamedTuple):
    """A running service."""

    url: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices this small are slower on two
    model = load_model(str(write_tiny_checkpoint(directory / "tiny")), device="cpu", dtype="fp32")
    key = add_key(directory / "keys.json")
    limits = ServerSettings(keys=directory / "keys.json", key_requests_per_s=0, max_tokens=4)
    store = open_event_store(TelemetrySettings(url=f"sqlite:///{directory / 'events.db'}"))
    with serve_in_thread(Engine(model), limits, store) as url:
        yield Site(url, bearer(key))
    torch.set_num_threads(before)


def load_operations(site: Site) -> list[Any]:
    """Return every operation of the document."""
    document = schemathesis.openapi.from_url(f"{site.url}/openapi.json", headers=site.headers)
    return [found.ok() for found in document.get_all_operations()]


def ask(operation: Any, mode: GenerationMode, num_cases: int, site: Site) -> Counter[int]:
    """Send cases of one operation, check each answer, and return how many had which status."""
    statuses: Counter[int] = Counter()
    documented = {int(status) for status in operation.definition.raw["responses"]}

    @settings(
        max_examples=num_cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        answer = case.call(headers=site.headers, timeout=30)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        assert answer.status_code in documented, f"{answer.status_code} is not documented"
        assert "Traceback" not in answer.text

    send()
    return statuses


def ask_all(site: Site, num_cases: int) -> dict[str, Counter[int]]:
    """Ask every operation what fits it and what does not, and return the statuses by operation."""
    found: dict[str, Counter[int]] = {}
    for operation in load_operations(site):
        counted: Counter[int] = Counter()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if weight := weigh(operation):
                counted += ask(operation, mode, num_cases * weight, site)
            elif mode is GenerationMode.POSITIVE:
                counted += ask(operation, mode, 1, site)
        found[operation.label] = counted
    return found


def weigh(operation: Any) -> int:
    """Return how much there is in a request that could be wrong; 0 for nothing."""
    if operation.body:
        return BODY_WEIGHT
    return int(bool(operation.query or operation.path_parameters))


def test_no_case_of_any_route_is_answered_with_a_5xx_or_an_undocumented_status(site: Site) -> None:
    found = ask_all(site, NUM_QUICK_CASES)
    assert len(found) >= 8
    assert found["POST /v1/completions"][200] >= 1
    assert found["POST /v1/completions"][400] >= 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thousands_of_cases(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    operations = load_operations(site)
    weight = sum(map(weigh, operations))
    found = ask_all(site, NUM_SLOW_CASES // (2 * weight) + 1)
    statuses = sum(found.values(), Counter[int]())
    with capsys.disabled():
        for label, counted in found.items():
            print(f"\n{label}: {dict(sorted(counted.items()))}", end="")  # noqa: T201
        print(f"\n{statuses.total()} cases: {dict(sorted(statuses.items()))}")  # noqa: T201
    assert statuses.total() >= NUM_SLOW_CASES
    if OUTPUT is not None:
        content = {
            "schemathesis": schemathesis.__version__,
            "num_cases": statuses.total(),
            "num_operations": len(found),
            "statuses": dict(sorted(statuses.items())),
            # What the checks of each case let pass; one beyond them would have ended the run.
            "num_5xx": sum(n for status, n in statuses.items() if status >= 500),
            "operations": {
                label: dict(sorted(counted.items())) for label, counted in found.items()
            },
        }
        line = build_line("schemathesis", describe_provenance(), find_gpu(), True, content)
        with Path(OUTPUT).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
