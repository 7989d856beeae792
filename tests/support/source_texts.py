"""Source files that no two seeds share: code for corpora that tests make."""

import random

_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo yu za"


def make_python(seed: int, num_functions: int = 6) -> str:
    """Return a Python module that parses, with words of its own seed."""
    rng = random.Random(seed)
    blocks = [f'"""{_sentence(rng)}"""\n\nimport {_word(rng)}\n']
    blocks += [_python_function(rng) for _ in range(num_functions)]
    return "\n\n".join(blocks)


def make_go(seed: int, num_functions: int = 6) -> str:
    """Return a Go file with words of its own seed."""
    rng = random.Random(seed)
    blocks = [f"package {_word(rng)}\n"]
    for _ in range(num_functions):
        name, left, right, total = (_word(rng) for _ in range(4))
        blocks.append(
            f"// {name} {_sentence(rng)}\n"
            f"func {name}({left} int, {right} int) int {{\n"
            f"\t{total} := {left} {rng.choice('+-*')} {right}\n"
            f"\tif {total} > {left} {{\n\t\treturn {_word(rng)}({total})\n\t}}\n"
            f"\treturn {total}\n}}\n"
        )
    return "\n".join(blocks)


def _python_function(rng: random.Random) -> str:
    name, left, right, total = (_word(rng) for _ in range(4))
    return (
        f"def {name}({left}, {right}):\n"
        f'    """{_sentence(rng)}"""\n'
        f"    {total} = {left}.{_word(rng)}({right})\n"
        f"    if {total} is None:\n"
        f"        raise ValueError({_word(rng)!r})\n"
        f"    return [{_word(rng)} for {_word(rng)} in {total}]\n"
    )


def _sentence(rng: random.Random) -> str:
    return " ".join(_word(rng) for _ in range(rng.randint(4, 8))).capitalize() + "."


def _word(rng: random.Random) -> str:
    return "".join(rng.choice(_SYLLABLES.split()) for _ in range(rng.randint(2, 4)))
