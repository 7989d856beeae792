"""Measure the served models over HTTP on one GPU: latency of one editor, goodput of two hundred.

    python kernels/bench/run_http.py --work /tmp/fimserve-bench --gpu-path graphs

Starts `fimserve serve` on a random checkpoint of each published shape (written first where absent)
and on the embedded model, and runs `fimserve bench latency` and `fimserve bench goodput` against
it: 1536 + 512 tokens, 32 new ones, cold and keystroke; 10 % cold under load, E2E within 200 ms. The
JSON lines are appended to --output. --only takes the rows whose name begins so; a row that fails
does not stop the others.
"""

import argparse
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_shapes import SHAPES, write_random_checkpoint

RESULTS = Path(__file__).resolve().parent / "results"
PORT = 8765
START_S = 300.0


@contextmanager
def served(model: str, dtype: str, gpu_path: str, device: str, log: Path) -> Iterator[str]:
    """Serve a model until the context ends; yields the server's address. What it says is logged."""
    url = f"http://127.0.0.1:{PORT}"
    environment = os.environ | {"FIMSERVE_ENGINE_GPU_PATH": gpu_path}
    command = [
        sys.executable, "-m", "fimserve", "serve", "--model", model,
        "--port", str(PORT), "--device", device, "--dtype", dtype,
    ]  # fmt: skip
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            wait_until_ready(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a server answers.

    Args:
        url: Its address.
        process: The server.

    Raises:
        RuntimeError: If it ends, or takes too long.
    """
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise RuntimeError(f"the server was not ready after {START_S:.0f} s")


def bench(url: str, output: Path, *arguments: str) -> None:
    """Run one benchmark command; its failure is raised."""
    command = [sys.executable, "-m", "fimserve", "bench", *arguments]
    subprocess.run([*command, "--url", url, "--output", str(output)], check=True)


@dataclass(frozen=True, slots=True)
class Row:
    """Holds one model as it is served."""

    model: str
    """Name of a shape, or the embedded model."""
    dtype: str
    first_rate: float
    """Requests per second that the search for goodput begins with; 0 = no search."""

    @property
    def name(self) -> str:
        """Name by which --only takes it."""
        return f"{self.model}-{self.dtype}"


ROWS = (
    Row("deepseek-coder-1.3b", "bf16", 40.0),
    Row("deepseek-coder-1.3b", "int8", 0.0),
    Row("starcoder2-3b", "bf16", 20.0),
    Row("embedded", "bf16", 0.0),
)
PROMPTS = ("--tokens", "2048", "--suffix-share", "0.25", "--max-tokens", "32")


def find_model(row: Row, arguments: argparse.Namespace) -> str:
    """Return where a row's model is, written first where it is absent."""
    shape = SHAPES.get(row.model)
    if shape is None:
        return row.model
    directory: Path = arguments.work / row.model
    if not (directory / "model.safetensors").exists():
        write_random_checkpoint(shape, directory, arguments.device)
    return str(directory)


def measure(url: str, row: Row, arguments: argparse.Namespace) -> None:
    """Run a row's benchmarks."""
    for order, scenarios in (("spm", "cold,keystroke"), ("middle-increment", "keystroke")):
        bench(
            url, arguments.output, "latency", *PROMPTS, "--scenarios", scenarios,
            "--n", str(arguments.n), "--order", order,
        )  # fmt: skip
    if row.first_rate and not arguments.without_goodput:
        bench(
            url, arguments.output, "goodput", *PROMPTS, "--e2e-ms", "200", "--cold-share", "0.1",
            "--seconds", str(arguments.seconds), "--order", "spm",
            "--first-rate", str(row.first_rate), "--precision", "1.2",
        )  # fmt: skip


def main() -> None:
    """Parse the command line, serve and measure each row, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/tmp/fimserve-bench"))
    parser.add_argument("--gpu-path", choices=("eager", "graphs"), default="graphs")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=15.0, help="of one trial of goodput")
    parser.add_argument("--only", default="", help="such as deepseek-coder-1.3b-int8")
    parser.add_argument("--output", type=Path, default=RESULTS / "http.jsonl")
    parser.add_argument("--without-goodput", action="store_true")
    arguments = parser.parse_args()
    failed: list[str] = []
    for row in ROWS:
        if not row.name.startswith(arguments.only):
            continue
        print(f"--- {row.name}, {arguments.gpu_path}", flush=True)
        try:
            model = find_model(row, arguments)
            log = arguments.work / f"{row.name}.log"
            with served(model, row.dtype, arguments.gpu_path, arguments.device, log) as url:
                measure(url, row, arguments)
        except (subprocess.CalledProcessError, RuntimeError) as error:
            failed.append(f"{row.name}: {error}")
    for said in failed:
        print(f"failed: {said}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
