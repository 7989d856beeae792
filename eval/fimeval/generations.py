"""The generations file: JSON lines, the settings first, then one raw answer per row of the task.

Only ever appended to, a line at a time, so a killed run loses at most the row it was working on.
Rows are found by task id and language. A run with other settings is refused, never mixed in.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from fimeval.completer import FinishReason, Stopping
from fimeval.errors import GenerationsError, SettingsMismatch
from fimeval.provenance import Environment, Provenance
from fimeval.records import RowKey

FORMAT_VERSION = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything that decides the text of the answers; equal for all rows of a file."""

    task: str
    subset: str
    data_file: str
    data_sha256: str
    limit: int | None
    model: str
    weights_sha256: str | None
    url: str | None
    order: str | None
    """Order of the prompt; None where a server renders it and does not say."""
    max_tokens: int
    temperature: float
    device: str | None
    dtype: str | None
    stopping: Stopping
    """What ends an answer besides the token limit."""
    heal: bool | None = None
    """Whether the token that the cursor splits is healed; None where a server decides."""
    trim: bool | None = None
    """Whether served answers are trimmed; None where a server decides."""
    adapter: str | None = None
    """Name of the LoRA adapter over the model, where one was loaded for the run."""
    adapter_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """One raw answer, before any cutting."""

    task_id: str
    language: str
    prompt_sha256: str
    rendered_sha256: str | None
    text: str
    finish_reason: FinishReason
    latency_ms: float
    num_prompt_tokens: int | None
    num_completion_tokens: int | None

    @property
    def key(self) -> RowKey:
        """Identity of the row that was answered."""
        return RowKey(self.task_id, self.language)


@dataclass(frozen=True, slots=True)
class Session:
    """One start of the command that generates; a resumed file has several."""

    data_path: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Generations:
    """A generations file as read."""

    path: Path
    settings: RunSettings
    sessions: tuple[Session, ...]
    rows: Mapping[RowKey, Generation]


def open_generations(path: Path, settings: RunSettings) -> Generations:
    """Start a generations file, or find the one that lies there and may be continued.

    A last line without its line break, left by a killed run, is cut off. A file that was made
    under other settings is left alone and refused with SettingsMismatch.

    Args:
        path: The file; its directory is made where missing.
        settings: Settings of this run.

    Returns:
        What the file holds now.
    """
    _cut_torn_line(path)
    if path.exists() and path.stat().st_size:
        found = load_generations(path)
        _check_same_settings(path, found.settings, settings)
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    append_line(path, {"record": "settings", "format": FORMAT_VERSION, **asdict(settings)})
    return load_generations(path)


def append_session(path: Path, session: Session) -> None:
    """Write down one start of the command, ahead of the answers it adds."""
    append_line(path, {"record": "session", **asdict(session)})


def append_generation(path: Path, generation: Generation) -> None:
    """Write one answer behind the others."""
    append_line(path, {"record": "generation", **asdict(generation)})


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON line at the end of a file, in one write."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(value) + "\n")


def load_generations(path: Path) -> Generations:
    """Read a generations file.

    Args:
        path: The file.

    Returns:
        Its settings, sessions and rows.

    Raises:
        GenerationsError: If it is missing, not such a file, or answers a row twice.
    """
    lines = list(_read_lines(path))
    if not lines or lines[0][1].pop("record", None) != "settings":
        raise GenerationsError(f"{path} does not begin with settings; is it a generations file?")
    if (version := lines[0][1].pop("format", None)) != FORMAT_VERSION:
        raise GenerationsError(
            f"{path} has format {version}, this version reads {FORMAT_VERSION}; generate again"
        )
    settings = _build(RunSettings, path, *lines[0])
    sessions: list[Session] = []
    rows: dict[RowKey, Generation] = {}
    for number, value in lines[1:]:
        kind = value.pop("record", None)
        if kind == "session":
            sessions.append(_build_session(path, number, value))
        elif kind == "generation":
            row = _build(Generation, path, number, value)
            if row.key in rows:
                name = " ".join(row.key)
                raise GenerationsError(
                    f"{path}, line {number}: {name} is answered a second time; "
                    "two runs wrote this file at once, so generate again"
                )
            rows[row.key] = row
        else:
            raise GenerationsError(f"{path}, line {number}: record {kind!r} is unknown")
    return Generations(path, settings, tuple(sessions), MappingProxyType(rows))


def _read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GenerationsError(f"{path} cannot be read ({error})") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise GenerationsError(
                f"{path}, line {number}: not JSON ({error}); an interrupted run is repaired by "
                "running the same command again"
            ) from error
        if not isinstance(value, dict):
            raise GenerationsError(f"{path}, line {number}: not a JSON object")
        yield number, value


def _build(kind: type[T], path: Path, number: int, value: dict[str, Any]) -> T:
    try:
        return kind(**value)
    except TypeError as error:
        raise GenerationsError(f"{path}, line {number}: {error}") from error


def _build_session(path: Path, number: int, value: dict[str, Any]) -> Session:
    try:
        provenance = dict(value["provenance"])
        environment = Environment(**provenance.pop("environment"))
        return Session(value["data_path"], Provenance(environment=environment, **provenance))
    except (KeyError, TypeError, ValueError) as error:
        raise GenerationsError(f"{path}, line {number}: not a session ({error!r})") from error


def _check_same_settings(path: Path, found: RunSettings, wanted: RunSettings) -> None:
    differences = [
        f"{field.name} was {before!r} and is now {after!r}"
        for field in fields(RunSettings)
        if (before := getattr(found, field.name)) != (after := getattr(wanted, field.name))
    ]
    if differences:
        raise SettingsMismatch(
            f"{path} was made under other settings ({'; '.join(differences)}); "
            "give another --output or remove that file"
        )


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
