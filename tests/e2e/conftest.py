"""A served page and a real browser."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict
from urllib.parse import parse_qsl

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from ddpm_core import Request, save_png
from ui import permalinks
from ui.runs import Key

from ..support.browser import find_browser

os.environ["NO_PROXY"] = "127.0.0.1"
# Tests ask what happens, not how soon: five seconds are too few on a busy machine.
expect.set_options(timeout=20_000)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    # For every visitor Chromium prepares the popup of an address bar that nobody sees: a page of
    # its own, that takes half as long as ours.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,PaintHolding"
).split()

DROP = """([name, data, target]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name));
  const fire = (kind) => document.querySelector(target).dispatchEvent(
    new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
  fire("dragover");
  const veiled = !document.querySelector(".drop-veil").hidden;
  fire("drop");
  return veiled;
}"""
# Whatever is waited for next is not what stands there already.
FORGET = """() => {
  history.replaceState(null, "", "/");
  for (const tab of ["sample", "guidance", "reverse"]) {
    document.querySelector(`#${tab}-stage .player`)?.setAttribute("data-state", "led");
    document.querySelector(`#${tab}-take .take-file`)?.replaceChildren();
  }
}"""
ARRIVED = """(wanted) => {
  const there = new URLSearchParams(location.search);
  const same = (a, b) => a === b || (a !== null && Number(a) === Number(b));
  return wanted.every(([name, value]) => same(there.get(name), value));
}"""


@pytest.fixture(scope="session")
def served():
    """The page as ``python app.py`` serves it, and its address."""
    import app

    page, address = app.launch(["--no-browser"], prevent_thread_lock=True, quiet=True)
    yield page, address
    page.close()


@pytest.fixture(scope="session")
def url(served):
    """The page's address."""
    return served[1]


@pytest.fixture(scope="session")
def chromium():
    path = find_browser()
    assert path, "the browser tests need chromium (Debian: apt install chromium), or $CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """One visitor's tab, with what it asked of the network and what went wrong in it.

    Visitors who come one after another with the same window and settings come in the same
    browser, as one who comes back: it has kept the page's scripts, compiled, which are a quarter
    of what a visit costs. It has forgotten all else.
    """

    left: dict[str, list] = {}  # browsers without a visitor, by what they are like
    everyone: list[Visitor] = []  # whose errors the test that runs has to answer for

    def __init__(self, browser, url, **context):
        context = {"viewport": {"width": 1440, "height": 900}} | context
        self.url = url
        self._empty = self.left.setdefault(repr(sorted(context.items())), [])
        self._kept = True
        self._context = self._empty.pop() if self._empty else browser.new_context(**context)
        self.page = self._context.new_page()
        everything = {"origin": url.rstrip("/"), "storageTypes": "cookies,local_storage"}
        session = self._context.new_cdp_session(self.page)
        session.send("Storage.clearDataForOrigin", everything)
        session.detach()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._console)
        self.everyone.append(self)

    def _console(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def expect_error(self, words):
        """The page has had an error with these words, and is to have it."""
        expected = [error for error in self.errors if words in error]
        assert expected, f"no error says {words!r}: {self.errors}"
        self.errors = [error for error in self.errors if error not in expected]

    @property
    def context(self):
        """The browser, to be changed: no other visitor will come in it."""
        self._kept = False
        return self._context

    def leave(self):
        if not self._kept:
            self._context.close()
            return
        for page in self._context.pages:
            page.close()
        self._empty.append(self._context)

    def open(self, query=""):
        self.page.goto(self.url + query)
        return self

    def drop(self, path, target="#tabs") -> bool:
        """Drop a file on an element; tells whether the page offered itself while it was held."""
        data = base64.b64encode(path.read_bytes()).decode()
        return self.page.evaluate(DROP, [path.name, data, target])

    def lead(self, query, folder):
        """To the run of a link without opening the page anew, which is most of what a test costs:
        by a picture that carries it, dropped on the page.

        Args:
            query: of a run of one of the first three tabs.
            folder: where the picture may be written.
        """
        pairs = parse_qsl(query.removeprefix("?"))
        tab = dict(pairs).get("tab", "sample")
        key = permalinks.parse(pairs, Key("mnist-conditional", Request(dtype="auto")))
        about = {"tab": tab, "model": key.model, "branch_at": key.branch_at, **asdict(key.request)}
        about["beside"] = [asdict(row) for row in key.beside]
        path = folder / "led.png"
        save_png(np.zeros((8, 8, 1), np.uint8), path, note=json.dumps(about))
        self.page.mouse.move(0, 0)
        self.page.evaluate(FORGET)
        self.drop(path)
        link = parse_qsl(permalinks.query(key, tab=tab))
        wanted = [(name, value) for name, value in link if name in dict(pairs)]
        self.page.wait_for_function(ARRIVED, arg=wanted, timeout=60_000)
        return self

    def stage(self, tab="sample"):
        return self.page.locator(f"#{tab}-stage .player")

    def wait(self, state, tab="sample", timeout=60_000):
        self.page.wait_for_selector(
            f"#{tab}-stage .player[data-state={state}]", state="attached", timeout=timeout
        )

    def wait_for_kept(self, label, tab="sample"):
        """Until the files of a finished run are on offer."""
        self.page.locator(f"#{tab}-gif", has_text=label).wait_for(timeout=60_000)

    def set_number(self, element_id, value):
        self.page.locator(f"#{element_id} input[type=number]").first.fill(str(value))
        self.page.keyboard.press("Tab")

    def choose(self, element_id, text):
        self.page.locator(f"#{element_id} label", has_text=text).first.click()

    def click(self, element_id):
        self.page.locator(f"button#{element_id}, #{element_id} button").first.click()

    def picture(self, pane="x", tab="sample"):
        """The pixels of a pane's canvas, as (width, height, RGBA bytes)."""
        return self.page.evaluate(
            """async ([tab, pane]) => {
              await new Promise(requestAnimationFrame);  // what was asked for is painted by then
              await new Promise(requestAnimationFrame);
              const canvas = document.querySelector(`#${tab}-stage [data-pane="${pane}"] canvas`);
              const { width, height } = canvas;
              const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
              return [width, height, [...data]];
            }""",
            [tab, pane],
        )


@pytest.fixture(autouse=True)
def no_errors():
    """Every test fails on an error of a page that it did not expect (``expect_error``)."""
    yield
    check_errors()


def check_errors():
    """The errors of every page since this was last asked: an exception that nothing caught, or
    what the browser's console shows as one."""
    errors = []
    for visitor in list(Visitor.everyone):
        if visitor.page.is_closed():
            Visitor.everyone.remove(visitor)
        else:
            visitor.page.evaluate("0")  # what the page has reported arrives before this answer
        errors += visitor.errors
        visitor.errors = []
    assert errors == []


@pytest.fixture(scope="module")
def keep(request):
    """Keeps a visitor for those tests of a module that begin wherever another ended: a function of
    how to come in, and of what tells visitors of different kinds apart; it gives the visitor, and
    whether they have just come. Who was in a test that failed is not asked again."""
    kept: dict[str, Visitor] = {}
    failed = [0]

    def ask(come, kind=""):
        if request.session.testsfailed != failed[0]:
            failed[0] = request.session.testsfailed
            while kept:
                kept.popitem()[1].leave()
        is_new = kind not in kept
        if is_new:
            kept[kind] = come()
        return kept[kind], is_new

    yield ask
    for visitor in kept.values():
        visitor.leave()


@pytest.fixture(scope="module")
def led(keep, chromium, url, tmp_path_factory):
    """A visitor at a run: there by its link the first time, and led to others by ``lead``."""
    folder = tmp_path_factory.mktemp("led")

    def to(query):
        visitor, is_new = keep(lambda: Visitor(chromium, url).open(query))
        return visitor if is_new else visitor.lead(query, folder)

    return to


def at_rest(locator):
    """Its box, once it was in the same place for two frames: what fills late moves what follows."""
    locator.element_handle().wait_for_element_state("stable")
    return locator.bounding_box()


@pytest.fixture
def visit(chromium, url):
    """Open the page as a visitor, or where the query is None prepare to; any number per test."""
    visitors = []

    def enter(query="", **context):
        visitors.append(Visitor(chromium, url, **context))
        return visitors[-1] if query is None else visitors[-1].open(query)

    yield enter
    for visitor in visitors:
        visitor.leave()
