"""llama.cpp on the same weights: write the GGUF file, compare token ids, run a server.

    python -m fimeval.peers.llama_cpp convert embedded peer.gguf     Q8_0, a few seconds
    python -m fimeval.peers.llama_cpp check embedded peer.gguf       the same ids for the same text?
    python -m fimeval.peers.llama_cpp serve peer.gguf                llama-cpp-python's server
    python -m fimeval.peers.llama_cpp serve peer.gguf --binary llama-server

Wants the optional extra `peers` (`gguf`, `llama-cpp-python`), best in a virtual environment of its
own: llama.cpp is compiled there.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from fimeval.bench.source_text import load_source_files
from fimeval.bench.token_ruler import find_embedded_tokenizer
from fimeval.errors import EvalError
from fimeval.peers.gguf_file import write_gguf
from fimserve.prompt import TextEncoder

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

Checkpoint = Annotated[str, typer.Argument(help="embedded, or a checkpoint directory.")]
Gguf = Annotated[Path, typer.Argument(help="The GGUF file.")]

CONTEXT_TOKENS = 4096
"""Enough for a prompt of 2,048 tokens and what is typed."""


@app.command()
def convert(
    checkpoint: Checkpoint,
    gguf: Gguf,
    precision: Annotated[str, typer.Option(help="q8_0 or f16.")] = "q8_0",
) -> None:
    """Write a llama-shape checkpoint as a GGUF file."""
    write_gguf(find_checkpoint(checkpoint), gguf, precision)
    typer.echo(f"wrote {gguf} ({gguf.stat().st_size / 2**20:.1f} MiB)")


@app.command()
def check(checkpoint: Checkpoint, gguf: Gguf) -> None:
    """Compare llama.cpp's token ids with the tokenizer's, over this project's own sources."""
    try:
        from llama_cpp import Llama
    except ImportError as error:
        raise EvalError(f"{error}; pip install 'fimserve[peers]' brings it") from None
    # Text is only text there: a source file may spell a marker.
    ours = TextEncoder.from_file(find_checkpoint(checkpoint) / "tokenizer.json")
    theirs = Llama(str(gguf), vocab_only=True, verbose=False)
    files = load_source_files()
    wrong = [
        file.path
        for file in files
        if ours.encode(file.text)
        != theirs.tokenize(file.text.encode(), add_bos=False, special=False)
    ]
    typer.echo(f"{len(files) - len(wrong)} of {len(files)} files have equal ids")
    if wrong:
        raise EvalError(f"ids differ, first in {wrong[0]}; send token ids (openai-ids) instead")


@app.command()
def serve(
    gguf: Gguf,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8200,
    threads: Annotated[int, typer.Option(min=1, help="Threads that compute.")] = 2,
    binary: Annotated[
        str | None,
        typer.Option(help="llama-server to run. Default: llama-cpp-python's server."),
    ] = None,
) -> None:
    """Run a llama.cpp server until it is stopped."""
    command = build_command(gguf, port, threads, binary)
    typer.echo(" ".join(command))
    os.execvp(command[0], command)


def build_command(gguf: Path, port: int, threads: int, binary: str | None) -> list[str]:
    """Return the command line of a server.

    Args:
        gguf: The model.
        port: Port on this machine.
        threads: Threads that compute.
        binary: `llama-server`; None runs llama-cpp-python's server.

    Returns:
        Program and arguments.

    Raises:
        EvalError: If the binary is not there.
    """
    context = str(CONTEXT_TOKENS)
    if binary is None:
        return [
            sys.executable, "-m", "llama_cpp.server", "--model", str(gguf),
            "--host", "127.0.0.1", "--port", str(port), "--n_ctx", context,
            "--n_threads", str(threads), "--n_threads_batch", str(threads),
            # The newest request ends the one before it, as an editor needs it: its default.
            "--verbose", "false",
        ]  # fmt: skip
    program = shutil.which(binary)
    if program is None:
        raise EvalError(f"{binary} is not there or cannot be run; build it or correct --binary")
    return [
        program, "--model", str(gguf), "--host", "127.0.0.1", "--port", str(port),
        "--ctx-size", context, "--threads", str(threads), "--threads-batch", str(threads),
        # One slot: several would share the threads and split the context.
        "--parallel", "1",
    ]  # fmt: skip


def find_checkpoint(name: str) -> Path:
    """Return the directory of a checkpoint; `embedded` is the one inside fimserve."""
    return find_embedded_tokenizer().parent if name == "embedded" else Path(name)


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="python -m fimeval.peers.llama_cpp")
    except EvalError as error:
        typer.echo(f"llama_cpp: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
