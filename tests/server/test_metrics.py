"""What Prometheus reads: every request once, under names that no client can make up."""

import re

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from fimserve.engine import CompletionDelta
from fimserve.server.app import make_app
from support.fake_engine import USAGE, FakeEngine

COMPLETION = {"prompt": "hunter2", "suffix": "hunter2"}


def scrape(client: TestClient) -> dict[str, float]:
    """Return every sample under its name and labels, such as `a{b="c"}`."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{sample.labels[name]}"' for name in sorted(sample.labels))
            samples[f"{sample.name}{{{labels}}}"] = sample.value
    return samples


def test_a_completion_is_counted_with_its_times_and_tokens() -> None:
    client = TestClient(make_app(FakeEngine()), "http://localhost")
    for _ in range(2):
        client.post("/v1/completions", json=COMPLETION)
    found = scrape(client)
    asked = 'dialect="openai",method="POST",route="/v1/completions",status="200"'
    assert found[f"fimserve_requests_total{{{asked}}}"] == 2
    openai = '{dialect="openai"}'
    assert found[f"fimserve_prompt_tokens_total{openai}"] == 2 * USAGE.prompt_tokens
    assert found[f"fimserve_cached_tokens_total{openai}"] == 2 * USAGE.cached_tokens
    assert found[f"fimserve_completion_tokens_total{openai}"] == 2 * USAGE.completion_tokens
    assert found[f"fimserve_ttft_seconds_sum{openai}"] == pytest.approx(2 * USAGE.ttft_ms / 1e3)
    per_token_s = (USAGE.e2e_ms - USAGE.ttft_ms) / (USAGE.completion_tokens - 1) / 1e3
    assert found[f"fimserve_tpot_seconds_sum{openai}"] == pytest.approx(2 * per_token_s)
    assert found['fimserve_ttft_seconds_bucket{dialect="openai",le="0.01"}'] == 2
    assert found['fimserve_ttft_seconds_bucket{dialect="openai",le="0.005"}'] == 0
    assert found[f"fimserve_e2e_seconds_count{openai}"] == 2


def test_the_engine_s_numbers_are_those_of_the_moment() -> None:
    engine = FakeEngine()
    client = TestClient(make_app(engine), "http://localhost")
    found = scrape(client)
    assert found["fimserve_engine_kv_blocks{}"] == 64
    assert found["fimserve_engine_kv_blocks_used{}"] == 3
    assert found["fimserve_engine_running{}"] == 2
    assert found["fimserve_engine_waiting{}"] == 1
    assert found["fimserve_engine_up{}"] == 1
    engine.is_alive = False
    assert scrape(client)["fimserve_engine_up{}"] == 0


def test_refusals_and_cancels_are_counted_by_cause() -> None:
    engine = FakeEngine()
    client = TestClient(make_app(engine), "http://localhost")
    client.post("/v1/completions", json=COMPLETION | {"model": "gpt-9"})
    engine.script = (CompletionDelta("", (), "cancelled", USAGE, 0),)
    assert client.post("/v1/completions", json=COMPLETION).status_code == 499
    found = scrape(client)
    assert found['fimserve_refusals_total{code="model_not_found",dialect="openai"}'] == 1
    assert found['fimserve_cancels_total{cause="superseded",dialect="openai"}'] == 1


def test_a_client_makes_up_no_time_series_and_leaves_no_text() -> None:
    client = TestClient(make_app(FakeEngine()), "http://localhost")
    for number in range(20):
        client.request(f"MADEUP{number}", "/v1/completions")
        client.get(f"/hunter2-{number}")
        client.get(f"/v1/models/hunter2-{number}")
        client.post("/v1/completions", json=COMPLETION | {"model": f"hunter2-{number}"})
    text = client.get("/metrics").text
    assert "hunter2" not in text
    assert "MADEUP" not in text
    assert len(re.findall("^fimserve_requests_total", text, re.MULTILINE)) <= 5


def test_help_and_type_stand_before_every_metric() -> None:
    client = TestClient(make_app(FakeEngine()), "http://localhost")
    client.post("/v1/completions", json=COMPLETION)
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    assert len(families) >= 20
    assert all(family.documentation and family.type != "unknown" for family in families)
    assert all(family.name.startswith("fimserve_") for family in families)
