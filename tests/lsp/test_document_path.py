"""The path that a model is told."""

from pathlib import Path

import pytest

from fimserve.lsp.document_path import find_document_path


def test_path_is_that_inside_the_repository(tmp_path: Path) -> None:
    file = tmp_path / "repo" / "src" / "a b.py"
    file.parent.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    folder = (tmp_path / "repo" / "src").as_uri()
    assert find_document_path(file.as_uri(), [folder]) == "src/a b.py"


def test_path_is_that_inside_the_editors_folder(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    assert find_document_path((folder / "x/y.py").as_uri(), [folder.as_uri()]) == "x/y.py"


def test_path_outside_is_a_bare_name(tmp_path: Path) -> None:
    uri = (tmp_path / "elsewhere" / "y.py").as_uri()
    assert find_document_path(uri, [(tmp_path / "work").as_uri()]) == "y.py"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("untitled:Untitled-1.py", "Untitled-1.py"),
        ("untitled:", None),
        ("file:///w/a%0Ab.py", None),
        ("vscode-notebook-cell:/w/n.ipynb#W0s", "n.ipynb"),
        ("file:///w/" + "n" * 2000, None),
    ],
)
def test_odd_names_do_no_harm(uri: str, path: str | None) -> None:
    assert find_document_path(uri, []) == path
