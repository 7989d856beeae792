"""What may run beside what: room in a layer, and layers that do not touch each other.

Within a layer no user is in two experiments. Users of different layers overlap by chance, so two
experiments that would change the same thing must share a layer.
"""

from collections.abc import Collection, Sequence

from fimserve.telemetry.errors import ExperimentError
from fimserve.telemetry.experiments.bucket import NUM_BUCKETS
from fimserve.telemetry.experiments.experiment import BucketRange, Experiment
from fimserve.telemetry.experiments.naming import JOINT
from fimserve.telemetry.experiments.plan import Plan, count_buckets

__all__ = ["find_room"]

MAX_JOINT_CHARS = 64
"""Longest name in an event."""


def find_room(plan: Plan, running: Collection[Experiment]) -> list[BucketRange]:
    """Return buckets for an experiment that is about to start.

    Args:
        plan: Its plan.
        running: What runs already.

    Returns:
        As many buckets of its layer as its share asks for, the lowest that are free.

    Raises:
        ExperimentError: If the layer has too few, or another layer changes the same.
    """
    _check_other_layers(plan, running)
    mates = [one for one in running if one.plan.layer == plan.layer]
    wanted = count_buckets(plan.share)
    free = _find_free([taken for mate in mates for taken in mate.buckets])
    num_free = sum(end - start for start, end in free)
    if wanted > num_free:
        holders = ", ".join(f"{mate.name} {mate.plan.share:g}" for mate in mates)
        raise ExperimentError(
            f"{plan.name} wants {plan.share:g} of layer {plan.layer}, where "
            f"{num_free / NUM_BUCKETS:g} is free ({holders}); stop one, or ask for less"
        )
    room: list[BucketRange] = []
    for start, end in free:
        if wanted:
            end = min(end, start + wanted)
            room.append(BucketRange(start, end))
            wanted -= end - start
    return room


def _find_free(taken: Sequence[BucketRange]) -> list[BucketRange]:
    free, last = [], 0
    for start, end in sorted(taken):
        if start > last:
            free.append(BucketRange(last, start))
        last = max(last, end)
    return free + ([BucketRange(last, NUM_BUCKETS)] if last < NUM_BUCKETS else [])


def _check_other_layers(plan: Plan, running: Collection[Experiment]) -> None:
    others = [one.plan for one in running if one.plan.layer != plan.layer]
    for other in others:
        if both := sorted(plan.changes & other.changes):
            raise ExperimentError(
                f"{plan.name} in layer {plan.layer} and {other.name} in layer {other.layer} both "
                f"change {', '.join(both)}; users would be in both at once: put them in one layer"
            )
    longest = _longest_names([plan, *others])
    if longest > MAX_JOINT_CHARS:
        raise ExperimentError(
            f"users who are in {plan.name} and in experiments of other layers at once would have "
            f"names of {longest} characters; events take {MAX_JOINT_CHARS}: choose shorter ones"
        )


def _longest_names(plans: Sequence[Plan]) -> int:
    """Return the length of the longest names that one event may have to carry."""
    experiments: dict[str, int] = {}
    arms: dict[str, int] = {}
    for plan in plans:
        experiments[plan.layer] = max(experiments.get(plan.layer, 0), len(plan.name))
        longest_arm = max(len(arm.name) for arm in plan.arms)
        arms[plan.layer] = max(arms.get(plan.layer, 0), longest_arm)
    joints = (len(experiments) - 1) * len(JOINT)
    return joints + max(sum(experiments.values()), sum(arms.values()))
