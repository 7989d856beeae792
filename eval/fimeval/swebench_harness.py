"""SWE-bench's own harness as a process: predictions in, one report per instance out.

The harness builds or fetches an image per instance and runs the instance's tests in it, by Docker.
It keeps its reports under `logs/` of the directory it runs in and passes over instances that have
one, so a run that was stopped goes on. Knows nothing of rows and holes.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fimeval.errors import EvalError

MODEL = "fimserve"
DOCKER_TIMEOUT_S = 30

STDERR = 2
"""The process's own, whatever Python makes of it."""


@dataclass(frozen=True, slots=True)
class HarnessSettings:
    """How the harness is run."""

    directory: Path
    """Where it keeps its files."""
    max_workers: int = 4
    timeout_s: int = 1800
    """Of the tests of one instance."""


def check_harness() -> None:
    """Refuse where the harness cannot run, and say what is missing.

    Raises:
        EvalError: If the package is not installed or no Docker answers.
    """
    if importlib.util.find_spec("swebench") is None:
        raise EvalError(
            "running the tests needs the swebench package, which is not installed here: "
            "pip install swebench. Without it answers can still be compared: fimserve eval score"
        )
    if shutil.which("docker") is None:
        raise EvalError(
            "running the tests needs Docker, and there is no docker command here; run this on a "
            "machine with Docker (generations.jsonl and the rows are all it needs)"
        )
    try:
        done = subprocess.run(
            ["docker", "info"], capture_output=True, check=False, timeout=DOCKER_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise EvalError(f"docker info gave no answer in {DOCKER_TIMEOUT_S} s") from None
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise EvalError(f"Docker does not answer ({reason}); start it, or give yourself access")


def run_harness(
    instances: Sequence[Mapping[str, Any]],
    patches: Mapping[str, str],
    run_id: str,
    settings: HarnessSettings,
) -> dict[str, bool | None]:
    """Run the tests of instances with a patch each.

    Args:
        instances: SWE-bench instances, with everything that the data set has of them.
        patches: Instance id -> patch.
        run_id: Names the run in the harness's files.
        settings: Directory, workers, time.

    Returns:
        Instance id -> whether its tests pass; None where the harness gave no report.

    Raises:
        EvalError: If the harness itself ends with an error.
    """
    directory = settings.directory
    directory.mkdir(parents=True, exist_ok=True)
    predictions, data = directory / f"{run_id}.jsonl", directory / f"{run_id}.instances.json"
    predictions.write_text(
        "".join(
            json.dumps({"instance_id": name, "model_name_or_path": MODEL, "model_patch": patch})
            + "\n"
            for name, patch in patches.items()
        ),
        encoding="utf-8",
    )
    wanted = [dict(one) for one in instances if one["instance_id"] in patches]
    data.write_text(json.dumps(wanted), encoding="utf-8")
    command = [
        sys.executable, "-m", "swebench.harness.run_evaluation",
        "--dataset_name", data.name, "--predictions_path", predictions.name,
        "--run_id", run_id, "--max_workers", str(settings.max_workers),
        "--timeout", str(settings.timeout_s),
    ]  # fmt: skip
    # Its progress goes where ours goes: stdout is for the result.
    done = subprocess.run(command, cwd=directory, stdout=STDERR, check=False)
    if done.returncode:
        raise EvalError(f"swebench's harness ended with code {done.returncode}; see above")
    reports = directory / "logs" / "run_evaluation" / run_id / MODEL
    return {name: _read_report(reports / name / "report.json", name) for name in patches}


def _read_report(path: Path, name: str) -> bool | None:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))[name]["resolved"])
    except (OSError, ValueError, LookupError):
        return None
