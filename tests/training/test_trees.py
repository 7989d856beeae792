"""Holes that are whole pieces of syntax: what they are in each language, and what never."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Node, Parser, Tree

from fimtraining.trees import MAX_NODE_SHARE, _parser, sample_subtree
from support.source_texts import make_python

CODE = make_python(1, num_functions=12)
TEXTS = {
    "python": ("a.py", "def add(a, b):\n    total = a + b\n    return total\n"),
    "typescript": ("a.ts", "const f = (a: number): number => {\n  return <number>a + 1;\n};\n"),
    "tsx": ("a.tsx", "const f = () => {\n  return <b>{name}</b>;\n};\n"),
    "javascript": ("a.js", "function f(a) {\n  return a.map((x) => x + 1);\n}\n"),
    "java": ("A.java", "class A {\n  int f(int a) {\n    return a + 1;\n  }\n}\n"),
    "go": ("a.go", "package a\n\nfunc f(a int) int {\n\treturn a + 1\n}\n"),
    "rust": ("a.rs", "fn f(a: u32) -> u32 {\n    let b = a + 1;\n    b * 2\n}\n"),
    "cpp": ("a.cpp", "int f(int a) {\n  std::vector<int> b{a};\n  return b.size();\n}\n"),
    "csharp": ("A.cs", "class A {\n  int F(int a) {\n    return a + 1;\n  }\n}\n"),
}


def parse(text: str, dialect: str) -> Tree:
    parser: Parser = _parser(dialect)
    return parser.parse(text.encode())


def runs(node: Node) -> set[tuple[int, int]]:
    """Return the ends of every run of neighbouring children, and of every node itself."""
    found = {(node.start_byte, node.end_byte)}
    for first, child in enumerate(node.children):
        found |= {(child.start_byte, last.end_byte) for last in node.children[first:]}
        found |= runs(child)
    return found


@pytest.mark.parametrize("dialect", TEXTS)
def test_every_hole_is_a_run_of_nodes(dialect: str) -> None:
    path, text = TEXTS[dialect]
    language = "typescript" if dialect == "tsx" else dialect
    tree = parse(text, dialect)
    assert not tree.root_node.has_error
    whole = runs(tree.root_node)
    spans = [sample_subtree(text, language, path, random.Random(seed)) for seed in range(200)]
    found = [span for span in spans if span is not None]
    assert len(found) > 150
    assert len(set(found)) > 8
    assert set(found) <= whole
    assert all(2 <= end - start <= MAX_NODE_SHARE * len(text) for start, end in found)


def test_holes_come_in_every_size() -> None:
    sizes: Counter[str] = Counter()
    for seed in range(400):
        span = sample_subtree(CODE, "python", "a.py", random.Random(seed))
        assert span is not None
        middle = CODE[span.start : span.end]
        sizes["word"] += middle.isidentifier()
        sizes["in a line"] += "\n" not in middle and not middle.isidentifier()
        sizes["lines"] += "\n" in middle
    assert min(sizes.values()) > 10


def test_no_hole_begins_before_the_place_asked_for() -> None:
    at = CODE.index("def", len(CODE) // 2)
    spans = [sample_subtree(CODE, "python", "a.py", random.Random(s), at) for s in range(100)]
    assert all(span is None or span.start >= at for span in spans)
    assert sum(span is not None for span in spans) > 80


def test_characters_are_counted_not_bytes() -> None:
    text = "größe = 'ü' * 2\nname = größe + 'é'\n"
    for seed in range(50):
        span = sample_subtree(text, "python", "a.py", random.Random(seed))
        if span is not None:
            raw = text[: span.start].encode(), text[: span.end].encode()
            assert (len(raw[0]), len(raw[1])) in runs(parse(text, "python").root_node)


@settings(deadline=None)
@given(text=st.text(max_size=200), seed=st.integers(0, 2**32))
def test_any_text_gives_a_hole_inside_it_or_none(text: str, seed: int) -> None:
    span = sample_subtree(text, "cpp", "a.h", random.Random(seed))
    assert span is None or 0 <= span.start < span.end <= len(text)


def test_without_a_grammar_or_a_text_there_is_none() -> None:
    assert sample_subtree("x = 1\n", "cobol", "a.cob", random.Random(1)) is None
    assert sample_subtree("", "python", "a.py", random.Random(1)) is None


def test_same_generator_gives_the_same_hole() -> None:
    draws = [sample_subtree(CODE, "python", "a.py", random.Random(5)) for _ in range(2)]
    assert draws[0] == draws[1]
