"""Take every table of operations and steps on one card, in one go; about 8 minutes on an H100.

    python kernels/bench/run_all.py --work /tmp/fimserve-bench

Writes random checkpoints of the published shapes into --work, tunes and times the operations, then
whole steps in bf16 and int8. JSON lines are appended to kernels/bench/results. A part that fails
does not stop the others; what failed is said at the end and by the exit code.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from model_shapes import SHAPES, write_random_checkpoint

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def main() -> None:
    """Parse the command line, run the parts, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/tmp/fimserve-bench"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--without-tuning", action="store_true")
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    models = {
        name: write_random_checkpoint(shape, arguments.work / name, arguments.device)
        for name, shape in SHAPES.items()
    }
    ops, steps = str(HERE / "bench_ops.py"), str(HERE / "bench_recorded_steps.py")
    tune = [] if arguments.without_tuning else ["--tune"]
    parts = [[ops, "--model", name, *tune, "--output", str(RESULTS / "ops.jsonl")]
             for name in SHAPES]  # fmt: skip
    parts += [
        [steps, "--model", str(model), "--device", arguments.device, "--dtype", dtype,
         "--output", str(RESULTS / "steps.jsonl")]
        for model in (*models.values(), "embedded")
        for dtype in ("bf16", "int8")
    ]  # fmt: skip
    failed: list[str] = []
    for part in parts:
        started_s = time.perf_counter()
        code = subprocess.run([sys.executable, *part]).returncode
        said = (
            f"{' '.join(Path(word).name for word in part)}: {time.perf_counter() - started_s:.0f} s"
        )
        print(said, flush=True)
        if code:
            failed.append(said)
    for said in failed:
        print(f"failed: {said}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
