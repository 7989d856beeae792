"""Measure the served models over HTTP on one GPU: latency of one editor, goodput of two hundred.

    python kernels/bench/run_http.py --work /tmp/fimserve-bench --gpu-path graphs

Starts `fimserve serve` on a random checkpoint of each published shape (written first where absent)
and on the embedded model, and runs `fimserve bench latency` and `fimserve bench goodput` against
it: 1536 + 512 tokens, 32 new ones, cold and keystroke; 10 % cold under load, E2E within 200 ms. The
lines go where those commands put them, eval/results. A row that fails does not stop the others.
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
from pathlib import Path

from model_shapes import SHAPES, write_random_checkpoint

PORT = 8765
START_S = 300.0


@contextmanager
def served(model: str, dtype: str, gpu_path: str, device: str) -> Iterator[str]:
    """Serve a model until the context ends; yields the server's address."""
    url = f"http://127.0.0.1:{PORT}"
    environment = os.environ | {
        "FIMSERVE_ENGINE_GPU_PATH": gpu_path,
    }
    command = [
        sys.executable, "-m", "fimserve", "serve", "--model", model,
        "--port", str(PORT), "--device", device, "--dtype", dtype,
    ]  # fmt: skip
    process = subprocess.Popen(command, env=environment)
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


def bench(url: str, *arguments: str) -> None:
    """Run one benchmark command; its failure is raised."""
    subprocess.run(
        [sys.executable, "-m", "fimserve", "bench", *arguments, "--url", url], check=True
    )


def main() -> None:
    """Parse the command line, serve and measure each row, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/tmp/fimserve-bench"))
    parser.add_argument("--gpu-path", choices=("eager", "graphs"), default="graphs")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=15.0, help="of one trial of goodput")
    parser.add_argument("--without-goodput", action="store_true")
    arguments = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    for name, shape in SHAPES.items():
        directory = arguments.work / name
        if not (directory / "model.safetensors").exists():
            write_random_checkpoint(shape, directory, arguments.device)
        rows.append((str(directory), "bf16", "spm"))
    rows.append((str(arguments.work / "deepseek-coder-1.3b"), "int8", "spm"))
    rows.append(("embedded", "bf16", "spm"))
    failed: list[str] = []
    for model, dtype, order in rows:
        print(f"--- {Path(model).name} {dtype}, {arguments.gpu_path}", flush=True)
        try:
            with served(model, dtype, arguments.gpu_path, arguments.device) as url:
                bench(
                    url, "latency", "--tokens", "2048", "--suffix-share", "0.25",
                    "--max-tokens", "32", "--scenarios", "cold,keystroke",
                    "--n", str(arguments.n), "--order", order,
                )  # fmt: skip
                if not arguments.without_goodput and dtype == "bf16":
                    bench(
                        url, "goodput", "--tokens", "2048", "--suffix-share", "0.25",
                        "--max-tokens", "32", "--e2e-ms", "200", "--cold-share", "0.1",
                        "--seconds", str(arguments.seconds), "--order", order,
                    )  # fmt: skip
        except (subprocess.CalledProcessError, RuntimeError) as error:
            failed.append(f"{Path(model).name} {dtype}: {error}")
    for said in failed:
        print(f"failed: {said}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
