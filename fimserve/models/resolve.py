"""From the name a user types to a directory on disk.

"embedded" is the model inside the package; an existing directory is itself; anything of the form
owner/name is fetched from the Hugging Face hub: config first, so that a model that cannot be
served is refused before its weights are downloaded.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from fimserve.models.errors import ModelNotFound, PickleCheckpointRefused
from fimserve.models.families import read_model_config
from fimserve.models.weight_files import describe_conversion

EMBEDDED = "embedded"
EMBEDDED_DIRECTORY = Path(__file__).parent / "embedded"
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def resolve_model(name: str, allow_download: bool = True) -> Path:
    """Return the directory that holds a model, fetching it if need be.

    A hub model whose config is not served here fails with UnsupportedModel, one without
    safetensors with PickleCheckpointRefused.

    Args:
        name: "embedded", a directory, or a hub id such as owner/name.
        allow_download: Whether the network may be used; the hub's local cache always is.

    Returns:
        The checkpoint directory.

    Raises:
        ModelNotFound: If nothing is there, or the hub cannot be reached.
    """
    if name == EMBEDDED:
        return _find_embedded()
    directory = Path(name).expanduser()
    if directory.is_dir():
        return _check_directory(directory)
    if _HUB_ID.fullmatch(name):
        return _fetch_from_hub(name, allow_download)
    raise ModelNotFound(
        f"model is {name!r}: no such directory, and not a hub id of the form owner/name; "
        f"use a checkpoint directory, a hub id or {EMBEDDED!r}"
    )


def _find_embedded() -> Path:
    if not (EMBEDDED_DIRECTORY / "config.json").exists():
        raise ModelNotFound(
            f"the embedded model is not part of this installation ({EMBEDDED_DIRECTORY} has no "
            "config.json); install a release, or name another model with --model"
        )
    return EMBEDDED_DIRECTORY


def _check_directory(directory: Path) -> Path:
    if not (directory / "config.json").exists():
        raise ModelNotFound(
            f"{directory} is a directory without config.json; a checkpoint directory holds "
            "config.json, tokenizer.json and *.safetensors"
        )
    return directory


def _fetch_from_hub(name: str, allow_download: bool) -> Path:
    directory = _fetch_files(name, ["*.json"], allow_download)
    if not (directory / "config.json").exists():
        raise ModelNotFound(f"hub model {name!r} has no config.json; it is no transformers model")
    read_model_config(directory / "config.json")
    directory = _fetch_files(name, ["*.json", "*.safetensors"], allow_download)
    if not any(directory.glob("*.safetensors")):
        raise PickleCheckpointRefused(
            f"hub model {name!r} has no *.safetensors, only weights in a form that is not loaded "
            f"here because it may run code. {describe_conversion(name)}"
        )
    return directory


def _fetch_files(name: str, patterns: list[str], allow_download: bool) -> Path:
    """Bring the matching files of a hub model into the hub's cache, with its progress bar."""
    try:
        directory = huggingface_hub.snapshot_download(
            name,
            allow_patterns=patterns,
            # Subfolders hold other formats of the same weights (original/, onnx/).
            ignore_patterns=["*/*"],
            local_files_only=not allow_download,
        )
    except GatedRepoError as error:
        raise ModelNotFound(
            f"hub model {name!r} asks for consent: accept its terms on its page, then set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelNotFound(
            f"the hub knows no model {name!r}, or it is private: check the spelling, set HF_TOKEN"
        ) from error
    except LocalEntryNotFoundError as error:
        raise ModelNotFound(
            f"hub model {name!r} is not in the local cache and the hub was not reached; "
            "connect once, or name a checkpoint directory"
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise ModelNotFound(f"hub model {name!r} could not be fetched: {error}") from error
    return Path(directory)
