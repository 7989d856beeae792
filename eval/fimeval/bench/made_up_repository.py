"""A repository of made-up files that import each other, in four languages, the same for one seed.

Its files are as long as real ones, about a hundred lines; names follow a skewed distribution, as in
real code, so that searching is no easier than there.
"""

import random
from collections.abc import Iterator

__all__ = ["make_files"]

_NOUNS = (
    "account cache client column cursor document event field filter frame graph handler "
    "index invoice item key ledger limit list lock message model node option order packet "
    "page parser path payment plan policy price query queue range record report request "
    "response result route row schema session shape signal socket source state stream table "
    "tag target task token total trace transaction tree user value vector version view "
    "window worker writer"
)
_VERBS = (
    "add apply build check close collect compare compute copy count create decode delete "
    "encode fetch find flush format load make merge move open parse pick plan print read "
    "remove render replace reset resolve save search send set sort split start stop store "
    "take update validate wait walk write"
)
NOUNS = tuple(_NOUNS.split())
VERBS = tuple(_VERBS.split())
_ENDINGS = ("py", "ts", "go", "java")
FUNCTIONS = (4, 14)
"""Fewest and most functions of a file."""
STATEMENTS = (4, 12)


def make_files(num_files: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Return the files of a repository.

    Args:
        num_files: How many.
        seed: Decides all texts.

    Yields:
        tuple[str, str]: Path and text.
    """
    rng = random.Random(seed)
    names = [_make_name(rng) for _ in range(num_files * 4)]
    for number in range(num_files):
        ending = _ENDINGS[number % len(_ENDINGS)]
        folder = f"{NOUNS[number % 40]}s/{NOUNS[(number // 40) % len(NOUNS)]}"
        yield f"{folder}/file_{number}.{ending}", _make_text(rng, names, ending, number)


def _make_name(rng: random.Random) -> str:
    return f"{rng.choice(VERBS)}_{rng.choice(NOUNS)}_{rng.choice(NOUNS)}"


def _make_text(rng: random.Random, names: list[str], ending: str, number: int) -> str:
    own = [rng.choice(names) for _ in range(rng.randint(*FUNCTIONS))]
    used = [names[min(int(rng.paretovariate(0.6)), len(names)) - 1] for _ in range(12)]
    other = f"file_{rng.randrange(number + 1)}"
    lines = [_IMPORTS[ending].format(other=other, name=used[0])]
    for name in own:
        lines += ["", _HEADS[ending].format(name=name, noun=rng.choice(NOUNS))]
        lines += [_statement(rng, used, ending) for _ in range(rng.randint(*STATEMENTS))]
        lines += [_TAILS[ending]]
    text = "\n".join([*lines, ""])
    return f"class File{number} {{\n{text}}}\n" if ending == "java" else text


def _statement(rng: random.Random, used: list[str], ending: str) -> str:
    left, right = rng.choice(NOUNS), rng.choice(NOUNS)
    end = "" if ending in ("py", "go") else ";"
    declare = {"py": "", "ts": "const ", "go": "", "java": "var "}[ending]
    assign = ":=" if ending == "go" else "="
    return f"    {declare}{left}_{right} {assign} {rng.choice(used)}({left}, {right}.{left}){end}"


_IMPORTS = {
    "py": "from {other} import {name}",
    "ts": 'import {{ {name} }} from "./{other}";',
    "go": 'package main\n\nimport "example.org/{other}"',
    "java": "import org.example.{other};",
}
_HEADS = {
    "py": "def {name}({noun}, limit=10):",
    "ts": "export function {name}({noun}: number, limit = 10) {{",
    "go": "func {name}({noun} int, limit int) int {{",
    "java": "static int {name}(int {noun}, int limit) {{",
}
_TAILS = {
    "py": "    return limit",
    "ts": "    return limit;\n}",
    "go": "    return limit\n}",
    "java": "    return limit;\n}",
}
