"""Programs that a model wrote: what passes, what fails, and what is not allowed."""

import time
from pathlib import Path

import pytest

from fimeval.execution import Limits, has_toolchain, is_caged, passes
from fimeval.program import Case, Program

SHORT = Limits(seconds=1.0, memory_mib=512)


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


@pytest.mark.skipif(not is_caged(), reason="this system lets nobody leave the network")
def test_there_is_no_network() -> None:
    text = (
        "import socket\n"
        "server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()\n"
        "socket.create_connection(server.getsockname(), 1)\n"
    )
    assert not passes(make_program(text), "", SHORT)


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
