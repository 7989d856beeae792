"""Records the pictures of the documentation: the extension in a real editor, on the real service.

    FIMSERVE_WORKBENCH=$(editor-plugin/workbench/setup.sh) PYTHONPATH=.:tests \
        python tests/plugin/record.py editor-plugin/media

Writes `editor-plugin.gif` and needs ffmpeg. The times on the picture are real: a frame is what the
screen showed at that moment.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.browser import find_chromium, open_browser
from support.served import serve_process
from support.workbench import EditorWindow, find_workbench, open_window, serve_workbench

FRAMES_PER_S = 10
WIDTH = 760
CLIP = {"x": 250, "y": 60, "width": 750, "height": 260}
KEY_MS = 90

CODE = '''import json


def load_config(path):
    """Return what a JSON file holds."""


def save_config(path, config):
    """Write the config as JSON."""
    with open(path, "w") as file:
        json.dump(config, file)
'''


class Recorder:
    """Takes a picture at a steady pace while keys are pressed.

    Args:
        window: The editor.
        folder: Where the frames go.
    """

    def __init__(self, window: EditorWindow, folder: Path) -> None:
        self._window = window
        self._folder = folder
        self._started_s = time.monotonic()
        self._num_frames = 0

    def look(self, seconds: float) -> None:
        """Record for a while; a frame that is late is shown twice."""
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            picture = self._window.page.screenshot(clip=CLIP)  # type: ignore[arg-type]
            due = int((time.monotonic() - self._started_s) * FRAMES_PER_S)
            while self._num_frames <= due:
                (self._folder / f"{self._num_frames:05}.png").write_bytes(picture)
                self._num_frames += 1
            time.sleep(0.02)

    def type(self, text: str) -> None:
        """Type at human speed."""
        for char in text:
            self._window.page.keyboard.type(char)
            self.look(KEY_MS / 1000)

    def press(self, keys: str, then_s: float) -> None:
        """Press keys and record what follows."""
        self._window.press(keys)
        self.look(then_s)


def play(window: EditorWindow, recorder: Recorder) -> None:
    """Write the body of a function: whole, a word at a time, typed along."""
    recorder.look(0.6)
    recorder.type("with ")
    window.wait_for_ghost()
    recorder.look(1.2)
    recorder.press("Tab", 1.0)
    recorder.press("Enter", 0.3)
    recorder.type("return ")
    window.wait_for_ghost()
    recorder.look(1.0)
    recorder.press("Control+ArrowRight", 0.9)
    recorder.press("Tab", 1.5)


def main(target: Path) -> None:
    """Record into a folder."""
    chromium, workbench = find_chromium(), find_workbench()
    if chromium is None or workbench is None:
        raise SystemExit("needs Chromium, and FIMSERVE_WORKBENCH")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        frames = folder / "frames"
        frames.mkdir()
        with (
            serve_process(folder) as served,
            serve_workbench(
                workbench, folder, {"fimserve.url": served.url}, {"config.py": CODE}
            ) as bench,
            open_browser(chromium) as browser,
            open_window(browser, bench) as window,
        ):
            window.open("config.py", 5, 41)
            window.press("Enter")
            play(window, Recorder(window, frames))
        palette = f"scale={WIDTH}:-1:flags=lanczos,split[a][b];[a]palettegen[p];[b][p]paletteuse"
        command = ["ffmpeg", "-y", "-loglevel", "error", "-framerate", str(FRAMES_PER_S)]
        command += ["-i", str(frames / "%05d.png"), "-filter_complex", palette]
        subprocess.run([*command, str(target / "editor-plugin.gif")], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
