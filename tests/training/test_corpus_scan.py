"""A directory of clones becomes a list of repositories, or a reason for each that does not."""

from pathlib import Path

from fimtraining.corpus.recipe import Repository
from fimtraining.corpus.scan import scan_clones
from support import licence_texts
from support.git_repositories import make_repository


def test_licences_are_read_from_the_trees(tmp_path: Path) -> None:
    alpha = make_repository(tmp_path / "acme+alpha", {"LICENSE": licence_texts.MIT})
    beta = make_repository(
        tmp_path / "acme+beta" / "repo", {"COPYING": licence_texts.BSD_2}, bare=True
    )
    both = make_repository(
        tmp_path / "acme+both",
        {"LICENSE-MIT": licence_texts.MIT, "LICENSE-APACHE": licence_texts.APACHE},
    )
    usable, refused = scan_clones(tmp_path)
    assert usable == [
        Repository("acme/alpha", alpha, "MIT"),
        Repository("acme/beta", beta, "BSD-2-Clause"),
        Repository("acme/both", both, "Apache-2.0"),
    ]
    assert refused == {}


def test_others_are_left_out_with_a_reason(tmp_path: Path) -> None:
    make_repository(tmp_path / "acme+gpl", {"LICENSE": licence_texts.GPL})
    make_repository(
        tmp_path / "acme+mixed", {"LICENSE": licence_texts.MIT, "COPYING": licence_texts.GPL}
    )
    make_repository(tmp_path / "acme+deep", {"docs/LICENSE": licence_texts.MIT})
    (tmp_path / "acme+empty").mkdir()
    (tmp_path / "notes").mkdir()
    usable, refused = scan_clones(tmp_path)
    assert usable == []
    assert sorted(refused) == ["acme/deep", "acme/empty", "acme/gpl", "acme/mixed"]
    assert "no git directory" in refused["acme/empty"]
    assert "no permissive licence" in refused["acme/gpl"]
