"""`fimserve export DIRECTORY`: a model as other tools read it.

The embedded model is stored in int8; this writes its weights in bf16 with the same names, so
transformers, vLLM and llama.cpp's converter load the directory unchanged.
"""

from pathlib import Path
from typing import Annotated

import typer

from fimserve.cli.failure import Failure, UsageFailure

__all__ = ["app", "export"]

app = typer.Typer()


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="Directory to write; new or empty.")],
    model: Annotated[
        str, typer.Option(help="embedded, a checkpoint directory, or a hub id.")
    ] = "embedded",
) -> None:
    """Write a model as a plain Hugging Face directory."""
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise UsageFailure(f"{directory} exists and is not empty; name a new directory")

    from fimserve.models import ModelError, export_checkpoint, resolve_model

    try:
        written = export_checkpoint(resolve_model(model), directory)
    except ModelError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"cannot write {directory}: {error.strerror}") from None
    print(f"wrote {written}")
