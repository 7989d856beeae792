"""The report as one HTML file that needs nothing else: no script, no font, no network."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from fimserve.telemetry.report.model import Interval, MetricRow, Report

__all__ = ["render_page"]

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 92rem; margin: 0 auto; padding: 0 1rem 2rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 1.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-top: 1px solid #8886; white-space: nowrap;
  vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
li { margin: .4rem 0; } ul { list-style: none; padding: 0; }
li b { display: inline-block; min-width: 5rem; }
.stop { color: light-dark(#a40000, #ff9a9a); font-weight: 600; }
.warning b { color: light-dark(#8a5a00, #ffcf70); }
.finding b { color: light-dark(#0550ae, #79b8ff); }
"""


def render_page(report: Report) -> str:
    """Return the report as a page.

    Args:
        report: The report.

    Returns:
        HTML, complete.
    """
    title = f"Experiment {report.experiment}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)} · fimserve</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{_day(report.since_ms)} to {_day(report.until_ms)}, "
        f"{'running' if report.is_running else 'ended'}; control: {escape(report.control)}</p>",
        "<h2>What may be concluded</h2>",
        _render_statements(report),
        "<h2>Arms</h2>",
        _table(
            ("arm", "planned", "users", "triggered", "saw any", "counted", "accepted", "errors"),
            (
                (
                    arm.name, f"{arm.share:.1%}", arm.num_users, arm.num_triggered, arm.num_seen,
                    arm.counted, arm.accepted, arm.errors,
                )
                for arm in report.arms
            ),
        ),
        "<h2>Metrics</h2>",
        _table(
            (
                "metric", "arm", "control", "treatment", "difference", "95 %, at the planned end",
                "95 %, at any time", "lift", "p, corrected", "if all were observed",
            ),
            (_metric_cells(row) for row in report.metrics),
        ),
        "<h2>Latency until a suggestion is seen, ms</h2>",
        _table(
            ("quantile", "arm", "ms", "95 %", "difference", "95 %"),
            (
                (
                    f"p{100 * row.level:g}", row.arm, f"{row.ms:.0f}", _bounds(row.interval, ".0f"),
                    "" if row.difference is None else f"{row.difference:+.0f}",
                    _bounds(row.difference_interval, "+.0f"),
                )
                for row in report.latencies
            ),
        ),
    ]  # fmt: skip
    for dimension, name in (("language", "language"), ("lines", "lines"), ("kind", "kind")):
        rows = [row for row in report.cells if row.dimension == dimension]
        parts += [
            f"<h2>By {name}</h2>",
            _table(
                (name, "metric", "arm", "value", "95 %", "of"),
                (
                    (
                        row.key, row.metric, row.arm, f"{row.value:.2%}",
                        _bounds(row.interval, ".2%"), row.denominator,
                    )
                    for row in rows
                ),
            ),
        ]  # fmt: skip
    return "\n".join([*parts, "</body></html>\n"])


def _render_statements(report: Report) -> str:
    items = (
        f'<li class="{one.level}"><b>{one.level}</b> {escape(one.text)}</li>'
        for one in report.statements
    )
    return f"<ul>{''.join(items)}</ul>"


def _metric_cells(row: MetricRow) -> tuple[object, ...]:
    pattern = ".2%" if row.is_share else ".4g"
    signed = f"+{pattern}"
    bounds = " / ".join(
        _bounds(one, ".1%") for one in (row.control_bounds, row.treatment_bounds) if one is not None
    )
    return (
        row.title,
        row.arm,
        format(row.control, pattern),
        format(row.treatment, pattern),
        format(row.difference, signed),
        _bounds(row.fixed, signed),
        _bounds(row.anytime, signed),
        "" if row.lift is None else f"{row.lift:+.1%}",
        f"{row.p_adjusted:.4f}",
        bounds,
    )


def _bounds(interval: Interval | None, pattern: str) -> str:
    if interval is None:
        return ""
    return f"{format(interval.lower, pattern)} to {format(interval.upper, pattern)}"


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _day(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
