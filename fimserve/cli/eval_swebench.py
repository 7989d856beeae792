"""`fimserve eval build-swebench`: infilling rows from SWE-bench instances and clones."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from fimeval.data_file import write_data_file
from fimeval.swebench import Skipped, build_rows, read_instances
from fimserve.cli.evaluation import explain_failures
from fimserve.cli.failure import UsageFailure

__all__ = ["run_build"]


def run_build(instances: Path, clones: Path, output: Path, split: str) -> None:
    """Build the rows, write them, and say what gave none.

    Args:
        instances: SWE-bench instances.
        clones: Directory of git clones.
        output: File to write.
        split: Name of the SWE-bench set.

    Raises:
        UsageFailure: If there is no such directory, or the file has another ending.
    """
    if not clones.is_dir():
        raise UsageFailure(f"--clones {clones} is no directory")
    if not output.name.endswith((".jsonl", ".jsonl.gz")):
        raise UsageFailure(f"--output {output} ends in neither .jsonl nor .jsonl.gz")
    console = Console(stderr=True)
    skipped: list[Skipped] = []
    with explain_failures():
        found = read_instances(instances)
        rows = (
            asdict(row)
            for one in track(found, "instances", console=console)
            for row in build_rows([one], clones, split, skipped.append)
        )
        count = write_data_file(output, rows)
    for reason, number in Counter(one.reason for one in skipped).most_common():
        console.print(f"no row: {number} x {reason}")
    print(f"{count} rows of {len(found)} instances: {output}")
