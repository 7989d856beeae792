"""What guessing ahead gains, and what it costs where it gains nothing: the engine alone, no server.

    GOMP_SPINCOUNT=10000 python kernels/bench/bench_speculation.py --model embedded --n 40

Every completion is asked for twice, with and without guesses, in turn. Three habits:

- typing: one session, the cursor moves on by a few characters: what was suggested is asked again;
- reading on: one session, each prompt another place of the sources;
- noise: one session, prompts of random tokens: what follows cannot be guessed from what was there.

A table, then one JSON line. Time per token is from the first piece of text to the last, of 32
tokens; the median of the pairs' ratios is less moved by neighbours than the ratio of medians.
GOMP_SPINCOUNT is what `fimserve` itself sets.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from fimserve.engine import CompletionRequest, Engine, EngineSettings

SOURCES = Path(__file__).resolve().parents[2] / "fimserve"
PREFIX_CHARS, SUFFIX_CHARS, NUM_TOKENS = 3000, 1000, 32


class Place(NamedTuple):
    """A cursor in a text."""

    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds the times of one habit."""

    habit: str
    with_ms: float
    """Per token, median."""
    without_ms: float
    ratio: float
    """Median of the pairs' ratios; below 1 guessing gains."""
    num_pairs: int


def type_along(text: str, count: int, rng: random.Random) -> Iterator[Place]:
    """Yield places a few characters apart."""
    start = rng.randrange(PREFIX_CHARS, len(text) - SUFFIX_CHARS - 5 * count)
    for index in range(count):
        cursor = start + 3 * index
        yield Place(text[cursor - PREFIX_CHARS : cursor], text[start + 400 :][:SUFFIX_CHARS])


def read_on(text: str, count: int, rng: random.Random) -> Iterator[Place]:
    """Yield places that have nothing to do with each other."""
    for _ in range(count):
        cursor = rng.randrange(PREFIX_CHARS, len(text) - SUFFIX_CHARS)
        yield Place(text[cursor - PREFIX_CHARS : cursor], text[cursor + 40 :][:SUFFIX_CHARS])


def make_noise(text: str, count: int, rng: random.Random) -> Iterator[Place]:
    """Yield the text's words in a random order."""
    words = text.split()
    for _ in range(count):
        drawn = " ".join(rng.choices(words, k=600))
        yield Place(drawn[:PREFIX_CHARS], drawn[-SUFFIX_CHARS:])


HABITS = {"typing": type_along, "reading on": read_on, "noise": make_noise}


async def time_completion(engine: Engine, place: Place, session: str, speculate: bool) -> float:
    """Return milliseconds per token after the first."""
    request = CompletionRequest(
        prefix=place.prefix,
        suffix=place.suffix,
        max_tokens=NUM_TOKENS,
        ignore_eos=True,
        session=session,
        speculate=speculate,
    )
    told_s = [time.perf_counter() async for _ in engine.open(request)]
    return (told_s[-1] - told_s[0]) * 1000 / (NUM_TOKENS - 1)


async def compare(engine: Engine, habit: str, text: str, count: int) -> Comparison:
    """Ask for every completion of a habit with and without guesses, in turn."""
    pairs: list[tuple[float, float]] = []
    for index, place in enumerate(HABITS[habit](text, count, random.Random(0))):
        ways = (True, False) if index % 2 else (False, True)
        times = {way: await time_completion(engine, place, f"{habit} {way}", way) for way in ways}
        pairs.append((times[True], times[False]))
    return Comparison(
        habit,
        with_ms=round(statistics.median(on for on, _ in pairs), 3),
        without_ms=round(statistics.median(off for _, off in pairs), 3),
        ratio=round(statistics.median(on / off for on, off in pairs), 4),
        num_pairs=len(pairs),
    )


async def measure(engine: Engine, count: int) -> list[Comparison]:
    """Return the comparison of every habit."""
    text = "\n".join(path.read_text() for path in sorted(SOURCES.rglob("*.py")))
    return [await compare(engine, habit, text, count) for habit in HABITS]


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--n", type=int, default=40, help="pairs of each habit")
    arguments = parser.parse_args()
    settings = EngineSettings(kv_memory_mib=256)
    with Engine.load(
        arguments.model, arguments.device, arguments.dtype, settings=settings
    ) as engine:
        compared = asyncio.run(measure(engine, arguments.n))
    for one in compared:
        print(
            f"{one.habit:<12} with {one.with_ms:7.2f} ms/token  without {one.without_ms:7.2f}"
            f"  ratio {one.ratio:6.3f}  of {one.num_pairs}"
        )
    environment = {"model": arguments.model, "load_average": round(os.getloadavg()[0], 1)}
    print(json.dumps(environment | {"comparisons": [asdict(one) for one in compared]}))


if __name__ == "__main__":
    main()
