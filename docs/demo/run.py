"""Complete ten places in real files and print what came out beside what stood there.

    make demo                      Markdown, as docs/demo/README.md holds it

The places are in places.toml: a file, the text the cursor stands behind, and the text up to which
the file is emptied. Files are this repository's own and Python's standard library; neither is in
the embedded model's training data.
"""

import json
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOTS = {"repository": HERE.parent.parent, "stdlib": Path(sysconfig.get_path("stdlib"))}


class Place(NamedTuple):
    """A cursor in a file, and the text that was taken out behind it."""

    root: str
    file: str
    after: str
    until: str

    @property
    def path(self) -> Path:
        """Where the file is."""
        return ROOTS[self.root] / self.file


class Hole(NamedTuple):
    """The text around a place."""

    prefix: str
    middle: str
    suffix: str


def cut_hole(place: Place) -> Hole:
    """Return the file of a place as prefix, the text taken out, and suffix.

    Raises:
        ValueError: If one of the two texts is not in the file: it has been edited since.
    """
    text = place.path.read_text(encoding="utf-8")
    start = text.find(place.after)
    if start < 0:
        raise ValueError(f"{place.file} no longer holds {place.after!r}; mend places.toml")
    start += len(place.after)
    end = text.find(place.until, start)
    if end < 0:
        raise ValueError(f"{place.file}: {place.until!r} does not follow {place.after!r}")
    return Hole(text[:start], text[start:end], text[end:])


def complete(place: Place, hole: Hole) -> dict[str, object]:
    """Return what `fimserve complete --json` says of a place."""
    line = hole.prefix.count("\n") + 1
    column = len(hole.prefix) - hole.prefix.rfind("\n")
    command = [sys.executable, "-m", "fimserve", "complete", "--json", "--stdin"]
    done = subprocess.run(
        [*command, f"{place.path}:{line}:{column}"],
        input=hole.prefix + hole.suffix,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def show(number: int, place: Place, hole: Hole, answer: dict[str, object]) -> None:
    """Print one place as Markdown, which reads well in a terminal too."""
    text = str(answer["text"])
    same = text.strip() == hole.middle.strip()
    before = hole.prefix.split("\n")[-3:]
    print(f"### {number}. `{place.file}`: {'as written' if same else 'different'}\n")
    print("```\n" + "\n".join(before) + "█\n```\n")
    print("| | |\n|---|---|")
    print(f"| stood there | {_cell(hole.middle)} |")
    print(f"| completed | {_cell(text)} |\n")


def _cell(text: str) -> str:
    lines = [f"`{line}`" if line else "" for line in text.replace("|", "\\|").split("\n")]
    return "<br>".join(lines) or "(nothing)"


def main() -> None:
    """Complete every place of places.toml."""
    entries = tomllib.loads((HERE / "places.toml").read_text(encoding="utf-8"))["place"]
    for number, entry in enumerate(entries, 1):
        place = Place(**entry)
        hole = cut_hole(place)
        show(number, place, hole, complete(place, hole))


if __name__ == "__main__":
    main()
