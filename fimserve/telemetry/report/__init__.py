"""The report of an experiment: numbers per arm, comparisons, and in words what may be concluded.

Made of a measurement and of plain facts about the experiment; reads nothing itself.
"""

from fimserve.telemetry.report.build import ExperimentFacts, build_report
from fimserve.telemetry.report.kinds import KindRank, rank_kinds
from fimserve.telemetry.report.model import (
    ArmSummary,
    CellRow,
    Checks,
    LatencyRow,
    MetricRow,
    Report,
    Statement,
)
from fimserve.telemetry.report.overview import build_overview
from fimserve.telemetry.report.page import render_page

__all__ = [
    "ArmSummary",
    "CellRow",
    "Checks",
    "ExperimentFacts",
    "KindRank",
    "LatencyRow",
    "MetricRow",
    "Report",
    "Statement",
    "build_overview",
    "build_report",
    "rank_kinds",
    "render_page",
]
