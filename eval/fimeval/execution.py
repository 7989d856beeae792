"""Running programs that a model wrote, each in processes and a directory of its own.

Limits on time, memory and file size and an empty environment everywhere; where Linux lets a user
have name spaces of its own, also a cage (`cage.py`): no network, no writing outside of a workplace
in memory, a limit on processes, and nothing that outlives the program. What is readable stays
readable, and faults of the kernel are no part of this: whoever doubts a model runs it in a virtual
machine.
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
    """Memory that a process can write to; of most languages also its address space, not of Java's
    machine and the like, which reserve far more than they use."""
    num_processes: int = 64
    """Processes and threads at once; kept inside the cage alone."""
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
            (
                *("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:ActiveProcessorCount=2"),
                *("-XX:-UsePerfData", "{dir}/Main.java"),
            ),
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
        # One further down: the cage puts its workplace beside it.
        directory = Path(name) / "files"
        directory.mkdir()
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
            start_new_session=True,
            preexec_fn=lambda: _limit(_of_compiler(limits), limits_memory=False),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _of_compiler(limits: Limits) -> Limits:
    return Limits(seconds=10 * limits.seconds, memory_mib=4096, file_mib=64)


def _passes_case(
    command: Sequence[str], case: Case, directory: Path, limits: Limits, limits_memory: bool
) -> bool:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*_cage(limits, directory), *command],
            cwd=directory,
            env={"PATH": os.environ.get("PATH", ""), "HOME": ".", "TMPDIR": "."},
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
    memory = limits.memory_mib << 20
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    if limits_memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _cage(limits: Limits, directory: Path) -> tuple[str, ...]:
    """Return the words ahead of a command that put it into a cage; none where there is none."""
    return (*_CAGE, str(limits.num_processes), str(directory)) if is_caged() else ()


@cache
def is_caged() -> bool:
    """Return whether programs run in a cage here: without a network, and writing nothing."""
    if sys.platform != "linux":
        return False
    with tempfile.TemporaryDirectory(prefix="fimserve-run-") as name:
        directory = Path(name) / "files"
        directory.mkdir()
        command = [*_CAGE, "64", str(directory), sys.executable, "-I", "-c", "pass"]
        tried = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return tried.returncode == 0


_CAGE = (sys.executable, "-I", str(Path(__file__).with_name("cage.py")))


def _place(command: Sequence[str], directory: Path) -> list[str]:
    return [word.replace("{dir}", str(directory)) for word in command]
