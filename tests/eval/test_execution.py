"""Programs that a model wrote: what passes, what fails, and what is not allowed."""

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from fimeval.execution import Limits, has_toolchain, is_caged, passes
from fimeval.program import Case, Program

SHORT = Limits(seconds=2.0, memory_mib=512)


def make_program(text: str, *cases: Case, language: str = "python") -> Program:
    return Program(language, text, "\n", cases or (Case("", ()),))


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("x = 1", True),
        ("exit(0)", True),
        ("assert 1 == 2", False),
        ("x = ", False),
        ("import sys; sys.exit(3)", False),
        ("while True: pass", False),
        ("x = 'a' * (1 << 30)", False),
        ("open('big', 'wb').write(bytes(20 << 20))", False),
        ("x = '\\ud800'", True),
    ],
)
def test_without_cases_ending_well_is_enough(text: str, is_right: bool) -> None:
    assert passes(make_program(text), "", SHORT) is is_right


def test_a_lone_surrogate_is_a_wrong_answer_and_no_crash() -> None:
    assert not passes(make_program("x = '"), "\ud800'", SHORT)


def test_output_is_compared_by_words_whatever_their_case_and_line_ends() -> None:
    program = make_program(
        "print(input())\nprint(input())", Case("yes\r\n 1  2\r\n", ("Yes\n1 2",))
    )
    assert passes(program, "", SHORT)
    assert not passes(make_program("print(3)", Case("", ("4",))), "", SHORT)
    assert passes(make_program("print(4)", Case("", ("3", "4"))), "", SHORT)


def test_every_case_must_pass() -> None:
    program = make_program("print(int(input()) + 1)", Case("1", ("2",)), Case("x", ("2",)))
    assert not passes(program, "", SHORT)


def test_a_program_that_reads_nothing_of_its_input_may_pass() -> None:
    program = make_program("print(1)", Case("x" * 1_000_000, ("1",)))
    assert passes(program, "", SHORT)


def test_children_end_with_the_program(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1.5); "
        f'open("{mark}", "w")\'])\n'
    )
    assert passes(make_program(text), "", SHORT)
    time.sleep(2)
    assert not mark.exists()


needs_cage = pytest.mark.skipif(not is_caged(), reason="this system gives users no name spaces")


@needs_cage
def test_there_is_no_network() -> None:
    text = (
        "import socket\n"
        "server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()\n"
        "socket.create_connection(server.getsockname(), 1)\n"
    )
    assert not passes(make_program(text), "", SHORT)


# ---------------------------------------------------------------------------- hostile samples


def find_processes(mark: str) -> list[int]:
    """Return the processes whose command line holds a word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def wait_for_none(mark: str) -> list[int]:
    """Return what is still there of such processes after the kernel had time to end them."""
    for _ in range(100):
        if not find_processes(mark):
            return []
        time.sleep(0.05)
    return find_processes(mark)


def rename(text: str, mark: str) -> str:
    """Return a program that goes on as another one, whose command line holds a word."""
    return f"import os, sys\nos.execl(sys.executable, 'python', '-c', {text!r}, {mark!r})\n"


@needs_cage
def test_fork_bomb_is_a_failure_and_leaves_nothing() -> None:
    mark = f"bomb-{os.getpid()}"
    bomb = (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    )
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most[0] = max(most[0], len(find_processes(mark)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    limits = Limits(seconds=3, memory_mib=512, num_processes=32)
    assert not passes(make_program(rename(bomb, mark)), "", limits)
    over.set()
    watcher.join()
    assert 16 <= most[0] <= 32
    assert wait_for_none(mark) == []


def test_infinite_loop_is_a_failure_and_ends() -> None:
    mark = f"loop-{os.getpid()}"
    loop = (
        "import signal\n"
        "for number in set(signal.valid_signals()) - {9, 19}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "while True: pass\n"
    )
    assert not passes(make_program(rename(loop, mark)), "", SHORT)
    assert wait_for_none(mark) == []


@needs_cage
@pytest.mark.parametrize(
    "deed",
    [
        "os.remove(path)",
        "shutil.rmtree(os.path.dirname(path))",
        "open(path, 'w').close()",
        "os.rename(path, path + '.gone')",
        "os.chmod(path, 0)",
        "subprocess.run(['rm', '-rf', os.path.dirname(path)], check=True)",
    ],
)
def test_files_of_others_stay_as_they_are(deed: str, tmp_path: Path) -> None:
    victim = tmp_path / "kept" / "file"
    victim.parent.mkdir()
    victim.write_text("precious")
    mode = victim.stat().st_mode
    text = f"import os, shutil, subprocess\npath = {str(victim)!r}\nassert os.path.exists(path)\n"
    assert passes(make_program(text), "", SHORT)  # it can be seen
    assert not passes(make_program(text), deed, SHORT)
    assert victim.read_text() == "precious"
    assert victim.stat().st_mode == mode


TEN_GIGABYTES = {
    "at once": ("python", "x = bytearray(10 << 30)\n"),
    "bit by bit": ("python", "x = []\nwhile True: x.append(bytearray(64 << 20))\n"),
    "javascript": ("javascript", "const x = []; for (;;) x.push(Buffer.alloc(64 << 20, 1));\n"),
    "java": (
        "java",
        "public class Main { public static void main(String[] a) { long[][] x = new long[1280][];"
        " for (int i = 0; i < 1280; i++) x[i] = new long[1 << 20]; } }\n",
    ),
    "cpp": (
        "cpp",
        "#include <vector>\nint main() { std::vector<char> x(10ull << 30, 1); return x[5] - 1; }\n",
    ),
}


@pytest.mark.parametrize("kind", TEN_GIGABYTES)
def test_ten_gigabytes_are_a_failure(kind: str) -> None:
    language, text = TEN_GIGABYTES[kind]
    if not has_toolchain(language):
        pytest.skip(f"nothing here runs {language}")
    assert not passes(make_program(text, language=language), "", Limits(seconds=6, memory_mib=1024))


@needs_cage
def test_a_child_that_leaves_its_group_ends_all_the_same() -> None:
    mark = f"stray-{os.getpid()}"
    text = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        sleep = 'import time; time.sleep(60)'\n"
        f"        os.execl(sys.executable, 'python', '-c', sleep, {mark!r})\n"
        "    os._exit(0)\n"
        "time.sleep(0.5)\n"
    )
    assert passes(make_program(text), "", Limits(seconds=3))
    assert wait_for_none(mark) == []


@needs_cage
def test_disk_is_not_filled() -> None:
    text = "for n in range(200):\n    open(f'part{n}', 'wb').write(bytes(1 << 20))\n"
    assert not passes(make_program(text), "", Limits(seconds=3))
    small = "open('note', 'w').write('x')\nassert open('note').read() == 'x'\n"
    assert passes(make_program(small), "", SHORT)


@needs_cage
def test_root_is_nobody_in_a_cage() -> None:
    text = "import os\nassert os.getuid() != 0 and os.geteuid() != 0\n"
    assert passes(make_program(text), "", SHORT)
    assert not passes(make_program("import os\nos.setuid(0)\n"), "", SHORT)


@needs_cage
def test_other_processes_cannot_be_ended() -> None:
    assert not passes(make_program(f"import os\nos.kill({os.getpid()}, 0)\n"), "", SHORT)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("javascript", "console.log(1 + 1);\n"),
        (
            "java",
            "public class Main { public static void main(String[] a)"
            " { System.out.println(1 + 1); } }\n",
        ),
    ],
)
def test_languages_with_machines_of_their_own_run(language: str, text: str) -> None:
    if not has_toolchain(language):
        pytest.skip(f"nothing here runs {language}")
    program = make_program(text, Case("", ("2",)), language=language)
    assert passes(program, "", Limits(seconds=20))


@pytest.mark.skipif(not has_toolchain("cpp"), reason="needs g++ on the PATH")
def test_a_compiled_language() -> None:
    program = Program(
        "cpp",
        "#include <iostream>\r\nint main() { int a; std::cin >> a; std::cout << ",
        "; }\r\n",
        (Case("4", ("5",)),),
    )
    assert passes(program, "a + 1", Limits())
    assert not passes(program, "a + 2", Limits())
    assert not passes(program, "a +", Limits())


def test_a_language_without_toolchain_is_known() -> None:
    assert not has_toolchain("cobol")
