"""`fimserve bench hostile` and `fimserve bench tenants`: from options to tables and JSON lines.

The second starts a service with keys of its own; nobody's real key is needed.
"""

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from fimeval.bench.attacks import find_victim
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


def run_hostile_bench(
    url: str | None, settings: HostileSettings, pid: int | None, output: Path | None
) -> None:
    """Attack a server, print the table and the line.

    Args:
        url: The server; None starts one with the embedded model.
        settings: How long and how hard.
        pid: The server's process; None finds it where it is on this machine.
        output: File that gets the line; None keeps none.
    """
    progress = Console(stderr=True)

    def show(siege: Siege) -> None:
        progress.print(f"{siege.name}: {siege.slowdown:.2f} times the usual p95")

    with explain_failures(), ExitStack() as stack:
        address = url or stack.enter_context(run_own_server("embedded"))
        pid = pid or find_listener(address)
        sieges = asyncio.run(besiege(address, find_victim(address), settings, pid, on_siege=show))
    line = build_hostile_line(url, sieges, settings, describe_provenance(), find_gpu())
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
            attackers = {"other tenant": stranger, "same tenant": friend}
            results = measure_timing(url, attackers, victim, settings, advance)
    line = build_tenant_line(results, settings, describe_provenance(), find_gpu())
    publish(build_tenant_table(results, settings), line, output)


def _add_key(path: Path, name: str, tenant: str) -> str:
    minted = mint_key(name, tenant, frozenset({"complete"}))
    KeyFile(path).change(lambda known: (*known, minted.key))
    return minted.text
