"""axe-core complains of nothing, wherever a visitor goes, and nothing is wider than the page.

One visitor per window and theme walks through all of it: most of what a page costs is its loading.
"""

from __future__ import annotations

import pytest

from tests.e2e.test_equations import PLACES, go_to, tip
from tests.e2e.test_tour import at, begin, button
from tests.support.axe import violations

INSTRUMENTS = ["Film strip", "Atlas", "Branch", "Guidance against diversity"]
COMPARISONS = {"Two schedules": "schedules", "Samplers": "samplers", "Break it": "break"}
WIDE, PHONE = (1440, 900), (390, 844)
INNER = "[role=tabpanel] [role=tabpanel]"
STILL = """() => document.getAnimations().every((one) =>
  one.playState !== "running" || one.effect.getComputedTiming().endTime === Infinity)"""


class Walk:
    """What axe-core complains of, by place."""

    def __init__(self, visitor, only_colours: bool):
        self.visitor, self.page = visitor, visitor.page
        self.only_colours = only_colours
        self.found: dict[str, list] = {}

    def look(self, place: str, within: str | None = None) -> None:
        self.page.wait_for_function(STILL)  # what fades in is pale at first
        self.found[place] = violations(self.page, within, self.only_colours)
        wide, window = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if wide > window:
            self.found[place].append(f"{wide} pixels wide")

    def unfold(self) -> None:
        # Handles: a locator would look again, and what was clicked is not folded any more.
        for folded in self.page.locator("button.label-wrap:not(.open)").element_handles():
            if folded.is_visible():
                folded.click()

    def tab(self, tab: str) -> None:
        """With all that can be unfolded, and a symbol of an equation named."""
        go_to(self.visitor, tab)
        if tab != "sample":
            self.visitor.wait_for_kept("frames", tab)
        self.unfold()
        card = self.page.locator(f"#{tab}-equations")
        symbols = card.locator(".eq-symbol:visible")
        if not symbols.count():
            card.locator("summary").click()
        symbols.first.press("ArrowRight")  # to the next one
        tip(self.visitor).wait_for()
        self.look(tab)
        self.page.keyboard.press("Escape")

    def network(self) -> None:
        self.page.wait_for_selector("#sample-network [data-state=shown]")
        self.page.locator("#sample-network summary").click()
        assert self.page.locator("#sample-network .net-list li").count() > 10
        self.look("the network", within="#sample-network-fold")

    def instruments(self) -> None:
        for name in INSTRUMENTS:
            self.page.get_by_role("tab", name=name).click()
            self.page.get_by_role("tab", name=name, selected=True).wait_for()
            self.look(name, within=INNER)

    def comparisons(self) -> None:
        for name, view in COMPARISONS.items():
            self.page.get_by_role("tab", name=name).click()
            self.page.wait_for_selector(f"#race-{view}-stage .race[data-state=film]")
            self.look(name, within=INNER)

    def results(self) -> None:
        self.page.get_by_role("tab", name="Results").click()
        self.page.locator(".board[data-state=shown]").wait_for()
        self.look("results", within="#results-board")
        self.page.locator("#results-board td button").first.click()
        self.page.get_by_role("dialog").wait_for()
        self.look("a protocol", within="[role=dialog]")
        self.page.keyboard.press("Escape")

    def tour(self) -> None:
        begin(self.visitor)
        self.look("the tour, step 1")
        button(self.visitor, "Next").click()
        at(self.visitor, 2)
        self.look("the tour, step 2", within=".tour")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light")])
def test_nothing_breaks_a_rule_and_nobody_else_is_asked(visit, url, size, scheme):
    window = {"width": size[0], "height": size[1]}
    query = f"?n=1&label=3&steps=8&__theme={scheme}"
    visitor = visit(query, viewport=window, color_scheme=scheme)
    visitor.wait_for_kept("9 frames")
    walk = Walk(visitor, only_colours=scheme == "dark")
    within = {"sample": walk.network, "guidance": walk.instruments, "reverse": walk.comparisons}
    for tab in PLACES:
        walk.tab(tab)
        if size == WIDE and tab in within:
            within[tab]()
    walk.results()
    if size == WIDE:
        walk.tour()
    assert {place: found for place, found in walk.found.items() if found} == {}
    own = (url, "data:", f"blob:{url}")
    assert [request for request in visitor.requests if not request.startswith(own)] == []
