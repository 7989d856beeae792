"""Files of a commit are read from real repositories, whatever their shape on disk."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from fimcurriculum.sources.clone import (
    CloneError,
    find_git_dir,
    list_files,
    read_blobs,
    resolve_commit,
)
from support.git_repositories import commit_files, make_repository, run_git

FILES: dict[str, str | bytes] = {
    "LICENSE": "terms\n",
    "src/app.py": "print('größe')\n",
    "src/empty.py": "",
    "docs/ü b\tc.py": b"\xff\x00binary\n",
}


def read_all(git_dir: Path, commit: str) -> dict[str, bytes]:
    return {
        file.path: content for file, content in read_blobs(git_dir, list_files(git_dir, commit))
    }


@pytest.mark.parametrize("bare", [False, True], ids=["work tree", "bare"])
def test_files_are_read_as_they_were_committed(bare: bool, tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "clone", FILES, bare=bare)
    git_dir = find_git_dir(tmp_path / "clone")
    assert resolve_commit(git_dir) == commit
    expected = {path: c.encode() if isinstance(c, str) else c for path, c in FILES.items()}
    assert read_all(git_dir, commit) == expected
    sizes = {file.path: file.num_bytes for file in list_files(git_dir, commit)}
    assert sizes == {path: len(content) for path, content in expected.items()}


@pytest.mark.parametrize("bare", [False, True], ids=["work tree", "bare"])
def test_clone_may_lie_one_level_down(bare: bool, tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "clone" / "repo", {"a.py": "a\n"}, bare=bare)
    assert read_all(find_git_dir(tmp_path / "clone"), commit) == {"a.py": b"a\n"}


def test_work_tree_is_never_looked_at(tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "clone", {"a.py": "committed\n"})
    (tmp_path / "clone" / "a.py").write_text("edited\n")
    (tmp_path / "clone" / "b.py").write_text("new\n")
    assert read_all(tmp_path / "clone" / ".git", commit) == {"a.py": b"committed\n"}


def test_older_commit_is_read_as_it_was(tmp_path: Path) -> None:
    first = make_repository(tmp_path / "clone", {"a.py": "one\n"})
    second = commit_files(tmp_path / "clone", {"a.py": "two\n", "b.py": "three\n"})
    git_dir = find_git_dir(tmp_path / "clone")
    assert read_all(git_dir, first) == {"a.py": b"one\n"}
    assert read_all(git_dir, second) == {"a.py": b"two\n", "b.py": b"three\n"}
    assert resolve_commit(git_dir, first[:10]) == first


def test_links_and_submodules_are_left_out(tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "inner", {"x.py": "x\n"})
    work = tmp_path / "clone"
    make_repository(work, {"a.py": "a\n"})
    os.symlink("a.py", work / "link.py")
    run_git(work, "add", "link.py")
    run_git(work, "update-index", "--add", "--cacheinfo", f"160000,{commit},inner")
    run_git(work, "commit", "--quiet", "--message", "link and submodule")
    assert read_all(work / ".git", "HEAD") == {"a.py": b"a\n"}


def test_executable_file_is_listed(tmp_path: Path) -> None:
    work = tmp_path / "clone"
    make_repository(work, {"run.py": "run\n"})
    run_git(work, "update-index", "--chmod=+x", "run.py")
    run_git(work, "commit", "--quiet", "--message", "executable")
    assert read_all(work / ".git", "HEAD") == {"run.py": b"run\n"}


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    files = {f"f{number:04d}.py": f"{number}\n" * (number + 1) for number in range(600)}
    commit = make_repository(tmp_path / "clone", files)
    listed = list_files(tmp_path / "clone" / ".git", commit)
    found = list(read_blobs(tmp_path / "clone" / ".git", listed))
    assert [file.path for file, _ in found] == sorted(files)
    assert all(content.decode() == files[file.path] for file, content in found)


def test_nothing_is_fetched_into_a_partial_clone(tmp_path: Path) -> None:
    make_repository(tmp_path / "origin", {"a.py": "a\n", "b.py": "b\n"})
    run_git(tmp_path / "origin", "config", "uploadpack.allowFilter", "true")
    origin = (tmp_path / "origin").as_uri()  # stands for the network
    run_git(tmp_path, "clone", "--quiet", "--bare", "--filter=blob:none", origin, "clone")
    clone = tmp_path / "clone"
    before = sorted((clone / "objects").rglob("*"))
    with contextlib.suppress(CloneError):  # of git before 2.44, which cannot do without
        assert read_all(clone, "HEAD") == {}
    assert sorted((clone / "objects").rglob("*")) == before


def test_blob_cut_short_is_an_error(tmp_path: Path) -> None:
    text = "".join(f"value_{number} = {number * number}\n" for number in range(500))
    commit = make_repository(tmp_path / "clone", {"a.py": text, "b.py": "b\n"})
    git_dir = tmp_path / "clone" / ".git"
    files = list_files(git_dir, commit)
    blob = git_dir / "objects" / files[0].blob[:2] / files[0].blob[2:]
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-200])
    with pytest.raises(CloneError, match="cat-file failed"):
        list(read_blobs(git_dir, files))


def test_blob_lost_after_the_listing_is_left_out(tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "clone", {"a.py": "a\n", "b.py": "b\n"})
    git_dir = tmp_path / "clone" / ".git"
    files = list_files(git_dir, commit)
    lost = files[0].blob
    (git_dir / "objects" / lost[:2] / lost[2:]).unlink()
    assert [(file.path, content) for file, content in read_blobs(git_dir, files)] == [
        ("b.py", b"b\n")
    ]


def test_directory_without_git_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CloneError, match="holds no git directory"):
        find_git_dir(tmp_path)


def test_unknown_commit_is_an_error_that_names_it(tmp_path: Path) -> None:
    make_repository(tmp_path / "clone", {"a.py": "a\n"})
    absent = "0123456789" * 4
    with pytest.raises(CloneError, match=absent):
        resolve_commit(tmp_path / "clone" / ".git", absent)


def test_broken_clone_is_an_error(tmp_path: Path) -> None:
    commit = make_repository(tmp_path / "clone", {"a.py": "a\n"})
    shutil.rmtree(tmp_path / "clone" / ".git" / "objects")
    (tmp_path / "clone" / ".git" / "objects").mkdir()
    with pytest.raises(CloneError, match="ls-tree"):
        list_files(tmp_path / "clone" / ".git", commit)
