"""One control of each kind on every tab, pressed by mouse: the tab stays and shows something."""

import time

import pytest

from tests.support.visitor import SHORT, TABS, VIEWS, Visitor

# The first visible control of each kind on a tab that can change something: not a file to download
# or open, not Stop where nothing runs, not what is chosen already, no tile that leads away.
KINDS = """(known) => {
  const things = "button:not([role=tab], [tabindex='-1']), input[type=radio]:not(:checked), "
    + "input[type=checkbox], input[type=range], summary, select, [role=slider]";
  const idle = ".download *, [data-do=open], [id$=-stop], [id$=-halt], [id$=-go], footer *, "
    + "#drop *, .top *, .copy-text, [aria-label*=Copy], [data-do=first], [data-do=reverse]";
  const found = new Map();
  for (const thing of document.querySelectorAll(`[role=tabpanel] :is(${things})`)) {
    if (!thing.checkVisibility() || thing.disabled || thing.matches(idle)) continue;
    const block = thing.closest("[class*=player], fieldset, .block, .accordion, details");
    const name = thing.dataset.do ?? (thing.dataset.speed ? "speed" : "");
    const kind = [thing.tagName, thing.type, thing.getAttribute("role"), name, block?.classList[0]];
    if (!known.includes(kind.join()) && !found.has(kind.join())) found.set(kind.join(), thing);
  }
  for (const old of document.querySelectorAll("[data-hand]")) delete old.dataset.hand;
  [...found.values()].forEach((thing, i) => (thing.dataset.hand = i));
  return [...found.keys()];
}"""
PLACE = """(e) => {
  const [least, most, now] = ["min", "max", "now"].map((of) => Number(
    e.getAttribute(`aria-value${of}`) ?? (of === "now" ? e.value : e[of])));
  return (now - least) / (most - least);
}"""

HANDLE = 60  # px: a narrower slider is only its handle, which moves along what it stands in


def press(page, control) -> None:
    box = control.bounding_box()
    if control.evaluate("e => e.matches('input[type=range], [role=slider]')"):
        y, half = box["y"] + box["height"] / 2, control.evaluate(PLACE) < 0.5
        begin, end = (box["x"] + box["width"] * (s if half else 1 - s) for s in (0.2, 0.7))
        if box["width"] < HANDLE:
            track = control.locator("xpath=..").bounding_box()
            begin, end = box["x"] + box["width"] / 2, track["x"] + track["width"] / 2
        page.mouse.move(begin, y)
        page.mouse.down()
        page.mouse.move(end, y, steps=3)
        page.mouse.up()
    elif control.evaluate("e => e.tagName === 'SELECT'"):
        control.select_option(index=1)
    else:
        control.evaluate("e => (e.labels?.[0] ?? e).scrollIntoView({ block: 'center' })")
        control.click(timeout=5000, force=control.evaluate("e => e.tagName === 'INPUT'"))


@pytest.fixture(scope="module")
def module_visitor(chromium, url):
    visitor = Visitor(chromium, url).open("?n=1&steps=2")
    visitor.wait_for_file("3 frames")
    yield visitor
    visitor.leave()


@pytest.mark.parametrize("tab", TABS)
def test_a_press_stays_on_its_tab_and_shows_something(module_visitor, tab, tmp_path):
    visitor, page, known, surprises = module_visitor, module_visitor.page, [], []
    devtools = page.context.new_cdp_session(page)

    def screenshot() -> str:
        return devtools.send("Page.captureScreenshot", {"optimizeForSpeed": True})["data"]

    if tab in SHORT:
        visitor.lead(SHORT[tab], tmp_path)
    visitor.go_to(tab)
    if tab == "results":
        page.locator(".result-tables[data-state=shown]").wait_for()
    elif tab == "plane":
        visitor.wait("film", tab)
    else:
        visitor.wait_for_file("frames", tab)
    for view in VIEWS.get(tab, (None,)):  # what is beside every view is pressed once
        visitor.go_to(*filter(None, (tab, view)))
        page.wait_for_timeout(300)
        selected = page.locator("#tabs [role=tab][aria-selected=true]").first
        kinds = page.evaluate(KINDS, known)
        known += kinds
        for i, kind in enumerate(kinds):
            control = page.locator(f"[data-hand='{i}']")
            if not control.is_visible() or control.is_disabled():
                continue  # what was pressed before has put it away
            control.scroll_into_view_if_needed()
            before = screenshot()
            press(page, control)
            deadline = time.monotonic() + 10
            while (after := screenshot()) == before and time.monotonic() < deadline:
                page.wait_for_timeout(50)
            if after == before:
                surprises.append(f"{kind} shows nothing")
            if selected.inner_text() != TABS[tab]:
                surprises.append(f"{kind} leads away")
                visitor.go_to(tab)
    assert known and surprises == []
