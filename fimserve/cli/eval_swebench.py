"""`fimserve eval build-swebench` and `test-swebench`: rows from instances, and answers by tests."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from fimeval.bootstrap import BootstrapSettings
from fimeval.data_file import write_data_file
from fimeval.swebench import Skipped, build_rows, read_instances
from fimeval.swebench_harness import HarnessSettings, check_harness
from fimeval.swebench_tests import run_tests
from fimserve.cli.evaluation import explain_failures
from fimserve.cli.failure import UsageFailure

__all__ = ["run_build", "run_swebench_tests"]


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


def run_swebench_tests(
    file: Path,
    instances: Path,
    data: Path | None,
    max_workers: int,
    timeout_s: int,
    seed: int,
    as_json: bool,
) -> None:
    """Judge the answers of a run by the tests of their instances.

    Args:
        file: Its generations file.
        instances: SWE-bench instances that the rows were built from.
        data: The rows; None takes them from where generation found them.
        max_workers: Instances at a time.
        timeout_s: Longest run of the tests of one.
        seed: Seed of the bootstrap.
        as_json: Whether stdout gets one JSON line.
    """
    with explain_failures():
        check_harness()
        settings = HarnessSettings(file.parent.resolve() / "swebench", max_workers, timeout_s)
        found = read_instances(instances)
        result = run_tests(file, data, found, settings, BootstrapSettings(seed=seed))
        verdicts = Counter(row.verdict for row in result.rows)
        line = {
            "task": "swebench-infill",
            "rule": "tests",
            **asdict(result.estimate),
            "verdicts": dict(sorted(verdicts.items())),
        }
        text = json.dumps({**line, "rows": [asdict(row) for row in result.rows]}, indent=2)
        file.with_name("tests.json").write_text(text + "\n", encoding="utf-8")
    console = Console(stderr=as_json)
    told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
    estimate = result.estimate
    interval = (
        ""
        if estimate.ci_low is None or estimate.ci_high is None
        else f" (95 % interval {100 * estimate.ci_low:.1f} to {100 * estimate.ci_high:.1f})"
    )
    console.print(
        f"tests pass for {100 * estimate.value:.2f} % of {estimate.num_rows} answers{interval}: "
        f"{told}",
        soft_wrap=True,
        highlight=False,
    )
    if as_json:
        print(json.dumps(line))
