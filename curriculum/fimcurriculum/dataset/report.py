"""Counts of the last run, for the card and for `fimserve mine stats`."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fimcurriculum.errors import DataSetError
from fimcurriculum.mining.ledger import Ledger
from fimcurriculum.mining.repository import Repository
from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.schema import SCHEMA_VERSION

__all__ = ["read_report", "write_report"]

FILE_NAME = "report.json"


def write_report(
    out: Path,
    recipe: MiningRecipe,
    ledger: Ledger,
    repositories: Sequence[Repository],
    dropped_spans: Counter[str],
    is_decontaminated: bool,
) -> None:
    """Write what became of all files and places.

    Args:
        out: Directory of the data set.
        recipe: How it was made.
        ledger: Counts per file.
        repositories: All repositories asked for.
        dropped_spans: `<kind>/<reason>` -> spans that were staged and not chosen.
        is_decontaminated: Whether evaluation data was kept out.
    """
    asked = {repository.name for repository in repositories}
    entries = [entry for entry in ledger.repositories() if entry[0] in asked]
    totals = ledger.totals([name for name, _, _, _, refused in entries if refused is None])
    left_out: Counter[str] = Counter()
    for _, _, _, reasons, _ in entries:
        left_out.update(reasons)
    report = {
        "schema_version": SCHEMA_VERSION,
        "recipe": asdict(recipe),
        "is_decontaminated": is_decontaminated,
        "repositories": [
            {"name": name, "commit": commit, "licence": licence, "refused": refused}
            for name, commit, licence, _, refused in entries
        ],
        "entries_left_out": dict(left_out),
        "files": dict(totals.files),
        "files_dropped": dict(totals.dropped),
        "files_with_parse_errors": totals.num_with_parse_errors,
        "secrets_replaced": totals.num_scrubbed,
        "places_found": dict(totals.found),
        "places_refused": dict(totals.refused),
        "spans_staged": totals.num_spans,
        "spans_dropped": dict(dropped_spans),
    }
    partial = out / f"{FILE_NAME}.partial"
    partial.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(partial, out / FILE_NAME)


def read_report(out: Path) -> dict[str, Any]:
    """Return the report of a data set.

    Args:
        out: Its directory.

    Returns:
        What `write_report` wrote.

    Raises:
        DataSetError: If there is none.
    """
    try:
        report: dict[str, Any] = json.loads((out / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataSetError(
            f"{out} holds no mined data set ({error}); `fimserve mine REPO --out {out}` makes one"
        ) from error
    return report
