"""Answers to SWE-bench infilling, judged by the tests of their instances.

An answer passes where the upstream fix, with the hole filled by it, passes FAIL_TO_PASS and
PASS_TO_PASS. The harness takes one patch per instance and run, so rows of one instance go into
rounds. An answer that equals the reference is the fix itself and passes without being run.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fimeval.bootstrap import BootstrapSettings, ClusterEstimate, estimate_mean
from fimeval.data_file import load_data_file
from fimeval.errors import EvalError
from fimeval.generations import Generations, load_generations
from fimeval.run import find_task
from fimeval.score import check_generations
from fimeval.swebench_harness import HarnessSettings, run_harness
from fimeval.swebench_patch import make_patch
from fimeval.task import Task

TASK = "swebench-infill"

Verdict = Literal["reference", "passed", "failed", "no-report", "empty-patch"]
"""no-report: the image could not be built, the patch not applied, or the tests took too long."""

PASSES = frozenset({"reference", "passed"})

Harness = Callable[
    [Sequence[Mapping[str, Any]], Mapping[str, str], str, HarnessSettings], dict[str, bool | None]
]


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """One answer and what its tests said."""

    task_id: str
    cluster: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run judged by tests."""

    rows: tuple[JudgedRow, ...]
    estimate: ClusterEstimate
    """Share of rows that pass; those without a report do not."""


@dataclass(frozen=True, slots=True)
class _Job:
    task_id: str
    instance_id: str
    patch: str


def run_tests(
    path: Path,
    data_path: Path | None,
    instances: Sequence[Mapping[str, Any]],
    settings: HarnessSettings,
    bootstrap: BootstrapSettings,
    harness: Harness = run_harness,
) -> JudgedRun:
    """Judge the answers of a finished run.

    Args:
        path: Its generations file.
        data_path: The rows; None takes them from where generation found them.
        instances: The SWE-bench instances that the rows were built from.
        settings: How the harness is run.
        bootstrap: How the interval is drawn.
        harness: Runs the tests.

    Returns:
        Verdicts and the share that passes.

    Raises:
        EvalError: If the run is of another task, or an instance is missing.
    """
    generations = load_generations(path)
    if generations.settings.task != TASK:
        raise EvalError(f"{path} answers {generations.settings.task}, not {TASK}")
    task = find_task(generations, data_path)
    check_generations(task, generations)
    verdicts: dict[str, Verdict] = {}
    jobs = []
    for job in _make_jobs(task, generations, {one["instance_id"]: one for one in instances}):
        if isinstance(job, _Job):
            jobs.append(job)
        else:
            verdicts[job[0]] = job[1]
    for run_id, batch in _make_rounds(jobs):
        patches = {job.instance_id: job.patch for job in batch}
        reports = harness(instances, patches, run_id, settings)
        for job in batch:
            verdicts[job.task_id] = _judge(reports.get(job.instance_id))
    rows = tuple(
        JudgedRow(record.key.task_id, record.cluster, verdicts[record.key.task_id])
        for record in task.records
    )
    return JudgedRun(rows, _estimate(rows, bootstrap))


def _make_jobs(
    task: Task, generations: Generations, instances: Mapping[str, Mapping[str, Any]]
) -> Iterator[_Job | tuple[str, Verdict]]:
    paths = {
        row.fields["task_id"]: row.fields["file_path"]
        for row in load_data_file(task.data_path, ("task_id", "file_path")).rows
    }
    for record in task.records:
        name = record.key.task_id
        answer = generations.rows[record.key].text
        if answer == record.reference:
            yield name, "reference"
            continue
        instance_id = name.partition(":")[0]
        if instance_id not in instances:
            raise EvalError(
                f"the file of instances lacks {instance_id}; give the one the rows were built from"
            )
        fixed, filled = (record.prefix + m + record.suffix for m in (record.reference, answer))
        patch = make_patch(instances[instance_id]["patch"], paths[name], fixed, filled)
        if patch:
            yield _Job(name, instance_id, patch)
        else:
            yield name, "empty-patch"


def _make_rounds(jobs: Sequence[_Job]) -> Iterator[tuple[str, list[_Job]]]:
    """Yield runs of the harness: every instance at most once in each.

    Their names tell the patches, so that the same answers find their reports again and others
    never do.
    """
    by_instance: dict[str, list[_Job]] = defaultdict(list)
    for job in jobs:
        by_instance[job.instance_id].append(job)
    for number in range(max(map(len, by_instance.values()), default=0)):
        batch = [group[number] for group in by_instance.values() if number < len(group)]
        digest = hashlib.sha256("\0".join(job.task_id + job.patch for job in batch).encode())
        yield f"round-{number}-{digest.hexdigest()[:10]}", batch


def _judge(resolved: bool | None) -> Verdict:
    if resolved is None:
        return "no-report"
    return "passed" if resolved else "failed"


def _estimate(rows: Sequence[JudgedRow], settings: BootstrapSettings) -> ClusterEstimate:
    _, index = np.unique([row.cluster for row in rows], return_inverse=True)
    passed = np.array([float(row.verdict in PASSES) for row in rows])
    sums = np.bincount(index, weights=passed).astype(np.float64)
    return estimate_mean(sums, np.bincount(index).astype(np.float64), settings)
