"""Flag over environment over file over default; nothing misspelt is passed over in silence."""

from pathlib import Path

import pytest

from fimserve.cli.failure import UsageFailure
from fimserve.cli.settings import Settings, find_config, load_settings
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import TelemetrySettings
from support.cli import CommandLine

pytestmark = pytest.mark.usefixtures("fimserve")


@pytest.fixture(autouse=True)
def no_port(fimserve: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the one setting that the other tests of the room need."""
    monkeypatch.delenv("FIMSERVE_SERVER_PORT")


def write(text: str) -> Path:
    """Return a settings file in the current directory."""
    path = Path("fimserve.toml")
    path.write_text(text)
    return path


def test_defaults_are_those_of_the_rooms() -> None:
    settings = load_settings({}, {}, None)
    assert settings.model_dump() == Settings().model_dump()
    assert settings.server == ServerSettings()
    assert settings.model == "embedded"


def test_flag_beats_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    config = write('model = "file"\ndevice = "file"\ndtype = "file"\n[server]\nport = 1\n')
    monkeypatch.setenv("FIMSERVE_MODEL", "environment")
    monkeypatch.setenv("FIMSERVE_DEVICE", "environment")
    monkeypatch.setenv("FIMSERVE_SERVER_MAX_TOKENS", "99")
    settings = load_settings({"model": "flag", "device": None}, {"host": "::1"}, config)
    assert (settings.model, settings.device, settings.dtype) == ("flag", "environment", "file")
    assert settings.server == ServerSettings(host="::1", port=1, max_tokens=99)


def test_list_in_environment_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIMSERVE_SERVER_MODEL_ALIASES", "one, two")
    assert load_settings({}, {}, None).server.model_aliases == ("one", "two")


def test_events_have_a_table_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    config = write('[telemetry]\nretention_days = 30\nstore_text = ["file"]\n')
    monkeypatch.setenv("FIMSERVE_TELEMETRY_STORE_TEXT", "one, two")
    monkeypatch.setenv("FIMSERVE_TELEMETRY_URL", "postgresql://me:hunter2@db/events")
    settings = load_settings({}, {}, config)
    assert settings.telemetry == TelemetrySettings(
        url="postgresql://me:hunter2@db/events", retention_days=30, store_text=("one", "two")
    )
    assert "hunter2" not in repr(settings)


def test_a_wrong_database_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIMSERVE_TELEMETRY_URL", "mysql://me:hunter2@db/events")
    with pytest.raises(UsageFailure, match=r"\[telemetry\] url should be off") as caught:
        load_settings({}, {}, None)
    assert "hunter2" not in str(caught.value)


def test_variables_of_others_do_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIMSERVE_API_KEY", "key")
    assert load_settings({}, {}, None).model_dump() == Settings().model_dump()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('modle = "x"', "unknown key modle; did you mean model?"),
        ("[server]\nprot = 1", "unknown key server.prot; did you mean server.port?"),
        ("[serve]\nport = 1", "unknown key serve; did you mean server?"),
        ("[server]\nqqq = 1", "unknown key server.qqq; known: host, port"),
        ("server = 1", "must be a table"),
        ("[server", "not valid TOML"),
        ('[server]\nport = "many"', "server.port is 'many': should be a valid integer"),
        ("[server]\nport = 70000", "port is 70000; use 0 to 65535"),
    ],
)
def test_mistake_in_the_file_is_refused_with_the_nearest_name(text: str, words: str) -> None:
    with pytest.raises(UsageFailure) as caught:
        load_settings({}, {}, write(text))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FIMSERVE_SERVER_PORT", "many", "FIMSERVE_SERVER_PORT"),
        ("FIMSERVE_SERVER_PRT", "1", "no setting server.prt"),
        ("FIMSERVE_SERVER", "x", "server"),
    ],
)
def test_mistake_in_the_environment_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageFailure, match=words):
        load_settings({}, {}, None)


def test_missing_file_is_refused() -> None:
    with pytest.raises(UsageFailure, match=r"cannot read nowhere\.toml: No such file"):
        load_settings({}, {}, Path("nowhere.toml"))


def test_file_of_the_current_directory_is_found() -> None:
    assert find_config() is None
    write("")
    assert find_config() == Path("fimserve.toml")


def test_what_somebody_set_is_told_from_what_nobody_did() -> None:
    assert load_settings({"model": "x"}, {}, None).model_fields_set == {"model"}
    assert load_settings({"model": None}, {}, None).model_fields_set == set()
