"""Many visitors at once, with real clients: who gets what, and how soon.

    python -m tests.load [--visitors 32] [--seconds 60]

starts the page as ``python app.py`` does, and lets visitors loose on it: one in a browser who moves
the guidance slider, a third of the others with films of 1,000 steps, the rest with small pictures
again and again, all by the public API. Two pictures of each visitor are compared with those that
the core makes alone. The first line is the same browser's with nobody else there.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from playwright.sync_api import TimeoutError, sync_playwright

os.environ["NO_PROXY"] = "127.0.0.1"
FILM = {"n": 4, "steps": 1000, "sampler": "ddpm", "stride": 100}
PICTURE = {"n": 1, "steps": 20, "scale": 1}
# Another batch rounds differently; the sum of twenty steps of bfloat16 may show it.
LEVELS = 8
PATIENCE = 60  # seconds, with the slider


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=7971)
    a = parser.parse_args(argv)
    server = Server(a.port)
    try:
        with Slider(server.url) as slider:
            print(f"nobody else: {summary(slider.move(10))}", flush=True)
            server.watch()
            told = [Visitor(server.url, number, a.seconds) for number in range(a.visitors - 1)]
            for visitor in told:
                visitor.start()
            time.sleep(5)  # until all of them are at it
            moved = slider.move_for(a.seconds - 5)
            for visitor in told:
                visitor.join()
        report(told, moved, server)
    finally:
        server.end()


def report(told: list[Visitor], moved: list[float], server: Server) -> None:
    late = sum(seconds >= PATIENCE for seconds in moved)
    print(f"among {len(told) + 1}: {summary(moved)}; {late} not within {PATIENCE} s")
    for kind, words in (("film", "films of 4 images, 1,000 steps"), ("picture", "pictures")):
        some = [visitor for visitor in told if visitor.kind == kind]
        took = [seconds for visitor in some for seconds in visitor.took]
        outcome = sum((visitor.outcome for visitor in some), Counter())
        least = min((len(visitor.took) for visitor in some), default=0)
        print(
            f"{len(some)} visitors, {words}: {summary(took)}; {dict(outcome)}; at least {least} "
            "for each"
        )
    others = [words for visitor in told for words in visitor.errors]
    print(f"other errors: {others[:3] or 'none'}; server: at most {server.most / 2**20:,.0f} MiB")
    models = Reference()
    checked = [models.differs(*one) for visitor in told for one in visitor.pictures[:2]]
    if checked:
        print(f"{len(checked)} pictures made again alone: off by at most {max(checked)} of 255")
        assert max(checked) <= LEVELS, "somebody got another's picture"


def summary(seconds: list[float]) -> str:
    if not seconds:
        return "none came"
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"{len(seconds)}, median {statistics.median(seconds):.2f} s, 95 % within {late:.2f} s"


class Server:
    """The page in a process of its own."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}/"
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--no-browser", "--port", str(port)],
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            if str(port) in line:
                break
        else:
            raise SystemExit("the page did not start")
        self.most, self._ended = 0, threading.Event()

    def watch(self) -> None:
        """Note the most memory that it takes from now on."""
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status")
        while not self._ended.wait(0.5) and status.exists():
            (size,) = [line for line in status.read_text().splitlines() if "VmRSS" in line]
            self.most = max(self.most, int(size.split()[1]) * 1024)

    def end(self) -> None:
        self._ended.set()
        self.process.terminate()
        self.process.wait(10)


class Visitor(threading.Thread):
    """Asks for one thing again and again until its time is over.

    Attributes:
        took: seconds of each that it got.
        outcome: how many it got, and how often it was told that the page is full.
        errors: what else it was told.
        pictures: (seed, pixels) of small pictures.
    """

    def __init__(self, url: str, number: int, seconds: float):
        super().__init__()
        self.url, self.number, self.seconds = url, number, seconds
        self.kind = "film" if number % 3 == 0 else "picture"
        self.took: list[float] = []
        self.outcome, self.errors, self.pictures = Counter(), [], []

    def run(self) -> None:
        from gradio_client import Client

        client, count = Client(self.url, verbose=False), 0
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            seed, count = self.number * 10_000 + count, count + 1
            begun = time.monotonic()
            try:
                self._ask(client, seed)
            except Exception as error:
                full = "full" in str(error).lower()
                self.outcome["full" if full else "error"] += 1
                if not full:
                    self.errors.append(str(error)[:200])
                time.sleep(1)
                continue
            self.took.append(time.monotonic() - begun)
            self.outcome["came"] += 1
            time.sleep(random.uniform(0.5, 1.5))  # nobody asks without a pause to look

    def _ask(self, client, seed: int) -> None:
        from PIL import Image

        if self.kind == "film":
            client.predict(seed=seed, api_name="/film", **FILM)
            return
        found = client.predict(seed=seed, api_name="/sample", **PICTURE)
        assert found["about"]["seed"] == seed
        with Image.open(io.BytesIO(base64.b64decode(found["png"]))) as png:
            self.pictures.append((seed, np.asarray(png.convert("L"))))


class Reference:
    """The same pictures, made by the core alone."""

    def __init__(self):
        from ddpm_core import load

        self.model = load("mnist-conditional")

    def differs(self, seed: int, pixels: np.ndarray) -> int:
        from ddpm_core import Request, sample

        request = Request(n=PICTURE["n"], steps=PICTURE["steps"], seed=seed)
        alone = sample(self.model, request)[0, ..., 0]
        return int(np.abs(pixels.astype(int) - alone).max())


class Slider:
    """A browser on the Guidance tab: moves the slider, and waits for the picture that follows."""

    # Only ever on: what was on the stage before is kept, and would come at once.
    QUERY = "?tab=guidance&label=3&guidance=cfg&guidance_scale=0&n=4&steps=12&seed={}"
    MOVES = 70
    # The picture on the stage is of the scale at which the slider stands: of no move before.
    FOLLOWED = """() => {
      const { run } = document.querySelector("#guidance-stage .player").dataset;
      const { value } = document.querySelector("#guidance-s input[type=range]");
      return Number(new URLSearchParams(run).get("guidance_scale") ?? NaN) === Number(value);
    }"""

    def __init__(self, url: str):
        self.url = url

    def __enter__(self) -> Slider:
        self._playwright = sync_playwright().start()
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        self._browser = self._playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        self.page = self._browser.new_page(viewport={"width": 1280, "height": 900})
        self.moves = 0
        self._open()
        return self

    def _open(self) -> None:
        self.page.goto(self.url + self.QUERY.format(self.moves))
        done = "#guidance-stage .player[data-state=film]"
        self.page.wait_for_selector(done, state="attached", timeout=60_000)

    def __exit__(self, *exc) -> None:
        self._browser.close()
        self._playwright.stop()

    def move(self, times: int) -> list[float]:
        return [self._move() for _ in range(times)]

    def move_for(self, seconds: float) -> list[float]:
        end, took = time.monotonic() + seconds, []
        while time.monotonic() < end:
            took.append(self._move())
        return took

    def _move(self) -> float:
        if self.moves and self.moves % self.MOVES == 0:
            self._open()
        self.moves += 1
        slider = self.page.locator("#guidance-s input[type=range]")
        slider.focus()
        begun = time.monotonic()
        self.page.keyboard.press("ArrowRight")
        try:
            self.page.wait_for_function(self.FOLLOWED, timeout=PATIENCE * 1000)
        except TimeoutError:
            self._open()
            return PATIENCE
        took = time.monotonic() - begun
        self.page.wait_for_timeout(700)
        return took


if __name__ == "__main__":
    main()
