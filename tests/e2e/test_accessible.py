"""axe-core complains of nothing, wherever a visitor goes, and nothing is wider than the page.

One visitor walks through all of it, in a wide window: most of what a page costs is its loading.
Each tab is looked at in dark as well, and none is wider than a phone.
"""

import pytest

from tests.support.axe import violations
from tests.support.visitor import SHORT, VIEWS

COMPARISONS = {"Two schedules": "schedules", "Samplers": "samplers", "Break it": "break"}
WIDE, PHONE = ({"width": 1440, "height": 900}, {"width": 390, "height": 844})
# The innermost panel on view, or that of a tab with all that is in it.
PANEL = "[role=tabpanel]:not([style*='display: none'])"
STILL = """() => document.getAnimations().every((one) =>
  one.playState !== "running" || one.effect.getComputedTiming().endTime === Infinity)"""


class Walk:
    """What axe-core complains of, by place."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page
        self.problems: dict[str, list] = {}

    def look(self, place: str, within: str = PANEL, is_tab: bool = False) -> None:
        self._look(place, within)
        if is_tab:
            self._dark(True)
            self._look(f"{place}, dark", within, ["color-contrast"])
            self._dark(False)
            self.page.set_viewport_size(PHONE)
            self._fits(f"{place}, on a phone")
            self.page.set_viewport_size(WIDE)

    def _look(self, place: str, within: str, rules: list[str] | None = None) -> None:
        self.page.wait_for_function(STILL)  # what fades in is pale at first
        self.problems[place] = violations(self.page, within, rules)
        self._fits(place)

    def _fits(self, place: str) -> None:
        width, window = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if width > window:
            self.problems.setdefault(place, []).append(f"{width} pixels wide")

    def _dark(self, dark: bool) -> None:
        self.page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)

    def unfold(self) -> None:
        # Handles: a locator would look again, and what was clicked is not folded any more.
        for folded in self.page.locator("button.label-wrap:not(.open)").element_handles():
            if folded.is_visible():
                folded.click()

    def tab(self, tab: str, folder) -> None:
        """Look at a tab, unfolded, with a symbol of an equation named."""
        if tab in SHORT:
            self.visitor.lead(SHORT[tab], folder)
        self.visitor.go_to(tab).wait("film", tab)
        if tab != "sample":
            self.visitor.wait_for_file("frames", tab)
        self.unfold()
        card = self.visitor.part(f"{tab}-equations")
        symbols = card.locator(".eq-symbol:visible")
        if not symbols.count():
            card.locator("summary").click()
        symbols.first.press("ArrowRight")  # to the next one
        self.page.get_by_role("tooltip").wait_for()
        self.look(tab, within="body" if tab == "sample" else PANEL, is_tab=True)
        self.page.keyboard.press("Escape")


@pytest.mark.timeout(400)
def test_nothing_breaks_a_rule_and_nobody_else_is_asked(visit, url, tmp_path):
    visitor = visit("?n=1&label=3&steps=8", viewport=WIDE)
    visitor.wait_for_file("9 frames")
    walk, page = Walk(visitor), visitor.page
    for tab in ("sample", "guidance", "reverse", "forward"):
        walk.tab(tab, tmp_path)
        for name in VIEWS.get(tab, ())[1:]:
            visitor.go_to(name)
            if tab == "reverse":
                visitor.wait("film", f"race-{COMPARISONS[name]}")
            walk.look(name, within=f"{PANEL} {PANEL}")
    visitor.go_to("plane").wait("film", "plane")
    visitor.choose("plane-data", "Drawn")
    walk.look("plane", is_tab=True)
    visitor.go_to("results")
    page.locator(".result-tables[data-state=shown]").wait_for()
    visitor.part("results-board").locator("td [data-hint]").first.click()
    walk.look("results", is_tab=True)
    page.get_by_role("button", name="Tour", exact=True).click()
    page.get_by_role("dialog").wait_for()
    walk.look("the tour", within="[role=dialog]")
    assert {place: problems for place, problems in walk.problems.items() if problems} == {}
    allowed = (url, "data:", f"blob:{url}")
    assert [request for request in visitor.requests if not request.startswith(allowed)] == []
