"""Statistics of experiments: what a difference between arms is worth.

Knows numbers per user and nothing of events, databases or experiments' names. The unit is the
user throughout: events of one person are not independent. Fixed-horizon tests, CUPED and power are
tea-tasting's; the confidence sequence and the quantiles that respect users are our own.

Names are loaded when they are first used, because tea-tasting brings a data-frame library along.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fimserve.telemetry.statistics.comparison import Comparison, compare_ratios
    from fimserve.telemetry.statistics.errors import StatisticsError, TooFewUsers
    from fimserve.telemetry.statistics.moments import Moments
    from fimserve.telemetry.statistics.multiplicity import adjust_bh, adjust_holm
    from fimserve.telemetry.statistics.power import Plan, find_detectable_lift, plan_experiment
    from fimserve.telemetry.statistics.quantile import (
        QuantileDifference,
        QuantileEstimate,
        compare_quantiles,
        estimate_quantile,
    )
    from fimserve.telemetry.statistics.ratio import RatioEstimate, UserSums, estimate_ratio
    from fimserve.telemetry.statistics.sample_ratio import SampleRatio, check_sample_ratio
    from fimserve.telemetry.statistics.sequence import AnytimeInterval, follow_difference

__all__ = [
    "AnytimeInterval",
    "Comparison",
    "Moments",
    "Plan",
    "QuantileDifference",
    "QuantileEstimate",
    "RatioEstimate",
    "SampleRatio",
    "StatisticsError",
    "TooFewUsers",
    "UserSums",
    "adjust_bh",
    "adjust_holm",
    "check_sample_ratio",
    "compare_quantiles",
    "compare_ratios",
    "estimate_quantile",
    "estimate_ratio",
    "find_detectable_lift",
    "follow_difference",
    "plan_experiment",
]

_HOMES = {
    "comparison": ["Comparison", "compare_ratios"],
    "errors": ["StatisticsError", "TooFewUsers"],
    "moments": ["Moments"],
    "multiplicity": ["adjust_bh", "adjust_holm"],
    "power": ["Plan", "find_detectable_lift", "plan_experiment"],
    "quantile": [
        "QuantileDifference",
        "QuantileEstimate",
        "compare_quantiles",
        "estimate_quantile",
    ],
    "ratio": ["RatioEstimate", "UserSums", "estimate_ratio"],
    "sample_ratio": ["SampleRatio", "check_sample_ratio"],
    "sequence": ["AnytimeInterval", "follow_difference"],
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
