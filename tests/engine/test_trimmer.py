"""Where completions end: `█` is the cursor, then what the model writes, then what is shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine.surroundings import PREFIX_CHARS, SUFFIX_CHARS, Surroundings
from fimserve.engine.trimmer import Trimmer
from support.completing import show

JS, TS, GO, RUST, JAVA = "javascript", "typescript", "go", "rust", "java"
PYTHON, CPP, CSHARP = "python", "cpp", "csharp"
LANGUAGES = [JS, TS, GO, RUST, JAVA, PYTHON, CPP, CSHARP, "typescriptreact", "ruby", "klingon"]


def check(
    document: str, written: str, shown: str, language: str | None, single_line: bool = False
) -> None:
    for num_chars in (None, 1, 3):
        seen = show(document, written, language, single_line=single_line, num_chars=num_chars)
        assert seen.text == shown


# --- the rest of the cursor's line ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "written", "shown"),
    [
        ("foo(█)\n", "a, b)", "a, b"),
        ("foo(█)\n", "bar()", "bar()"),
        ("foo(█)\n", "bar(x))", "bar(x)"),
        ("foo(█);\n", "bar(x));", "bar(x)"),
        ("foo(█)\n", "a) + b", "a"),
        ("foo(█)\n", "a) + b(c)", "a) + b(c"),
        ("foo(█)\n", "a) + b(c) + d", "a"),
        ("f([{█}])\n", "a: 1}, {b: 2}])", "a: 1}, {b: 2"),
        ("foo(bar(█)\n", "x)", "x)"),
        ("foo(bar(█)\n", "x))", "x)"),
        ("foo(bar(█))\n", "x))", "x"),
        ("foo(█))\n", "f(x))", "f(x)"),
        ("def f(█):\n", "a, b):", "a, b"),
        ("x = █;\n", "1;", "1"),
        ("x = [█]\n", "1, [2]]", "1, [2]"),
        ("x = [█]\n", "y[0]", "y[0]"),
        ("foo(a█, b)\n", "x, b)", "x"),
        ("foo(█, b)\n", "f(a, b), b)", "f(a, b)"),
        ("x█ = 1\n", "s = 1", "s"),
        ("x█ = 1\n", "s =", "s"),
        ("foo(█ + 1)\n", "a + 1)", "a"),
        ("foo(█ + 1)\n", "a + 2", "a + 2"),
    ],
)
def test_what_stands_right_of_the_cursor_is_not_written_again(
    document: str, written: str, shown: str
) -> None:
    check(document, written, shown, None, single_line=True)


@pytest.mark.parametrize(
    ("document", "written", "shown"),
    [
        ("if a:\n█    return 0\n", "        return 0", "        return 0"),
        ("if a:\n█    return 0\n", "    return 0", ""),
        ("pri█nt(x)\n", "nt(x)", ""),
        ("pri█nt(x)\n", "nt", ""),
        ("ru█ning\n", "n", "n"),
        ("get_█_name\n", "user", "user"),
        ("get_█_name\n", "user_name", "user"),
        ('print("█")\n', 'hello")', "hello"),
        ('print("█")\n', 'hello"', "hello"),
        ('print("█")\n', 'a" + "b', 'a" + "b'),
        ("print(█'a')\n", "f(x) + ", "f(x) + "),
    ],
)
def test_words_and_quotes_that_the_suffix_completes(
    document: str, written: str, shown: str
) -> None:
    check(document, written, shown, PYTHON, single_line=True)


@pytest.mark.parametrize("language", [PYTHON, JS, None])
def test_a_rest_that_comes_lines_later_ends_the_completion_too(language: str | None) -> None:
    check("foo(█)\n", "a,\n    b)\nbar()\n", "a,\n    b", language)
    check("def f(█):\n", "a, b):\n    return", "a, b", language)


# --- lines of the suffix -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "written", "shown"),
    [
        ("def f():\n    █\n    return total\n", "x = 0\n    return total\n", "x = 0"),
        ("def f():\n    █\n    return total\n", "x = 0\n    return tot", "x = 0"),
        ("def f():\n    █\n    return total\n", "if x:\n        return total\n", None),
        ("def f():\n    █\n    return total\n", "return total\n", ""),
        ("def f():\n    █\n    try:\n        a()\n", "try:\n        b()\n", "try:\n        b()"),
        ("def f():\n    █\n    try:\n        a()\n", "x\n    try:\n        a()\n", "x"),
        ("def f():\n    re█\n    return total\n", "turn total\n", ""),
        ("def f():\n    re█\n    return total\n", "turn 0", "turn 0"),
        ("x = [\n  █\n  {\n    b\n  }\n]", "{\n    a\n  },\n", "{\n    a\n  },"),
        ("x = [\n  █\n  {\n    b\n  }\n]", "1,\n  {\n    b\n  }\n", "1,"),
        # The cursor's line has a rest: what stands below that does not follow the completion.
        ("if a:█    if b:\n        return 0\n", "\n        return 0\n", "\n        return 0"),
        ("if a:█    if b:\n        return 0\n", "\n    c()\n    if b:\n    d", "\n    c()"),
        (
            "class A:\n    def f(self):\n        █\n\n    def g(self):\n        pass\n",
            "return 1\n\n    def g(self):\n        pass\n",
            "return 1",
        ),
    ],
)
def test_the_next_line_of_the_suffix_ends_it(
    document: str, written: str, shown: str | None
) -> None:
    check(document, written, written.rstrip() if shown is None else shown, PYTHON)


@pytest.mark.parametrize(
    ("document", "written", "shown"),
    [
        ("    █\n    return total\n", "return total", ""),
        ("    re█\n    return total\n", "turn total", ""),
        ("    re█\n    return total\n", "turn 0", "turn 0"),
        ("foo(\n    a,\n    █\n)\n", "b)", "b"),
        # Begun below the cursor's own line, which was whole.
        ("if a:█\n    pass\n", "\n    pass", ""),
        ("x = 1█\ny = 2\n", "\ny = 2", ""),
        ("x = 1█\ny = 2\n", "\ny = 3", "\ny = 3"),
        ("x = 1█\n\ny = 2\n", "\n\ny = 2", ""),
        ("f()\n█\nf()\n", "g()", "g()"),
    ],
)
def test_a_single_line_that_is_the_next_one(document: str, written: str, shown: str) -> None:
    check(document, written, shown, PYTHON, single_line=True)


# --- blocks in braces ----------------------------------------------------------------------------

BODY = "\n    if (a) {\n        b();\n    }\n    c();"


@pytest.mark.parametrize(
    ("head", "language"),
    [
        ("function f() {", JS),
        ("const f = (a: string): void => {", TS),
        ("const A = () => {", "typescriptreact"),
        ("func f() {", GO),
        ("fn f<'a>(x: &'a str) {", RUST),
        ("void f() {", JAVA),
        ("int f() {", CPP),
        ("void F() {", CSHARP),
        ("fun f() {", "kotlin"),
        ("f() {", None),
    ],
)
def test_a_block_ends_with_its_brace_and_no_brace_is_written_twice(
    head: str, language: str | None
) -> None:
    written = BODY + "\n}\n\nint x;\n"
    check(head + "█", written, BODY + "\n}", language)
    check(head + "█\n}\n", written, BODY, language)
    check(head + "\n    █\n", "c();\n}\nd();\n", "c();\n}", language)
    check(head + "\n    █\n}\n", "c();\n}\nd();\n", "c();", language)


@pytest.mark.parametrize(
    ("document", "written", "shown", "language"),
    [
        ("if (a) {\n  █", "b();\n} else {\n  c();\n}\nd();\n", "b();\n} else {\n  c();\n}", JS),
        ("if (a) {\n  █\n}\n", "b();\n} else {\n  c();\n}\n", "b();\n} else {\n  c();", JS),
        ("if (a) {\n  b();█\n}\n", "\n} else { c(); }\n", "", JS),
        (
            "try {\n  █",
            "b();\n} catch (e) {\n  c();\n}\nd();",
            "b();\n} catch (e) {\n  c();\n}",
            JAVA,
        ),
        # One brace for two: indentation tells whose it is.
        ("if (a) {\n  if (b) {\n    c();█\n}\n", "\n  }\n", "\n  }", JS),
        ("if (a) {\n  if (b) {\n    c();█}\n", "\n  }\n", "\n  }", JS),
        ("if (a) {\n  if (b) {\n    c();█  }\n}\n", "\n  }\n", "", JS),
        ("f(function () {\n  if (b) {█    c();\n});\n", "\n    d();\n  }\n", None, JS),
        ("if (a) {█\n}\n", "\nb();\nc();\n}\n", "\nb();\nc();", JS),
        ("if (a) {\n    █\n}\n", "b();\n  c();\n// d\n  e();\n", "b();\n  c();\n// d\n  e();", JS),
        ("if (a) {\n    █\n", "b();\nc();\n}\n", "b();", JS),
        ("function a() {\n  if (x) {\n    █\n}\n", "b();\n  }\n  c();\n}\n", "b();\n  }", JS),
        ("foo(function () {\n  █\n});\n", "bar();\n});\nbaz", "bar();", JS),
        ("foo(function () {\n  █\n", "bar();\n});\nbaz();\n", "bar();\n});", JS),
        ("const f = () =>█", " {\n  a();\n};\nconst g = 1;\n", " {\n  a();\n};", JS),
        ("f() {█", "\n  a('}');\n  b(`${c}}`);\n}\nd", "\n  a('}');\n  b(`${c}}`);\n}", JS),
        ("f() {█", "\n  a(/}/);\n  b();\n}\nd", "\n  a(/}/);\n  b();\n}", JS),
        ("f() {█", "\n  // }\n  b();\n}\nd", "\n  // }\n  b();\n}", JS),
        ("fn f() {█", "\n  let c = '}';\n  b();\n}\nd", "\n  let c = '}';\n  b();\n}", RUST),
        ("func f() {\n\tif e {\n\t\t█\n", "return e\n\t}\n\treturn\n}\n", "return e\n\t}", GO),
        ("int f() {\n    █\n", "a();\n#if X\n    b();\n#endif\n}\nint", None, CPP),
        ("def f\n  █", "a\nend\n\ndef g", "a\nend", "ruby"),
        ("def f\n  █\nend\n", "a\nend\n\ndef g", "a", "ruby"),
    ],
)
def test_clauses_braces_in_strings_and_braces_not_there(
    document: str, written: str, shown: str | None, language: str
) -> None:
    shown = written[: written.rindex("}") + 1] if shown is None else shown
    check(document, written, shown, language)


# --- blocks by indentation -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "written", "shown"),
    [
        ("def f():\n    █\n", "return 1\n\n\ndef g():\n    pass\n", "return 1"),
        ("def f():█\n", "\n    return 1\n\n\nx = 1\n", "\n    return 1"),
        ("def f(█", "xs):\n    return 1\n\nprint()\n", "xs):\n    return 1"),
        ("if a:\n    █", "b()\nelse:\n    c()\nd()\n", "b()\nelse:\n    c()"),
        ("if a:\n    █\nelse:\n    c()\n", "b()\nelse:\n    d()\n", "b()"),
        ("if a:\n    █\nelse:\n    c()\n", "b()\nelif b:\n    d()\n", "b()\nelif b:\n    d()"),
        ("x = f(\n        █\n)\n", "a,\n    b,\n)\n", "a,\n    b,"),
        ("def f():\n    █", "x = 1\nelse:\n    c()\n", "x = 1"),
        ("try:\n    █", "b()\nexcept E:\n    pass\nd()\n", "b()\nexcept E:\n    pass"),
        ("def f():\n    x = [\n        █", "1,\n    ]\n    return x\n", "1,\n    ]"),
        ("def f():\n    █", 'x = """\nraw\n"""\n    y\nz = 1', 'x = """\nraw\n"""\n    y'),
        ("def f():\n    █", "x = g(\n1,\n)\n    y\nz = 1", "x = g(\n1,\n)\n    y"),
        ("import os█\n", "\nimport sys\n", "\nimport sys"),
        ("def f():\n    if a:\n        b()█", "\n    c()\n    d()\n\ne()\n", "\n    c()\n    d()"),
        ("def f():\n    b()█", "\n    c()\n\n\ndef g():", "\n    c()"),
        ("x = 1\n█", "y = 2\nz = 3\n", "y = 2\nz = 3"),
    ],
)
def test_a_block_ends_before_a_line_indented_less(document: str, written: str, shown: str) -> None:
    check(document, written, shown, PYTHON)


def test_an_unknown_language_is_measured_by_indentation() -> None:
    check("task build:\n  █", "run a\n  run b\ntask test:\n", "run a\n  run b", None)


# --- white space, deadline, trim=False -----------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "written", "shown"),
    [
        ("x = █\n", "1  ", "1"),
        ("x = █\n", "   ", ""),
        ("foo(a, █b)\n", "c, ", "c, "),
        ("x =█ 1\n", " ", ""),
        ("x = █", "1\t", "1"),
    ],
)
def test_white_space_that_nothing_follows_goes(document: str, written: str, shown: str) -> None:
    check(document, written, shown, None, single_line=True)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("x = 1\n    y = 2\n    z = ", "x = 1\n    y = 2"),
        ("x = 1\n    y = 2\n", "x = 1\n    y = 2"),
        ("x = 1 +", "x = 1 +"),
        ("\n\n    x", "\n\n    x"),
        ("", ""),
    ],
)
def test_a_deadline_ends_at_a_line_end(written: str, shown: str) -> None:
    for num_chars in (None, 1, 5):
        seen = show("def f():\n    █", written, PYTHON, at_deadline=True, num_chars=num_chars)
        assert seen.text == shown


def test_without_trimming_only_stops_count() -> None:
    written = "a)\n}\n\n\nx\nx\nx\nx\nx\n  "
    assert show("foo(█)\n", written, JS, trim=False).text == written
    assert show("foo(█)\n", written, JS, trim=False, stops=("}",)).text == "a)\n"
    assert show("foo(█)\n", written, JS, trim=False, single_line=True).text == "a)"


def test_lines_leave_when_they_are_certain() -> None:
    from fimserve.engine.text_stream import TextStream

    tokens = [b"x", b" = 1", b"\n", b"    y", b" = 2", b"\n", b"z"]
    stream = TextStream(tokens.__getitem__, prefix="def f():\n    ", language=PYTHON, trim=True)
    pieces = [stream.feed(i) for i in range(len(tokens))]
    assert pieces == ["x", " = 1", "", "", "", "\n    y = 2", ""]
    assert stream.flush() == ""
    assert stream.stopped


# --- anything at all -----------------------------------------------------------------------------

DOCUMENTS = [
    "█",
    "foo(█)\n",
    "foo(bar(█)",
    'x = "█"\n',
    "    █",
    "def f():\n    █\n    return total\n",
    "if (a) {\n  █\n}\n",
    "█\nreturn total",
    "if a:\n    █\nelse:\n  x",
    "x█ = 1\n",
    "{\n█\n}\n\nfoo(a, b)",
    "\x00\ud800█\udc00\r\n\x00",
    "\t\t\t█\t\r\n\r\n",
    "👩‍👩‍👧█\u0301x)\n",
]
PIECES = st.sampled_from(
    [
        "foo",
        "(",
        ")",
        "{",
        "}",
        "\n",
        "\n    ",
        "\n        ",
        "\n  ",
        " ",
        "x = 1",
        "return total",
        "if a:",
        "else:",
        '"',
        "'",
        ";",
        ", ",
        "[",
        "]",
        "é",
        "😀",
        "\t",
        "# c",
        "//",
        "/*",
        "*/",
        '"""',
        "`",
        "}\n",
        "\n\n",
        "a, b",
        "def f():",
        "end",
        "\r\n",
        "\r",
        "\x00",
        "👩\u200d👩\u200d👧",
        "́",
    ]
)
WRITTEN = st.lists(PIECES, max_size=25).map("".join) | st.builds(
    lambda piece, times: piece * times, st.lists(PIECES, max_size=4).map("".join), st.integers(1, 9)
)


@given(
    document=st.sampled_from(DOCUMENTS),
    written=WRITTEN,
    language=st.sampled_from([None, *LANGUAGES]),
    single_line=st.booleans(),
    at_deadline=st.booleans(),
    num_chars=st.integers(1, 7),
)
@settings(max_examples=300, deadline=None)
def test_streamed_and_whole_answers_are_equal(
    document: str,
    written: str,
    language: str | None,
    single_line: bool,
    at_deadline: bool,
    num_chars: int,
) -> None:
    fields = {"single_line": single_line, "at_deadline": at_deadline}
    whole = show(document, written, language, **fields)  # type: ignore[arg-type]
    streamed = show(document, written, language, num_chars=num_chars, **fields)  # type: ignore[arg-type]
    assert streamed.text == whole.text
    untrimmed = written.replace("\r\n", "\n").replace("\r", "\n")
    assert untrimmed.startswith(whole.text.replace("\r\n", "\n"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("piece", ["x = [1, 2, 3]\n", "x", "{\n", "'", "é😀", "\x00"])
def test_of_a_big_file_a_window_is_looked_at(piece: str, language: str) -> None:
    text = piece * (1_000_000 // len(piece))
    around = Surroundings(text, text, language)
    assert len(around.window) <= PREFIX_CHARS
    assert text.endswith(around.window)
    assert sum(map(len, around.lines_below)) <= SUFFIX_CHARS
    trimmer = Trimmer(around, single_line=False)
    released = trimmer.feed("y = 2)\n    z\n") + trimmer.flush()
    assert "y = 2)\n    z\n".startswith(released)
