"""Running programs that a model wrote, each in processes and a directory of its own.

A guard against accidents, not against attackers: limits on time, memory, processes and file size,
an empty environment, and no network where the system lets an ordinary user leave it (Linux user
namespaces). Whoever doubts a model runs this inside a container.
"""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from fimeval.program import Case, Program

MAX_OUTPUT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run of a program may use."""

    seconds: float = 3.0
    """Wall-clock seconds of one case; a compiler gets ten times that."""
    memory_mib: int = 2048
    """Address space; not for the Java machine, which reserves far more than it uses."""
    num_processes: int = 64
    file_mib: int = 16


@dataclass(frozen=True, slots=True)
class Toolchain:
    """How programs of one language are built and started; `{dir}` is their directory."""

    file: str
    """Name of the source file."""
    run: tuple[str, ...]
    build: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Programs that must be on the PATH."""
    limits_memory: bool = True


TOOLCHAINS: Mapping[str, Toolchain] = MappingProxyType(
    {
        "python": Toolchain("main.py", (sys.executable, "-I", "{dir}/main.py")),
        "javascript": Toolchain(
            "main.js", ("node", "{dir}/main.js"), needs=("node",), limits_memory=False
        ),
        "cpp": Toolchain(
            "main.cpp",
            ("{dir}/main",),
            ("g++", "-std=c++17", "-O1", "-w", "-o", "{dir}/main", "{dir}/main.cpp"),
            ("g++",),
        ),
        "java": Toolchain(
            "Main.java",
            ("java", "-Xmx512m", "{dir}/Main.java"),
            needs=("javac", "java"),
            limits_memory=False,
        ),
        "csharp": Toolchain(
            "main.cs",
            ("mono", "{dir}/main.exe"),
            ("mcs", "-out:{dir}/main.exe", "{dir}/main.cs"),
            ("mcs", "mono"),
            limits_memory=False,
        ),
    }
)


@cache
def has_toolchain(language: str) -> bool:
    """Return whether programs of a language can be run on this machine."""
    toolchain = TOOLCHAINS.get(language)
    return toolchain is not None and all(shutil.which(name) for name in toolchain.needs)


def passes(program: Program, middle: str, limits: Limits = Limits()) -> bool:
    """Run a program with an answer in its hole.

    Args:
        program: The program and its cases; its language must have a toolchain here.
        middle: The answer.
        limits: What each run may use.

    Returns:
        Whether it builds and every case ends in time, without error and with the right output.
    """
    toolchain = TOOLCHAINS[program.language]
    with tempfile.TemporaryDirectory(prefix="fimserve-run-") as name:
        directory = Path(name)
        source = program.fill(middle)
        # newline="": sources keep their CRLF.
        with (directory / toolchain.file).open("w", encoding="utf-8", newline="") as file:
            try:
                file.write(source)
            except UnicodeEncodeError:
                return False
        if toolchain.build and not _builds(toolchain, directory, limits):
            return False
        command = _place(toolchain.run, directory)
        return all(
            _passes_case(command, case, directory, limits, toolchain.limits_memory)
            for case in program.cases
        )


def _builds(toolchain: Toolchain, directory: Path, limits: Limits) -> bool:
    command = _place(toolchain.build, directory)
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=10 * limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _passes_case(
    command: Sequence[str], case: Case, directory: Path, limits: Limits, limits_memory: bool
) -> bool:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*_find_cage(), *command],
            cwd=directory,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(directory)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: _limit(limits, limits_memory),
        )
        try:
            process.communicate(case.stdin.encode("utf-8", "replace"), timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            return False
        except BrokenPipeError:
            process.wait()
        finally:
            _end(process)
        if process.returncode != 0:
            return False
        if not case.outputs:
            return True
        output.seek(0)
        text = output.read(MAX_OUTPUT_BYTES).decode("utf-8", "replace")
    return any(_is_same_output(text, wanted) for wanted in case.outputs)


def _is_same_output(text: str, wanted: str) -> bool:
    # Judges of programming contests compare words and accept YES for Yes: so do the references.
    return text.casefold().split() == wanted.casefold().split()


def _end(process: subprocess.Popen[bytes]) -> None:
    # Children that outlive their parent are in its session: the group is ended, not the process.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
    if process.stdin:
        process.stdin.close()


def _limit(limits: Limits, limits_memory: bool) -> None:
    seconds = int(limits.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    size = limits.file_mib << 20
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits_memory:
        memory = limits.memory_mib << 20
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


@cache
def _find_cage() -> tuple[str, ...]:
    """Return the words ahead of a command that take the network away; none where it cannot be."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    cage = (unshare, "--user", "--map-root-user", "--net", "--")
    tried = subprocess.run([*cage, "true"], capture_output=True, check=False)
    return cage if tried.returncode == 0 else ()


def is_caged() -> bool:
    """Return whether programs run without a network here."""
    return bool(_find_cage())


def _place(command: Sequence[str], directory: Path) -> list[str]:
    return [word.replace("{dir}", str(directory)) for word in command]
