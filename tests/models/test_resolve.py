"""A name becomes a directory: embedded, local, or from the hub, whose network is played here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from fimserve.models import (
    ModelNotFound,
    PickleCheckpointRefused,
    UnsupportedModel,
    resolve,
    resolve_model,
)

HUB_ID = "owner/tiny-fim"


class FakeHub:
    """Stands for `snapshot_download`: copies what matches, and remembers what was asked."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target
        self.calls: list[dict[str, Any]] = []

    def __call__(self, repo_id: str, **options: Any) -> str:
        assert repo_id == HUB_ID
        self.calls.append(options)
        self.target.mkdir(exist_ok=True)
        for pattern in options["allow_patterns"]:
            for path in self.source.glob(pattern):
                shutil.copyfile(path, self.target / path.name)
        return str(self.target)


@pytest.fixture
def hub(own_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(own_directory, tmp_path / "snapshot")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    return fake


def test_a_local_directory_is_itself(tiny_directory: Path) -> None:
    assert resolve_model(str(tiny_directory)) == tiny_directory


def test_a_home_directory_is_expanded(
    tiny_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tiny_directory.parent))
    assert resolve_model("~/tiny") == tiny_directory


def test_a_local_directory_comes_before_the_hub(
    hub: FakeHub, tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_directory, tmp_path / HUB_ID)
    monkeypatch.chdir(tmp_path)
    assert resolve_model(HUB_ID) == Path(HUB_ID)
    assert hub.calls == []


def test_a_directory_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"without config\.json"):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "/no/where/at/all", "a b/c", "", "../x"])
def test_a_name_that_can_be_nothing_is_refused(name: str, hub: FakeHub) -> None:
    with pytest.raises(ModelNotFound, match=r"no such directory|without config"):
        resolve_model(name)
    assert hub.calls == []


def test_the_embedded_model_is_found(tiny_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "EMBEDDED_DIRECTORY", tiny_directory)
    assert resolve_model("embedded") == tiny_directory


def test_a_missing_embedded_model_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "EMBEDDED_DIRECTORY", tmp_path / "embedded")
    with pytest.raises(ModelNotFound, match=r"not part of this installation.*--model"):
        resolve_model("embedded")


def test_a_hub_model_is_fetched_config_first(hub: FakeHub) -> None:
    directory = resolve_model(HUB_ID)
    assert {path.name for path in directory.iterdir()} >= {"config.json", "model.safetensors"}
    patterns = [call["allow_patterns"] for call in hub.calls]
    assert patterns == [["*.json"], ["*.json", "*.safetensors"]]
    assert all(call["local_files_only"] is False for call in hub.calls)


def test_without_leave_the_network_is_not_used(hub: FakeHub) -> None:
    resolve_model(HUB_ID, allow_download=False)
    assert all(call["local_files_only"] is True for call in hub.calls)


def test_a_hub_model_that_cannot_be_served_is_refused_before_its_weights(hub: FakeHub) -> None:
    config = hub.source / "config.json"
    config.write_text(config.read_text("utf-8").replace('"llama"', '"mamba"'), "utf-8")
    with pytest.raises(UnsupportedModel, match="mamba"):
        resolve_model(HUB_ID)
    assert not (hub.target / "model.safetensors").exists()


def test_a_hub_repository_without_config_is_refused(hub: FakeHub) -> None:
    (hub.source / "config.json").unlink()
    with pytest.raises(ModelNotFound, match=r"no config\.json"):
        resolve_model(HUB_ID)


def test_a_hub_model_of_pickles_is_refused_with_a_command(hub: FakeHub) -> None:
    (hub.source / "model.safetensors").rename(hub.source / "pytorch_model.bin")
    with pytest.raises(PickleCheckpointRefused) as caught:
        resolve_model(HUB_ID)
    assert not (hub.target / "pytorch_model.bin").exists()
    assert f"M.from_pretrained('{HUB_ID}', dtype='auto').save_pretrained" in str(caught.value)


def make_response(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://hub.invalid"))


@pytest.mark.parametrize(
    ("make_error", "remedy"),
    [
        (lambda: LocalEntryNotFoundError("offline"), "not in the local cache"),
        (lambda: RepositoryNotFoundError("404", response=make_response(404)), "check the spelling"),
        (lambda: GatedRepoError("403", response=make_response(403)), "accept its terms"),
        (lambda: HfHubHTTPError("503", response=make_response(503)), "could not be fetched: 503"),
        (lambda: httpx.ConnectError("no route"), "could not be fetched: no route"),
        (lambda: OSError("disk full"), "could not be fetched: disk full"),
    ],
)
def test_a_hub_that_fails_says_what_to_do(
    make_error: Callable[[], Exception], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise make_error()

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(ModelNotFound, match=f"'{HUB_ID}'.*{remedy}"):
        resolve_model(HUB_ID)


def test_offline_the_real_hub_client_gives_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFound, match="not in the local cache and the hub was not reached"):
        resolve_model(HUB_ID, allow_download=False)
