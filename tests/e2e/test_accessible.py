"""axe-core finds nothing to complain of, whichever tab is open."""

from __future__ import annotations

import pytest

from tests.e2e.axe import violations

TABS = ["sample", "guidance", "reverse"]
INSTRUMENTS = ["Film strip", "Atlas", "Branch", "Guidance against diversity"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_no_tab_breaks_a_rule(visit, tab, scheme):
    visitor = visit(f"?tab={tab}&n=1&label=3&steps=8&__theme={scheme}", color_scheme=scheme)
    visitor.wait_for_kept("9 frames", tab)
    for folded in visitor.page.locator("button.label-wrap:not(.open)").all():
        if folded.is_visible():
            folded.click()
    assert violations(visitor.page, only_colours=scheme == "dark") == []


def test_no_tab_breaks_a_rule_on_a_phone(visit):
    visitor = visit("?tab=guidance&n=1&label=3&steps=8", viewport={"width": 390, "height": 844})
    visitor.wait_for_kept("9 frames", "guidance")
    assert violations(visitor.page) == []


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_no_instrument_breaks_a_rule(visit, name):
    visitor = visit("?tab=guidance&n=1&label=3&steps=8")
    visitor.wait_for_kept("9 frames", "guidance")
    visitor.page.get_by_role("tab", name=name).click()
    visitor.page.get_by_role("tab", name=name, selected=True).wait_for()
    assert violations(visitor.page, within="[role=tabpanel] [role=tabpanel]") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_results_break_no_rule(visit, width, scheme):
    window = {"width": width, "height": 844}
    visitor = visit(f"?tab=results&__theme={scheme}", viewport=window, color_scheme=scheme)
    visitor.page.locator(".board[data-state=shown]").wait_for()
    assert violations(visitor.page, only_colours=scheme == "dark") == []
    visitor.page.locator("#results-board td button").first.click()
    visitor.page.get_by_role("dialog").wait_for()
    assert violations(visitor.page, within="[role=dialog]") == []
