"""The page in a process of its own, and a browser on its Guidance tab."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
from playwright.sync_api import Error, TimeoutError, sync_playwright

from ddpm_core import Request

from ..support.browser import find_browser
from .visitors import Answer

os.environ["NO_PROXY"] = "127.0.0.1"
PATIENCE = 60  # seconds, with the slider
ROOT = Path(__file__).resolve().parents[2]


class Server:
    """The page as ``python app.py`` serves it."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}/"
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--no-browser", "--port", str(port)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            if str(port) in line:
                break
        else:
            raise SystemExit("the page did not start")

    def memory(self) -> int | None:
        """The most bytes that it ever held; None if it is no more."""
        status = Path(f"/proc/{self.process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(it.split()[1]) * 1024 for it in lines if it.startswith("VmHWM:")), None)

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Slider:
    """A browser on the Guidance tab: moves the slider, and waits for the picture that follows.

    Attributes:
        moved: seconds until each picture, ``PATIENCE`` for those that did not come by then.
        first: the film on the stage at the end, when the slider rested.
        full: it was told, instead, that the page is full.
        errors: what else went wrong in the browser.
        wrong: what was not as it had asked for, in words.
    """

    # The tab's default run. The slider goes only ever on, and each opening has another seed: what
    # was on the stage before is kept, and would come at once.
    QUERY = "?tab=guidance&guidance_scale=0&seed={}"
    MOVES = 70
    STAGE = "#guidance-stage .player"
    SAID = "#guidance-stage .player-error-text, .toast-body"
    RANGE = "#guidance-s input[type=range]"
    # The picture on the stage is of the scale at which the slider stands: of no move before.
    FOLLOWED = """() => {
      const { run } = document.querySelector("#guidance-stage .player").dataset;
      const { value } = document.querySelector("#guidance-s input[type=range]");
      return Number(new URLSearchParams(run).get("guidance_scale") ?? NaN) === Number(value);
    }"""
    PICTURE = """async () => {
      await new Promise(requestAnimationFrame);  // what was asked for is painted by then
      await new Promise(requestAnimationFrame);
      const canvas = document.querySelector('#guidance-stage [data-pane="x"] canvas');
      const { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      return [width, height, [...data]];
    }"""

    def __init__(self, url: str):
        self.url, self.opened, self._left = url, 0, 0
        self.moved: list[float] = []
        self.first: Answer | None = None
        self.full, self.errors, self.wrong = False, [], []

    def __enter__(self) -> Slider:
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"]
            )
        except Error:
            self._playwright.stop()
            raise
        self.page = self._browser.new_page(viewport={"width": 1280, "height": 900})
        return self

    def __exit__(self, *exc) -> None:
        self._browser.close()
        self._playwright.stop()

    def note(self, error: Error) -> None:
        self.errors.append(f"the browser: {str(error).splitlines()[0]}"[:200])

    def move_for(self, seconds: float, most: int | None = None) -> list[float]:
        """Move until the time is over; what the browser cannot do is noted, and tried again."""
        end, took = time.monotonic() + seconds, []
        while time.monotonic() < end and len(took) != most:
            try:
                if not self._left:
                    self._open()
                took.append(self._move())
            except Error as error:
                self.note(error)
                self._left = 0  # on the page as it is no more can be had
                time.sleep(1)
        return took

    def _open(self) -> None:
        """The page anew, the slider at its left end."""
        self.page.goto(self.url + self.QUERY.format(self.opened))
        self.opened += 1
        self.page.wait_for_selector(self.RANGE, state="attached", timeout=PATIENCE * 1000)
        self._left = self.MOVES
        try:
            self._await_film()
        except TimeoutError:  # previews need no place in the queue: the slider can be moved
            self.full |= self._says_full()

    def _move(self) -> float:
        self._left -= 1
        self.page.locator(self.RANGE).focus()
        begun = time.monotonic()
        self.page.keyboard.press("ArrowRight")
        try:
            self.page.wait_for_function(self.FOLLOWED, timeout=PATIENCE * 1000)
        except TimeoutError:
            return PATIENCE
        took = time.monotonic() - begun
        self.page.wait_for_timeout(700)
        return took

    def rest(self) -> None:
        """Let go of the slider, and note the film that follows, or that there is no place."""
        try:
            self._await_film()
            self.page.locator(self.STAGE).get_by_role("slider").first.press("End")
            run = self.page.locator(self.STAGE).get_attribute("data-run")
            width, height, data = self.page.evaluate(self.PICTURE)
        except Error as error:
            self.note(error)
            self.full |= self._says_full()
            return
        pixels = np.array(data, np.uint8).reshape(height, width, 4)[..., :3]
        self.first = Answer(request_of(run), [pixels])

    def _await_film(self) -> None:
        film = f"{self.STAGE}[data-state=film]"
        self.page.wait_for_selector(film, state="attached", timeout=PATIENCE * 1000)

    def _says_full(self) -> bool:
        try:
            said = self.page.locator(self.SAID).all_inner_texts()
        except Error:
            return False
        return "full" in " ".join(said).lower()


def request_of(run: str) -> dict:
    """The fields of the run that a stage shows."""
    texts = dict(parse_qsl(run, keep_blank_values=True))
    request = Request().with_texts({k: v for k, v in texts.items() if k in asdict(Request())})
    return asdict(request) | {"model": texts["model"], "columns": request.n}
