"""Which files are done, by the hash of their content: a SQLite file that one process writes.

A piece of work is entered in one transaction once its rows are on disk, so a run that is killed
loses at most the pieces that were being worked on. Rows of a file that has changed or gone stay on
disk, and are no longer named here.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fimcurriculum.mining.piece import FileCounts, PieceResult
from fimcurriculum.mining.repository import Repository, SourceFile

__all__ = ["Ledger", "LedgerTotals"]

_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    repository TEXT, path TEXT, blob TEXT, digest TEXT, language TEXT, target TEXT,
    dropped TEXT, num_spans INTEGER, found TEXT, refused TEXT, parse_errors INTEGER,
    scrubbed INTEGER, PRIMARY KEY (repository, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repositories (
    name TEXT PRIMARY KEY, commit_id TEXT, licence TEXT, left_out TEXT, refused TEXT, written TEXT
);
"""


@dataclass(slots=True)
class LedgerTotals:
    """Counts over all files of the repositories in the ledger."""

    files: Counter[str]
    """Language -> files seen."""
    dropped: Counter[str]
    """`<language>/<reason>` -> files left out."""
    found: Counter[str]
    """Kind -> places found."""
    refused: Counter[str]
    """`<kind>/<reason>` -> places not taken."""
    num_spans: int = 0
    num_with_parse_errors: int = 0
    num_scrubbed: int = 0


class Ledger:
    """The ledger of one output directory.

    Args:
        path: Its file; made where absent.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def find_changed(self, repository: Repository, digest: str) -> list[SourceFile]:
        """Forget files that are gone and return those that are new or were mined otherwise.

        Args:
            repository: The repository as it is now.
            digest: Names how files are to be mined.

        Returns:
            The files to mine, in the repository's order.
        """
        known = {
            path: (blob, mined)
            for path, blob, mined in self._database.execute(
                "SELECT path, blob, digest FROM files WHERE repository = ?", (repository.name,)
            )
        }
        gone = known.keys() - {file.path for file in repository.files}
        with self._transaction():
            self._database.executemany(
                "DELETE FROM files WHERE repository = ? AND path = ?",
                [(repository.name, path) for path in gone],
            )
        return [f for f in repository.files if known.get(f.path) != (f.blob, digest)]

    def enter(self, result: PieceResult, digest: str) -> None:
        """Note that a piece is done and its rows are on disk."""
        with self._transaction():
            self._database.executemany(
                f"INSERT OR REPLACE INTO files VALUES ({', '.join('?' * 12)})",
                [_to_row(result, file, digest) for file in result.files],
            )

    def enter_repository(self, repository: Repository, refused: str | None) -> None:
        """Note a repository's commit and licence, and why it is left out, if it is."""
        with self._transaction():
            self._database.execute(
                "INSERT INTO repositories VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT (name) DO UPDATE"
                " SET commit_id = excluded.commit_id, licence = excluded.licence,"
                " left_out = excluded.left_out, refused = excluded.refused",
                (
                    repository.name,
                    repository.commit,
                    repository.licence,
                    json.dumps(repository.left_out),
                    refused,
                ),
            )

    def live_targets(self, repository: str) -> dict[str, set[tuple[str, str]]]:
        """Return where a repository's rows are: piece -> the (path, blob) of it that count."""
        targets: dict[str, set[tuple[str, str]]] = {}
        for target, path, blob in self._database.execute(
            "SELECT target, path, blob FROM files WHERE repository = ? AND dropped IS NULL"
            " ORDER BY path",
            (repository,),
        ):
            targets.setdefault(target, set()).add((path, blob))
        return targets

    def dropped_paths(self, repository: str) -> frozenset[str]:
        """Return the files of a repository that were left out, for whatever reason."""
        rows = self._database.execute(
            "SELECT path FROM files WHERE repository = ? AND dropped IS NOT NULL", (repository,)
        )
        return frozenset(path for (path,) in rows)

    def written(self, repository: str) -> str | None:
        """Return what names the examples that were last written of a repository."""
        row = self._database.execute(
            "SELECT written FROM repositories WHERE name = ?", (repository,)
        ).fetchone()
        return row[0] if row else None

    def enter_written(self, repository: str, digest: str) -> None:
        """Note what names the examples just written of a repository."""
        self._database.execute(
            "UPDATE repositories SET written = ? WHERE name = ?", (digest, repository)
        )

    def repositories(self) -> Iterator[tuple[str, str, str, dict[str, int], str | None]]:
        """Yield name, commit, licence, entries left out, and why it was refused, by name."""
        for name, commit, licence, left_out, refused in self._database.execute(
            "SELECT name, commit_id, licence, left_out, refused FROM repositories ORDER BY name"
        ):
            yield name, commit, licence, json.loads(left_out), refused

    def totals(self, repositories: Sequence[str]) -> LedgerTotals:
        """Add up what became of the files of some repositories."""
        totals = LedgerTotals(Counter(), Counter(), Counter(), Counter())
        for name in repositories:
            for (
                language,
                dropped,
                spans,
                found,
                refused,
                errors,
                scrubbed,
            ) in self._database.execute(
                "SELECT language, dropped, num_spans, found, refused, parse_errors, scrubbed"
                " FROM files WHERE repository = ?",
                (name,),
            ):
                totals.files[language] += 1
                if dropped:
                    totals.dropped[f"{language}/{dropped}"] += 1
                totals.found.update(json.loads(found))
                totals.refused.update(json.loads(refused))
                totals.num_spans += spans
                totals.num_with_parse_errors += errors
                totals.num_scrubbed += scrubbed
        return totals

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._database)


class _Transaction:
    """Begins, and commits or takes back, one transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


def _to_row(result: PieceResult, file: FileCounts, digest: str) -> tuple[object, ...]:
    return (
        result.repository,
        file.path,
        file.blob,
        digest,
        file.language,
        result.target,
        file.dropped,
        file.num_spans,
        json.dumps(file.found),
        json.dumps(file.refused),
        int(file.has_parse_errors),
        file.scrubbed,
    )
