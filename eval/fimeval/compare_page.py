"""A page for people: the differences of two runs as a table, and the rows behind them side by side.

One self-contained HTML file: no script, nothing loaded from elsewhere, light and dark.
"""

from html import escape

from fimeval.compare import ComparedRow, Comparison, Difference, list_discordant

MAX_CONTEXT_CHARS = 600
"""Of the prefix its end and of the suffix its beginning are shown."""

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#ccc, #444);
  --good: light-dark(#06752f, #5fd38a); --bad: light-dark(#a3161a, #ff8f8f);
  --hole: light-dark(#fff3c4, #4a3d00); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: right; }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
pre { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  border: 1px solid var(--line); border-radius: 4px; padding: .5rem; margin: 0; }
mark { background: var(--hole); color: inherit; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
.won { color: var(--good); } .lost { color: var(--bad); }
article { margin: 2rem 0; }
h3 { overflow-wrap: anywhere; }
"""


def build_page(comparison: Comparison, max_rows: int) -> str:
    """Return the page.

    Args:
        comparison: Two runs.
        max_rows: Rows to show; those that differ most under the primary rule come first.

    Returns:
        A whole HTML document.
    """
    rule = comparison.task.rules[0]
    rows = list_discordant(comparison, rule.name)
    first, second = (run.settings.model for run in (comparison.first, comparison.second))
    title = f"{comparison.task.name} {comparison.task.subset}: {first} and {second}"
    shown = "\n".join(_describe_row(row, rule.name) for row in rows[:max_rows])
    rules = "".join(
        f"<dt>{escape(one.name)}</dt><dd>{escape(one.description)}</dd>"
        for one in comparison.task.rules
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<p>First: {_describe_run(comparison.first.path.parent.name)}.
Second: {_describe_run(comparison.second.path.parent.name)}.
Differences are second minus first, in points; intervals resample whole clusters, and only the first
line was decided on beforehand.</p>
{_build_table(comparison.differences)}
<h2>Rules</h2><dl>{rules}</dl>
<h2>Rows that differ under {escape(rule.name)}: {len(rows)}, {min(len(rows), max_rows)} shown</h2>
{shown}
</body></html>
"""


def _describe_run(name: str) -> str:
    return f"<code>{escape(name)}</code>"


def _build_table(differences: tuple[Difference, ...]) -> str:
    names = ("rule", "slice", "language", "first %", "second %", "difference", "95 % interval", "p")
    head = "".join(f"<th>{name}</th>" for name in (*names, "rows", "won", "lost"))
    body = "\n".join(_build_table_row(difference) for difference in differences)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _build_table_row(difference: Difference) -> str:
    low, high = difference.ci_low, difference.ci_high
    cells = (
        escape(difference.rule),
        escape(difference.slice),
        escape(difference.language),
        f"{100 * difference.first:.2f}",
        f"{100 * difference.second:.2f}",
        f"{100 * difference.difference:+.2f}",
        "-" if low is None or high is None else f"{100 * low:+.2f} to {100 * high:+.2f}",
        "-" if difference.p_value is None else f"{difference.p_value:.4f}",
        str(difference.num_rows),
        str(difference.num_won),
        str(difference.num_lost),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _describe_row(row: ComparedRow, rule: str) -> str:
    has_won = row.second_scores[rule] > row.first_scores[rule]
    verdict = '<span class="won">won</span>' if has_won else '<span class="lost">lost</span>'
    record = row.record
    before, after = record.prefix[-MAX_CONTEXT_CHARS:], record.suffix[:MAX_CONTEXT_CHARS]
    sides = "".join(
        f"<div><h4>{name}, {rule} {100 * scores[rule]:.0f} %</h4><pre>{escape(text)}</pre></div>"
        for name, text, scores in (
            ("First", row.first_text, row.first_scores),
            ("Second", row.second_text, row.second_scores),
        )
    )
    return f"""<article><h3>{verdict} {escape(" ".join(record.key))}</h3>
<pre>{escape(before)}<mark>{escape(record.reference)}</mark>{escape(after)}</pre>
<div class="pair">{sides}</div></article>"""
