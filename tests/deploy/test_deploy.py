"""What deploy/ ships names only what exists: metrics, options, files."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from typer.main import get_command

from fimeval.bench.certificate import make_certificate
from fimserve.cli.serve import app as serve_app
from fimserve.cli.settings import TABLES
from fimserve.server.app import make_app
from fimserve.server.settings import ServerSettings
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
METRIC = re.compile(r"\bfimserve_[a-z0-9_]+\b")


def list_metrics() -> set[str]:
    """Return the name of every sample that a service can have."""
    client = TestClient(make_app(FakeEngine()), "http://localhost")
    client.post("/v1/completions", json={"prompt": "x"})
    client.post("/v1/completions", json={"prompt": 5})
    families = text_string_to_metric_families(client.get("/metrics").text)
    names = set()
    for family in families:
        names |= {sample.name for sample in family.samples}
        # What nothing has counted yet has no sample.
        suffix = {"counter": "_total", "histogram": "_bucket"}.get(family.type)
        names |= {f"{family.name}{suffix}"} if suffix else set()
    return names


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    return found


def test_dashboard_shows_metrics_that_exist_and_leaves_none_out(dashboard: dict[str, Any]) -> None:
    shown = set(METRIC.findall(json.dumps(dashboard)))
    known = list_metrics()
    assert len(shown) >= 15
    assert shown <= known
    # Buckets are what quantiles are made of; sums and counts come with them.
    mere_parts = {name for name in known if name.endswith(("_sum", "_count", "_created"))}
    assert known - mere_parts <= shown


def test_panels_do_not_overlap_and_each_asks_something(dashboard: dict[str, Any]) -> None:
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells
        taken |= cells
        assert all(
            target["expr"].count("(") == target["expr"].count(")") for target in panel["targets"]
        )
        assert panel["targets"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)) >= 12


def test_alerts_are_on_metrics_that_exist() -> None:
    named = set(METRIC.findall((DEPLOY / "prometheus.yml").read_text()))
    assert len(named) >= 3
    assert named <= list_metrics()


def test_unit_starts_the_service_with_options_that_exist() -> None:
    unit = (DEPLOY / "fimserve.service").read_text()
    found = re.search(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    assert found
    words = shlex.split(found[1])
    assert words[1] == "serve"
    options = {name for param in get_command(serve_app).params for name in param.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    unit = (DEPLOY / "fimserve.service").read_text()
    copy = tmp_path / "fimserve.service"
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit, flags=re.MULTILINE))
    checked = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    assert "fimserve.service" not in checked.stderr, checked.stderr


def test_container_copies_what_exists_and_sets_what_exists() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    sources = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert len(sources) >= 5
    for source in sources:
        assert (ROOT / source).exists(), source
    variables = re.findall(r"FIMSERVE_SERVER_([A-Z_]+)=", text)
    assert variables
    known = set(TABLES["server"].__dataclass_fields__)  # type: ignore[attr-defined]
    assert {name.lower() for name in variables} <= known


@pytest.mark.parametrize("is_tls", [False, True])
def test_the_container_s_health_check_sees_life_and_death_with_and_without_tls(
    is_tls: bool, tmp_path: Path
) -> None:
    if is_tls and shutil.which("openssl") is None:
        pytest.skip("needs openssl on the PATH")
    made = make_certificate(tmp_path) if is_tls else None
    settings = ServerSettings(
        tls_cert=made.path if made else None, tls_key=made.key_path if made else None
    )
    engine = FakeEngine()
    with serve_in_thread(engine, settings) as url:
        port = url.rpartition(":")[2]
        assert check_health(port) == 0
        engine.is_alive = False
        assert check_health(port) == 1
    assert check_health(port) == 1


def check_health(port: str) -> int:
    """Return how the check of the container ends."""
    environment = {"FIMSERVE_SERVER_PORT": port}
    return subprocess.run([sys.executable, DEPLOY / "healthcheck.py"], env=environment).returncode


def test_the_container_has_the_check_that_it_runs() -> None:
    containerfile = (DEPLOY / "Containerfile").read_text()
    assert "COPY deploy/healthcheck.py /opt/fimserve/healthcheck.py" in containerfile
    assert '["python", "/opt/fimserve/healthcheck.py"]' in containerfile
