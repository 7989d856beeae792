"""Draw places from repositories, with the context that would be sent and what it would be at best.

    python -m fimeval.context_spans REPOSITORY... --spans 15 --output rows.jsonl

REPOSITORY is a checkout or a bare clone. Each row is a hole from a random name in a line to the end
of that line: `prompt`, `suffix`, `canonical_solution` as in HumanEval-Infilling, `path`, and under
`contexts` two lists of snippets: `cursor`, found from the text around the hole as a language server
finds them, and `oracle`, found with the middle known, as in mining. `python -m
fimtraining.context_loss` says what they are worth to a model.
"""

import argparse
import json
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fimserve.context import ProjectFinder, RepositoryIndex, Span, find_snippets
from fimserve.context.words import identifiers_of

MIN_FILE_CHARS = 800
MAX_FILE_CHARS = 60_000
MIN_MIDDLE_CHARS = 4
ENDINGS = (".py", ".ts", ".tsx")
WANTED = (*ENDINGS, ".pyi", ".js", ".jsx", ".json")
"""Files that are written of a bare clone."""


def check_out(repository: Path, folder: Path) -> Path:
    """Return a folder with the files of a repository's newest commit.

    Args:
        repository: A checkout or a bare clone.
        folder: Where its files are written if it is bare.

    Returns:
        The folder.
    """
    if (repository / ".git").exists():
        return repository
    listed = _git(repository, "ls-tree", "-r", "-z", "--name-only", "HEAD").split(b"\0")
    for name in map(os.fsdecode, filter(None, listed)):
        # A bare clone may lack its largest files; sources are there.
        if name.endswith(WANTED):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(_git(repository, "show", f"HEAD:{name}"))
    return folder


def _git(repository: Path, *arguments: str) -> bytes:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, check=True).stdout


def draw_spans(index: RepositoryIndex, num_spans: int, rng: random.Random) -> Iterator[Span]:
    """Yield holes in files that a programmer would write, tests among them.

    Args:
        index: The repository.
        num_spans: How many.
        rng: Decides which.

    Yields:
        Span: A hole from a name to the end of its line.
    """
    files = {path: file.text for path in index.paths if (file := index.find_file(path))}
    candidates = [
        path
        for path, text in files.items()
        if path.endswith(ENDINGS) and MIN_FILE_CHARS <= len(text) <= MAX_FILE_CHARS
    ]
    num_drawn = 0
    for _ in range(num_spans * 200):
        if num_drawn == num_spans or not candidates:
            return
        path = rng.choice(candidates)
        text = files[path]
        start = text.rfind("\n", 0, rng.randrange(len(text))) + 1
        line = text[start:].partition("\n")[0].rstrip()
        names = identifiers_of(line)
        if not names or line.strip().startswith(("#", "//", "*", "/*", '"""')):
            continue
        column = line.index(rng.choice(names))
        # A blank before the name begins its token, so it belongs to the middle.
        at = start + column - (line[:column].strip() != "" and line[column - 1] == " ")
        middle = text[at : start + len(line)]
        if len(middle) >= MIN_MIDDLE_CHARS:
            num_drawn += 1
            yield Span(path, text[:at], middle, text[start + len(line) :])


def make_row(
    repository: str, index: RepositoryIndex, finder: ProjectFinder, span: Span, max_tokens: int
) -> dict[str, Any]:
    """Return one row of the file.

    Args:
        repository: Name of the repository.
        index: Its index.
        finder: Finds definitions in it.
        span: The hole.
        max_tokens: Budget of a list of snippets.

    Returns:
        Plain values.
    """
    around = (span.path, span.prefix)
    found = {
        "cursor": find_snippets(index, *around, None, span.suffix, max_tokens),
        "oracle": find_snippets(
            index, *around, span.middle, span.suffix, max_tokens, finder=finder
        ),
    }
    return {
        "repository": repository,
        "path": span.path,
        "prompt": span.prefix,
        "canonical_solution": span.middle,
        "suffix": span.suffix,
        "contexts": {name: [asdict(each) for each in snippets] for name, snippets in found.items()},
    }


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and write the rows.

    Args:
        arguments: Command line without the program's name; None takes the process's own.
    """
    parser = argparse.ArgumentParser(prog="python -m fimeval.context_spans")
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--spans", type=int, default=15, help="of each repository")
    parser.add_argument("--max-tokens", type=int, default=512, help="budget of the snippets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    with given.output.open("w", encoding="utf-8") as output:
        for repository in given.repositories:
            with tempfile.TemporaryDirectory(prefix="fimeval-context-") as folder:
                root = check_out(repository, Path(folder))
                index = RepositoryIndex.build(root)
                rng = random.Random(f"{given.seed}/{repository.name}")
                with ProjectFinder(root) as finder:
                    for span in draw_spans(index, given.spans, rng):
                        row = make_row(repository.name, index, finder, span, given.max_tokens)
                        output.write(json.dumps(row) + "\n")
                    left_out = dict(finder.left_out)
            print(json.dumps({"repository": repository.name, "left_out": left_out}))  # noqa: T201


if __name__ == "__main__":
    main()
