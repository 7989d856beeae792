"""Print how long the files and functions of each room are, against the house's targets.

`make stats` runs it. Targets: files 100 / 220 lines (median / 90th percentile), functions 10 / 40.
"""

import ast
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "fimserve/cli",
    "fimserve/prompt",
    "fimserve/models",
    "fimserve/engine",
    "fimserve/server",
    "training/fimtraining",
    "eval/fimeval",
    "kernels/fimkernels",
    "tests",
)


def percentiles(values: list[int]) -> str:
    """Return "median / 90th percentile / maximum" of some lengths."""
    cut = statistics.quantiles(values, n=10)[-1] if len(values) > 1 else values[0]
    return f"{statistics.median(values):4.0f} /{cut:4.0f} /{max(values):4d}"


def main() -> None:
    """Print one line per room."""
    print(f"{'room':22} {'files':>5}  {'file lines':18}  function lines")
    for room in ROOMS:
        sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / room).rglob("*.py"))]
        files = [len(source.splitlines()) for source in sources]
        functions = [
            (node.end_lineno or node.lineno) - node.lineno + 1
            for source in sources
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        if functions:
            print(f"{room:22} {len(files):5}  {percentiles(files)}  {percentiles(functions)}")


if __name__ == "__main__":
    main()
