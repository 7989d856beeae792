"""Run an experiment from beginning to end, and check that its report decides rightly.

    .venv/bin/python docs/demo/experiment.py [DIRECTORY]      pictures too: --pictures

Two adapters are served to simulated users over HTTP. The users of one of them, by construction,
accept more (the log-odds of acceptance are 0.45 higher: about 30 % become 40 %); a third arm has
nothing planted. `fimserve ab report` must find the first and must not claim the second. Leaves the
database, the report as JSON and as a page, and the log in DIRECTORY (by default a new one below
/tmp). Needs no network and a minute or two on 2 cores; `--pictures` needs Chromium
(`FIMSERVE_CHROMIUM` names it) and writes docs/pictures/ab-*.png.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from PIL import Image
from safetensors.torch import save_file

from fimeval.own_server import run_own_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
NAME = "adapters"
HIDDEN, KV, LAYERS, RANK = 640, 128, 8, 4
"""Shapes of the embedded model, and rank of the adapters."""
PLANTED = "bold:acceptance=0.45"
ALPHA = 0.05
NUM_COLOURS = 64
FOLLOWED_S = 3.0
"""Longer than a service takes to notice what was started."""


def write_adapter(folder: Path, seed: int, size: float = 0.002) -> None:
    """Write a small random LoRA adapter over the embedded model, as PEFT would save it."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(LAYERS):
        for module, width in (("q_proj", HIDDEN), ("v_proj", KV)):
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            for factor, shape in (("A", (RANK, HIDDEN)), ("B", (width, RANK))):
                values = torch.randn(shape, generator=generator) * size**0.5
                tensors[f"{name}.lora_{factor}.weight"] = values
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": RANK,
        "target_modules": ["q_proj", "v_proj"],
        "base_model_name_or_path": "embedded",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))


def run(environment: dict[str, str], *arguments: str) -> str:
    """Run `fimserve ab` and return what it printed."""
    command = [sys.executable, "-m", "fimserve", "ab", *arguments]
    print("$ fimserve ab", " ".join(arguments), flush=True)
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def check(report: dict[str, object]) -> None:
    """Fail unless the report finds what was planted and nothing else."""
    rows = {(row["metric"], row["arm"]): row for row in report["metrics"]}  # type: ignore[index, attr-defined]
    bold, same = rows["car", "bold"], rows["car", "same"]
    for arm, row in (("bold", bold), ("same", same)):
        low, high = row["fixed"]
        print(
            f"{arm}: CAR {row['control']:.3f} -> {row['treatment']:.3f}, difference "
            f"{low:+.3f} to {high:+.3f}, corrected p {row['p_adjusted']:.4f}"
        )
    for statement in report["statements"]:  # type: ignore[attr-defined]
        print(f"{statement['level']}: {statement['text']}")
    if not (bold["fixed"][0] > 0 and bold["p_adjusted"] < ALPHA):
        sys.exit("the planted difference was not found")
    if same["p_adjusted"] < ALPHA:
        sys.exit("a difference was claimed that is not there")
    print("the decision is right: bold is better, same is not told from steady")


class View(NamedTuple):
    """One picture."""

    name: str
    scheme: Literal["light", "dark"]
    width: int
    height: int


REPORT = View("ab-report", "light", 1440, 1180)
DASHBOARDS = (
    View("ab-dashboard", "light", 1000, 1420),
    View("ab-dashboard-phone", "dark", 390, 1420),
)


def draw(url: str, page: Path) -> None:
    """Draw the report and the dashboard."""
    from playwright.sync_api import expect, sync_playwright

    chromium = os.environ.get("FIMSERVE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        with open_sheet(browser, REPORT) as sheet:
            sheet.goto(page.absolute().as_uri())
            save(sheet, REPORT)
        for view in DASHBOARDS:
            with open_sheet(browser, view) as sheet:
                sheet.goto(f"{url}/dashboard#{NAME}")
                expect(sheet.locator("#statements li").first).to_be_visible(timeout=120_000)
                expect(sheet.locator("#kinds svg")).to_be_visible()
                sheet.wait_for_timeout(300)
                save(sheet, view)
        browser.close()


@contextmanager
def open_sheet(browser: "Browser", view: View) -> "Iterator[Page]":
    """Have a page of a view's size for the length of a `with` block."""
    size = {"width": view.width, "height": view.height}
    context = browser.new_context(color_scheme=view.scheme, viewport=size)  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def save(sheet: "Page", view: View) -> None:
    """Write a picture of few colours."""
    shot = Image.open(io.BytesIO(sheet.screenshot(animations="disabled"))).convert("RGB")
    file = PICTURES / f"{view.name}.png"
    shot.quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size} bytes")


def main(arguments: list[str]) -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--completions", default="0.1", help="part that the model writes")
    asked = parser.parse_args(arguments)
    directory = asked.directory or Path(tempfile.mkdtemp(prefix="fimserve-experiment-"))
    directory.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("steady", "bold")):
        write_adapter(directory / "adapters" / name, seed)
    settings = {
        "FIMSERVE_ENGINE_ADAPTERS": str(directory / "adapters"),
        "FIMSERVE_TELEMETRY_URL": f"sqlite:///{directory.absolute()}/events.db",
    }
    environment = {**os.environ, **settings}
    arms = ("steady=0.34,adapter=steady", "bold=0.33,adapter=bold", "same=0.33,adapter=steady")
    with run_own_server("embedded", settings) as url:
        asked_arms = [part for arm in arms for part in ("--arm", arm)]
        run(environment, "create", NAME, *asked_arms, "--primary", "car")
        run(environment, "start", NAME)
        time.sleep(FOLLOWED_S)
        print(
            run(
                environment,
                "simulate",
                NAME,
                "--url",
                url,
                "--users",
                str(asked.users),
                "--effect",
                PLANTED,
                "--completions",
                asked.completions,
                "--per-day",
                "1",
                "--backdate",
            )
        )
        # At its planned end, looked at for the first time.
        run(environment, "stop", NAME, "--reason", "its two weeks are over")
        report = ("report", NAME)
        run(environment, *report, "--html", str(directory / "report.html"))
        told = run(environment, *report, "--json")
        (directory / "report.json").write_text(told)
        check(json.loads(told))
        if asked.pictures:
            draw(url, directory / "report.html")
    print(f"all of it is in {directory}")


if __name__ == "__main__":
    main(sys.argv[1:])
