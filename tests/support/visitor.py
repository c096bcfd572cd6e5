"""One visitor's tab in a real browser: what visitors do, and what they see.

How the page is made is known here, and nowhere else: the names of its parts, and what its own
components tell of themselves. All else has a role and a label.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from urllib.parse import parse_qsl

import numpy as np
from playwright.sync_api import expect

from ddpm_core import Request, save_png
from ui.runs.runs import Key
from ui.sharing import permalinks

# The titles of the tabs, by the names that links give them.
TABS = {
    "sample": "Sample",
    "guidance": "Guidance",
    "reverse": "Reverse",
    "forward": "Forward",
    "plane": "Plane",
    "results": "Results",
}
# The views of a tab, one at a time; the first when the tab is opened.
VIEWS = {
    "guidance": ("Anatomy", "Film strip", "Atlas", "Branch", "Guidance against diversity"),
    "reverse": ("One image", "Two schedules", "Samplers", "Break it"),
    "forward": ("There and back", "Inversion", "Into another", "What is it?", "Fill in"),
}
# Runs to go to before a tab is opened, whose own first run takes long.
SHORT = {
    "guidance": "?tab=guidance&n=1&label=3&steps=2&guidance=cfg&guidance_scale=2",
    "reverse": "?tab=reverse&n=1&label=3&steps=2",
}
LEFT = ("given up", "Connection errored out", "aborted without reason")
DROP = """([name, data, target]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name));
  const fire = (kind) => document.querySelector(target).dispatchEvent(
    new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
  fire("dragover");
  const veiled = !document.querySelector(".file-drop-veil").hidden;
  fire("drop");
  return veiled;
}"""
# Whatever is waited for next is not what stands there already.
FORGET = """() => {
  history.replaceState(null, "", "/");
  for (const tab of ["sample", "guidance", "reverse"]) {
    const player = document.querySelector(`#${tab}-stage .player`);
    if ((player?.dataset.state ?? "idle") !== "idle") player.dataset.state = "led";
    document.querySelector(`#${tab}-take .download-file`)?.replaceChildren();
  }
}"""
ANOTHER = """([stage, seen, whole]) => {
  const { run, state, frames } = document.querySelector(stage)?.dataset ?? {};
  return run && !seen.includes(run) && (whole ? state === "film" : +frames) && run;
}"""
LINKED = """(wanted) => {
  const there = new URLSearchParams(location.search);
  const same = (a, b) => a === b || (a !== null && b !== null && Number(a) === Number(b));
  return Object.entries(wanted).every(([name, value]) => same(there.get(name), value));
}"""


def number_in(text: str) -> float:
    """A number as the page writes it: −0.5, 3.8·10⁻⁶."""
    return float(text.replace("·10", "e").translate(str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")))


class Visitor:
    """One visitor's tab, with what it asked of the network and what went wrong in it.

    Visitors who come one after another with the same window and settings come in the same
    browser, as one who comes back: it has kept the page's scripts, compiled, which are a quarter
    of what a visit costs. It has forgotten all else.
    """

    left: dict[str, list] = {}  # browsers without a visitor, by their settings
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
        if self.page.url.startswith(self.url):
            self.page.goto("about:blank")
            # What a page says as it is left, while it still hears the server, is no error.
            self.errors = [e for e in self.errors if not any(words in e for words in LEFT)]
        self.page.goto(self.url + query)
        return self

    def drop(self, path, target="#tabs") -> bool:
        """Drop a file on an element; tells whether the page offered itself while it was held."""
        data = base64.b64encode(path.read_bytes()).decode()
        self.page.locator(".file-drop-veil").wait_for(state="attached")
        return self.page.evaluate(DROP, [path.name, data, target])

    def lead(self, query, folder):
        """Go to the run of a link without loading the page, which is most of what a test costs:
        drop a picture that carries the link on the page.

        Args:
            query: a run of one of the first three tabs.
            folder: where the picture may be written.
        """
        pairs = parse_qsl(query.removeprefix("?"))
        tab = dict(pairs).get("tab", "sample")
        key = permalinks.parse(pairs, Key("mnist-conditional", Request(dtype="auto")))
        note = {"tab": tab, "model": key.model, "branch_at": key.branch_at, **asdict(key.request)}
        note["beside"] = [asdict(row) for row in key.beside]
        path = folder / "led.png"
        save_png(np.zeros((8, 8, 1), np.uint8), path, note=json.dumps(note))
        self.page.mouse.move(0, 0)
        self.page.evaluate(FORGET)
        self.drop(path)
        link = parse_qsl(permalinks.query(key, tab=tab))
        self.wait_for_link(**{name: value for name, value in link if name in dict(pairs)})
        return self

    # --- where things are ---

    def part(self, name):
        """A part by its tab or view and its own name: ``guidance-strip``, ``race-break-error``."""
        return self.page.locator(f"#{name}")

    def stage(self, tab="sample"):
        """The player of a tab, or of a comparison: ``race-schedules``."""
        return self.page.locator(f"#{tab}-stage .player")

    def timeline(self, tab="sample"):
        return self.stage(tab).get_by_role("slider").first

    def field(self, name):
        """Where a number or a name is typed or chosen."""
        inputs = "input:not([type=range], [type=radio], [type=checkbox])"
        return self.part(name).locator(inputs).first

    def handle(self, name):
        """What is dragged to change a number."""
        return self.part(name).locator("input[type=range]")

    def tab(self, name):
        """A tab, by the name that links give it or by its title, or a view of one."""
        title = TABS.get(name, name)
        tabs = self.page.get_by_role("tab", name=title, exact=True)
        return tabs.locator("visible=true").first

    # --- what a visitor does ---

    def go_to(self, *tabs):
        for name in tabs:
            self.tab(name).click()
            expect(self.tab(name)).to_have_attribute("aria-selected", "true")
        return self

    def press(self, *keys, tab="sample", times=1):
        """Keys on the timeline; gives the step where it then stands."""
        for key in keys * times:
            self.timeline(tab).press(key)
        return self.at(tab)

    def set_number(self, name, value):
        self.field(name).fill(str(value))
        self.page.keyboard.press("Tab")

    def choose(self, name, text):
        self.part(name).locator("label", has_text=text).first.click()

    def pick(self, name, option):
        """From a list that drops down."""
        self.field(name).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def click(self, name):
        self.page.locator(f"button#{name}, #{name} button").first.click()

    def open_tile(self, number, tab="sample"):
        self.stage(tab).locator(f"[data-tile='{number}']").first.click()

    # --- what a visitor sees ---

    def at(self, tab="sample") -> int:
        return int(self.stage(tab).get_attribute("data-index"))

    def t(self, tab="sample") -> int:
        return int(self.stage(tab).get_attribute("data-t"))

    def run(self, tab="sample") -> str | None:
        """The name of the run on a stage."""
        return self.stage(tab).get_attribute("data-run")

    def stands_at(self, step, tab="sample"):
        expect(self.stage(tab)).to_have_attribute("data-index", str(step))

    def has_frames(self, count, tab="sample"):
        expect(self.stage(tab)).to_have_attribute("data-frames", str(count))

    def chosen(self, name) -> str:
        return self.part(name).locator("input:checked").input_value()

    def number(self, name, place) -> float:
        """One of the numbers that a part shows."""
        text = self.part(place).locator(f"[data-number={name}]").first.inner_text()
        return number_in(text)

    def wait(self, state, tab="sample", timeout=60_000):
        """Wait until a stage is live, or has a film, or an error."""
        player = self.page.locator(f"#{tab}-stage .player[data-state={state}]")
        player.wait_for(state="attached", timeout=timeout)

    def wait_for_another(self, than, tab="sample", whole=True) -> str:
        """Wait for a run on a stage that is none of those: a finished one, or also a preview."""
        names = [than] if than is None or isinstance(than, str) else list(than)
        arg = [f"#{tab}-stage .player", names, whole]
        return self.page.wait_for_function(ANOTHER, arg=arg, timeout=90_000).json_value()

    def wait_for_file(self, label, tab="sample"):
        """Wait for the files of a finished run."""
        button = self.page.locator(f"#{tab}-gif", has_text=label)
        button.wait_for(state="attached", timeout=60_000)

    def wait_for_link(self, **expected):
        """Wait for these values in the address; None stands for no value."""
        self.page.wait_for_function(LINKED, arg=expected, timeout=60_000)

    def picture(self, pane="x", tab="sample"):
        """The pixels of a pane's canvas, as [width, height, RGBA bytes]."""
        return pixels(self.page.locator(f'#{tab}-stage [data-pane="{pane}"] canvas').first)


def check_errors():
    """Fail on errors of any page since the last call: uncaught ones, and those in its console."""
    errors = []
    for visitor in list(Visitor.everyone):
        if visitor.page.is_closed():
            Visitor.everyone.remove(visitor)
        else:
            visitor.page.evaluate("0")  # what the page has reported arrives before this answer
        errors += visitor.errors
        visitor.errors = []
    assert errors == [], errors


def pixels(canvas):
    """What a canvas shows, as [width, height, RGBA bytes]."""
    width, height, text = canvas.evaluate(
        """async (canvas) => {
          while (canvas.width === 300) await new Promise(requestAnimationFrame);  // not painted yet
          await new Promise(requestAnimationFrame);  // what was asked for is painted by then
          await new Promise(requestAnimationFrame);
          const { width, height } = canvas;
          const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          let text = "";
          for (let at = 0; at < data.length; at += 8192)
            text += String.fromCharCode(...data.subarray(at, at + 8192));
          return [width, height, btoa(text)];
        }"""
    )
    return [width, height, base64.b64decode(text)]


def at_rest(locator):
    """The box of an element that rested for two frames: what fills late moves what follows."""
    locator.element_handle().wait_for_element_state("stable")
    return locator.bounding_box()


def tiles(picture, columns, side=28):
    """The tiles of a pane's canvas, (n, side, side), without the lines between them."""
    width, height, data = picture
    grey = np.frombuffer(data, np.uint8).reshape(height, width, 4)[..., 0]
    rows, step = (height + 1) // (side + 1), side + 1
    corners = [(y * step, x * step) for y in range(rows) for x in range(columns)]
    return np.stack([grey[y:, x:][:side, :side] for y, x in corners])


def choose_file(visitor, tab="sample", form=None, stride=None, panes=None):
    """Make choices in the row of downloads of a tab, in the order in which they stand there."""
    row = visitor.page.locator(f"#{tab}-take")
    if form:
        row.get_by_role("radio", name=form, exact=True).check(force=True)
    if stride:
        row.get_by_label("Steps that are kept").select_option(str(stride))
    if panes:
        row.get_by_label("Panes").select_option(",".join(panes))


def download(visitor, folder, label, tab="sample", button="gif"):
    """Press the button once it says ``label``; returns the file and the button's text."""
    ready = visitor.page.locator(f"#{tab}-take .download[data-state=ready] #{tab}-{button}")
    ready.filter(has_text=label).wait_for(timeout=60_000)
    text = ready.inner_text()
    with visitor.page.expect_download() as info:
        ready.click()
    path = folder / info.value.suggested_filename
    info.value.save_as(path)
    return path, text
