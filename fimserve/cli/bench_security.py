"""`fimserve bench hostile` and `fimserve bench tenants`: from options to tables and JSON lines.

Both start a service with keys of their own; nobody's real key is needed.
"""

import asyncio
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from fimeval.bench.attacks import ATTACKS, TLS_ATTACKS, Attack, find_victim
from fimeval.bench.certificate import make_certificate
from fimeval.bench.health_watch import find_listener
from fimeval.bench.hostile import HostileSettings, Siege, besiege
from fimeval.bench.hostile_report import build_hostile_line, build_hostile_table
from fimeval.bench.tenant_report import build_tenant_line, build_tenant_table
from fimeval.bench.tenant_timing import TimingSettings, measure_timing
from fimeval.gpu import find_gpu
from fimeval.own_server import run_own_server
from fimeval.provenance import describe_provenance
from fimserve.cli.benching import explain_failures, publish, show_progress
from fimserve.server.api_key import mint_key
from fimserve.server.key_file import KeyFile

__all__ = ["run_hostile_bench", "run_tenant_bench"]


ONE_KEY_S_SHARE = {
    "FIMSERVE_SERVER_KEY_REQUESTS_PER_S": "6",
    "FIMSERVE_SERVER_KEY_BURST": "6",
    "FIMSERVE_SERVER_KEY_CONCURRENCY": "3",
    "FIMSERVE_ENGINE_KV_MEMORY_MIB": "64",
}
"""What an operator of two cores lets one key have: less than the whole machine. Keys and values get
little memory, so that a rehearsal has used all of it."""


def run_hostile_bench(settings: HostileSettings, model: str, output: Path | None) -> None:
    """Attack a service, print the table and the line.

    Attackers and bystander have a key each, as on any network.

    Args:
        settings: How long and how hard.
        model: Model to serve.
        output: File that gets the line; None keeps none.
    """
    progress = Console(stderr=True)

    def show(siege: Siege) -> None:
        progress.print(f"{siege.name}: {siege.slowdown:.2f} times the usual p95")

    with explain_failures(), tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "keys.json"
        bystander, attacker = (_add_key(path, name, name) for name in ("bystander", "attacker"))
        limits = {"FIMSERVE_SERVER_KEYS": str(path), **ONE_KEY_S_SHARE}

        def attack(
            attacks: Mapping[str, tuple[Attack, int]], tls: ssl.SSLContext | None = None
        ) -> tuple[Siege, ...]:
            with run_own_server(model, limits) as url:
                victim, pid = find_victim(url, attacker), find_listener(url)
                return asyncio.run(
                    besiege(url, victim, settings, pid, bystander, show, attacks, tls)
                )

        sieges = attack(ATTACKS)
        certificate = make_certificate(Path(directory))
        limits["FIMSERVE_SERVER_TLS_CERT"] = str(certificate.path)
        limits["FIMSERVE_SERVER_TLS_KEY"] = str(certificate.key_path)
        sieges += attack(TLS_ATTACKS, ssl.create_default_context(cafile=certificate.path))
    line = build_hostile_line(ONE_KEY_S_SHARE, sieges, settings, describe_provenance(), find_gpu())
    publish(build_hostile_table(sieges, settings), line, output)


def run_tenant_bench(settings: TimingSettings, model: str, output: Path | None) -> None:
    """Let tenants guess at each other's prompts, print the table and the line.

    Args:
        settings: How often.
        model: Model to serve.
        output: File that gets the line; None keeps none.
    """
    with (
        explain_failures(),
        tempfile.TemporaryDirectory() as directory,
        show_progress("guesses") as advance,
    ):
        path = Path(directory) / "keys.json"
        victim, friend, stranger = (
            _add_key(path, name, tenant)
            for name, tenant in (("victim", "a"), ("friend", "a"), ("stranger", "b"))
        )
        limits = {"FIMSERVE_SERVER_KEYS": str(path), "FIMSERVE_SERVER_KEY_REQUESTS_PER_S": "0"}
        with run_own_server(model, limits) as url:
            results = measure_timing(url, victim, stranger, friend, settings, advance)
    line = build_tenant_line(results, settings, describe_provenance(), find_gpu())
    publish(build_tenant_table(results), line, output)


def _add_key(path: Path, name: str, tenant: str) -> str:
    minted = mint_key(name, tenant, frozenset({"complete"}))
    KeyFile(path).change(lambda known: (*known, minted.key))
    return minted.text
