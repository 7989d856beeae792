"""All settings of the command line: flag over environment over `fimserve.toml` over default.

Composes each room's own settings, where the defaults are written. In the file a room is a table
(`[server]`, key `port`), in the environment a prefix (`FIMSERVE_SERVER_PORT`); the model's keys
stand at the top (`model`, `FIMSERVE_MODEL`). An unknown key in the file is an error.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from fimserve.cli.failure import UsageFailure
from fimserve.engine.settings import EngineSettings
from fimserve.server.settings import ServerSettings
from fimserve.telemetry.experiments.settings import ExperimentSettings
from fimserve.telemetry.settings import TelemetrySettings

__all__ = ["CONFIG_NAME", "Settings", "find_config", "load_settings"]

CONFIG_NAME = "fimserve.toml"
"""File that `fimserve serve` reads from the current directory where `--config` is not given."""


TABLES: dict[str, type] = {
    "server": ServerSettings,
    "engine": EngineSettings,
    "telemetry": TelemetrySettings,
    "experiments": ExperimentSettings,
}
"""Rooms that have a table of their own."""


class Settings(BaseSettings):
    """What `serve` and `complete` run with."""

    model_config = SettingsConfigDict(
        env_prefix="FIMSERVE_",
        env_nested_delimiter="_",
        # One split: FIMSERVE_SERVER_MAX_TOKENS is max_tokens of the server.
        env_nested_max_split=1,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    model: str = "embedded"
    """Model to load: `embedded`, a directory, or a name on the model hub."""
    device: str = "auto"
    """Device to run on: `auto`, `cpu`, `cuda`, `cuda:1`."""
    dtype: str = "auto"
    """Precision of the weights in memory: `auto`, `fp32`, `bf16`, `int8`, `int8-dynamic`."""
    engine: EngineSettings = EngineSettings()
    """Memory, batching and adapters."""
    server: ServerSettings = ServerSettings()
    """The HTTP service."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """What becomes of suggestions: where it is stored, and for how long."""
    experiments: ExperimentSettings = ExperimentSettings()
    """Experiments on users: docs/experiments.md."""

    @field_validator("server", "telemetry", mode="before")
    @classmethod
    def _split_lists(cls, value: object, info: ValidationInfo) -> object:
        # The environment has no lists: FIMSERVE_SERVER_MODEL_ALIASES=one,two
        if not isinstance(value, Mapping):
            return value
        lists = {
            field.name for field in fields(TABLES[str(info.field_name)]) if field.default == ()
        }
        return {
            key: tuple(part.strip() for part in item.split(","))
            if key in lists and isinstance(item, str)
            else item
            for key, item in value.items()
        }


def find_config() -> Path | None:
    """Return `fimserve.toml` of the current directory, or None if there is none."""
    config = Path(CONFIG_NAME)
    return config if config.is_file() else None


def load_settings(
    flags: Mapping[str, object],
    server_flags: Mapping[str, object],
    config: Path | None,
    engine_flags: Mapping[str, object] | None = None,
    telemetry_flags: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings that hold for this run.

    Args:
        flags: Values of the top-level keys given on the command line; None means not given.
        server_flags: The same for the keys of `[server]`.
        config: Settings file; None reads none.
        engine_flags: The same for the keys of `[engine]`.
        telemetry_flags: The same for the keys of `[telemetry]`.

    Returns:
        The settings; `model_fields_set` holds the keys that somebody set.

    Raises:
        UsageFailure: If the file cannot be read, or a key or value is wrong, wherever it stands.
    """
    file_values = {} if config is None else _read_file(config)

    class LayeredSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, file_values)

    given: dict[str, Any] = _without_absent(flags)
    for table, table_flags in (
        ("server", server_flags),
        ("engine", engine_flags or {}),
        ("telemetry", telemetry_flags or {}),
    ):
        if given_here := _without_absent(table_flags):
            given[table] = given_here
    try:
        return LayeredSettings(**given)
    except ValidationError as error:
        raise UsageFailure(_describe(error)) from None
    except SettingsError as error:  # a variable that should hold JSON does not
        raise UsageFailure(str(error)) from None


def _without_absent(flags: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in flags.items() if value is not None}


def _read_file(config: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageFailure(f"cannot read {config}: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise UsageFailure(f"{config} is not valid TOML: {error}") from None
    _check_keys(values, Settings.model_fields, config, "")
    for name, room in TABLES.items():
        table = values.get(name, {})
        if not isinstance(table, dict):
            raise UsageFailure(f"{config}: {name} must be a table, [{name}]")
        _check_keys(table, [field.name for field in fields(room)], config, f"{name}.")
    return values


def _check_keys(found: Iterable[str], known: Iterable[str], config: Path, table: str) -> None:
    names = list(known)
    for key in found:
        if key not in names:
            nearest = difflib.get_close_matches(key, names, n=1)
            hint = f"did you mean {table}{nearest[0]}?" if nearest else f"known: {', '.join(names)}"
            raise UsageFailure(f"{config}: unknown key {table}{key}; {hint}")


def _describe(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    variable = "FIMSERVE_" + name.replace(".", "_").upper()
    if first["type"] == "unexpected_keyword_argument":
        return f"{variable} is set in the environment, and there is no setting {name}"
    problem = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if name in TABLES:  # the room refused the values together, and names the one at fault
        return f"[{name}] {problem} (flag, {variable}_* or {CONFIG_NAME})"
    return f"{name} is {first['input']!r}: {problem} (flag, {variable} or {CONFIG_NAME})"
