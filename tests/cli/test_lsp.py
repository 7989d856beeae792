"""`fimserve lsp` before it speaks: mistakes of the command line, and where the key comes from."""

from pathlib import Path

import pytest

from fimserve.lsp import server
from fimserve.lsp.options import LspOptions
from support.cli import CommandLine


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "ftp://x"], "url is not an address such as http://127.0.0.1:8111"),
        (["--api-key-file", "none"], "cannot read the API key file: No such file"),
        (["--api-key", "secret"], "No such option"),
    ],
)
def test_mistakes_are_explained_in_one_message(
    fimserve: CommandLine, arguments: list[str], words: str
) -> None:
    outcome = fimserve("lsp", *arguments)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""  # standard output belongs to the protocol
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[LspOptions]:
    """Return the options that servers were started with; none is really started."""
    options: list[LspOptions] = []

    def start(given: LspOptions) -> int:
        options.append(given)
        return 0

    monkeypatch.setattr(server, "run_stdio", start)
    return options


def test_key_comes_from_the_environment(
    fimserve: CommandLine, started: list[LspOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIMSERVE_API_KEY", "secret-1")
    assert fimserve("lsp", "--stdio", "--url", "http://10.0.0.1:8111").exit_code == 0
    assert started == [LspOptions(url="http://10.0.0.1:8111", api_key="secret-1")]


def test_file_goes_before_the_environment(
    fimserve: CommandLine, started: list[LspOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIMSERVE_API_KEY", "secret-1")
    Path("key").write_text("secret-2\n")
    assert fimserve("lsp", "--api-key-file", "key").exit_code == 0
    assert started[0].api_key == "secret-2"
    assert started[0].url == "http://127.0.0.1:8111"
