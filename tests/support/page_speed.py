"""The page in a browser: how soon it shows a picture, and how soon a held slider changes it.

``python -m tests.support.page_speed`` prints it. ``app.py`` runs in a process of its own and
headless Chromium on the same machine, so both share its cores, as they do for somebody who runs
the page at home.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from gradio_client import Client
from playwright.sync_api import sync_playwright

from ddpm_core.hardware import describe
from tests.support.browser import find_browser

APP = Path(__file__).resolve().parents[2] / "app.py"
MOVES = 40
VISITORS = 32
GUIDED = "/?tab=guidance&label=3&guidance=cfg&guidance_scale=1&steps=20&n={}&seed={}"
# The requests of the other visitors by the API, again and again, in turn.
OTHERS = (
    {"n": 1, "label": "all"},
    {"n": 8, "label": "3", "guidance": "cfg", "guidance_scale": 2},
    {"model": "cifar10-conditional", "n": 4, "label": "all"},
)
PAINTED = """(stage) => {
  const canvas = document.querySelector(`${stage} [data-pane="x"] canvas`);
  if (!canvas?.width) return false;
  const { width, height } = canvas;
  const pixels = new Uint32Array(
    canvas.getContext("2d").getImageData(0, 0, width, height).data.buffer);
  return pixels.some((pixel) => pixel !== pixels[0]);
}"""
# The milliseconds from the slider's event to the first frame whose picture differs. It looks after
# everything in a frame has been painted.
WATCH = """(stage) => {
  const canvas = () => document.querySelector(`${stage} [data-pane="x"] canvas`);
  window.waits = [];
  document.querySelector("#guidance-s input[type=range]").addEventListener("input", (event) => {
    const before = canvas().toDataURL();
    const atNextFrame = () => requestAnimationFrame(() => setTimeout(look));
    const look = () => {
      if (canvas().toDataURL() === before) atNextFrame();
      else window.waits.push(performance.now() - event.timeStamp);
    };
    atNextFrame();
  }, true);
}"""


def measure() -> Iterator[tuple[str, str]]:
    """Each line of the report as soon as it is known: what was measured, and its figures."""
    with sync_playwright() as playwright:
        options = {"executable_path": find_browser(), "args": ["--no-sandbox"]}
        chromium = playwright.chromium.launch(**options)
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        with served() as url:
            received = count_bytes(page)
            page.goto(url)
            page.wait_for_function(PAINTED, arg="#sample-stage", polling="raf")
            seconds = time.perf_counter() - start
            yield "from `python app.py` to the first picture", f"{seconds:.1f} s"
            page.wait_for_timeout(3000)  # for what is loaded after the first picture
            yield "first load", f"{sum(received) / 1e6:.2f} MB"
            # Another seed each time, so that the page has kept none of the pictures.
            for n, name in ((1, "one digit"), (8, "a row of eight")):
                yield f"held slider, {name}", figures(held_slider(page, url, n, seed=n))
            with others(url) as answers:
                waits = held_slider(page, url, 1, seed=2)
            name = f"held slider, one digit among {VISITORS} visitors"
            yield name, f"{figures(waits)}; the others were answered {len(answers)} times"


def figures(waits: list[float]) -> str:
    """Median, 95th percentile and greatest of waits in ms."""
    middle, high, most = np.percentile(waits, [50, 95, 100]) / 1e3
    return f"median {middle:.3f} s, 95 % within {high:.3f} s, longest {most:.3f} s ({len(waits)})"


@contextmanager
def served() -> Iterator[str]:
    """``python app.py``, and its address as soon as it says that it serves it."""
    command = [sys.executable, "-u", str(APP), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next((line for line in process.stdout if "http://" in line), None)
            if line is None:
                raise RuntimeError("app.py has ended: see above")
            yield line.split()[-1]
        finally:
            process.terminate()
            process.stdout.read()  # until it has ended


def count_bytes(page) -> list[int]:
    """A list that grows by what the page receives, as it comes over the wire."""
    received: list[int] = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    return received


def held_slider(page, url: str, n: int, seed: int) -> list[float]:
    """Hold the slider of the guidance scale and move it whenever its picture has changed.

    Returns:
        ``MOVES`` waits, in ms.
    """
    stage = "#guidance-stage"
    page.goto(url + GUIDED.format(n, seed))
    page.wait_for_selector(f"{stage} .player[data-state=film]", state="attached", timeout=120_000)
    page.evaluate(WATCH, stage)
    box = page.locator("#guidance-s input[type=range]").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.1 * box["width"], y)
    page.mouse.down()
    for move in range(MOVES):
        count = page.evaluate("waits.length")
        page.mouse.move(box["x"] + (0.12 + 0.02 * move) * box["width"], y)
        page.wait_for_function(f"waits.length > {count}", polling=20, timeout=120_000)
    page.mouse.up()
    return page.evaluate(f"waits.slice(-{MOVES})")


@contextmanager
def others(url: str) -> Iterator[list[dict]]:
    """All visitors but one ask by the API, again and again; gives the list of their answers."""
    answers, over = [], threading.Event()

    def visit(number: int) -> None:
        client = Client(url, verbose=False)
        for turn in range(10**6):
            if over.is_set():
                return
            request = OTHERS[number % len(OTHERS)] | {"seed": 1000 * number + turn}
            answers.append(client.predict(**request, steps=20, api_name="/sample"))

    threads = [threading.Thread(target=visit, args=[i], daemon=True) for i in range(VISITORS - 1)]
    for thread in threads:
        thread.start()
    try:
        while not answers:
            if not any(thread.is_alive() for thread in threads):
                raise RuntimeError("no visitor got an answer")
            time.sleep(0.1)
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    print(describe(), flush=True)
    for name, line in measure():
        print(f"{name}: {line}", flush=True)
