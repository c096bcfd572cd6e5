"""Each of the report's equations stands in its tab, follows the cursor, and names its symbols."""

from __future__ import annotations

import pytest

from ddpm_core import load
from tests.e2e.conftest import Visitor

PLACES = {
    "sample": ("Sample", {8, 9, 10}),
    "guidance": ("Guidance", {12, 13, 14}),
    "reverse": ("Reverse process", {6, 7}),
    "forward": ("Forward process", {1, 2, 3, 4, 5}),
}
SHOWN = """() => [...document.querySelectorAll(".equation")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }))
  .map((one) => Number(one.dataset.equation))"""
PHONE = {"viewport": {"width": 390, "height": 844}}


def go_to(visitor, tab):
    visitor.page.get_by_role("tab", name=PLACES[tab][0], exact=True).click()
    visitor.wait("film", tab)


def equation(visitor, number):
    return visitor.page.locator(f"[data-equation='{number}']")


def number(visitor, of, name):
    """A number that stands with an equation."""
    text = equation(visitor, of).locator(f"[data-number={name}]").first.inner_text()
    return float(text.replace("−", "-"))


def scrub(visitor, tab, key, times=1):
    timeline = visitor.stage(tab).get_by_role("slider").first
    for _ in range(times):
        timeline.press(key)
    return int(visitor.stage(tab).get_attribute("data-t"))


def settled(visitor, tab, t):
    """Until the card of a tab tells of t."""
    visitor.page.locator(f"#{tab}-equations .equations[data-t='{t}']").wait_for(state="attached")


def tip(visitor):
    return visitor.page.get_by_role("tooltip")


@pytest.fixture
def visitor(visit):
    visitor = visit("?n=1&steps=8")
    visitor.wait("film")
    return visitor


@pytest.fixture(scope="module")
def reader(chromium, url):
    """Of a page on which no test runs anything of its own."""
    visitor = Visitor(chromium, url).open("?n=1&steps=8")
    visitor.wait("film")
    yield visitor
    visitor.leave()


def test_each_of_the_fourteen_is_there_once_and_shows_in_its_tab(visitor):
    for tab, (_, numbers) in PLACES.items():
        go_to(visitor, tab)
        if tab == "guidance":
            visitor.wait_for_kept("frames", tab)
        assert set(visitor.page.evaluate(SHOWN)) == numbers, tab
    found = visitor.page.locator(".equation").evaluate_all(
        "all => all.map((one) => Number(one.dataset.equation))"
    )
    assert sorted(found) == list(range(1, 15))
    go_to(visitor, "guidance")
    visitor.choose("guidance-method", "both")
    equation(visitor, 11).wait_for(timeout=60_000)
    assert set(visitor.page.evaluate(SHOWN)) == {11, 12, 13, 14}


def test_4_and_5_follow_the_cursor_over_the_shipped_schedule(reader):
    go_to(reader, "forward")
    reader.wait_for_kept("1,001 frames", "forward")
    abar = load("mnist-conditional").schedule.alphas_cumprod
    scrub(reader, "forward", "End")
    for strides in (10, 40):
        t = scrub(reader, "forward", "Shift+ArrowLeft", strides)
        settled(reader, "forward", t)
        assert number(reader, 4, "signal") == pytest.approx(abar[t - 1] ** 0.5, abs=5e-4)
        assert number(reader, 4, "noise") == pytest.approx((1 - abar[t - 1]) ** 0.5, abs=5e-4)
        assert number(reader, 5, "rest") == pytest.approx(1 - abar[t - 1], abs=5e-5)
    assert t == 500


def test_7_tells_the_step_of_the_schedule_that_the_run_was_made_with(reader):
    go_to(reader, "reverse")
    reader.wait_for_kept("frames", "reverse")
    t = scrub(reader, "reverse", "Home")
    settled(reader, "reverse", t)
    beta = load("mnist-conditional").schedule.betas[t - 1]
    assert t == 1000 and number(reader, 7, "sigma2") == pytest.approx(beta, abs=5e-5)
    # No step leads on from the clean image: the numbers are of the one from 1, and say so.
    assert scrub(reader, "reverse", "End") == 0
    settled(reader, "reverse", 0)
    last = reader.page.locator("#reverse-equations .equations-last")
    assert last.is_visible() and number(reader, 7, "sigma2") > 0
    notes = reader.page.locator("#reverse-equations .equations-notes")
    assert "corrected" in notes.inner_text() and "250 steps for 1,000" in notes.inner_text()


def test_another_model_has_other_numbers(visitor):
    def losses():
        return number(visitor, 10, "loss"), number(visitor, 9, "weight")

    scrub(visitor, "sample", "Home")
    settled(visitor, "sample", 1000)
    before = losses()
    visitor.page.locator("#sample-model input").click()
    visitor.page.get_by_role("option", name="mnist-linear", exact=True).click()
    visitor.click("sample-run")
    loss = load("mnist-linear").training["history"][-1]["validation"]
    cell = equation(visitor, 10).locator("[data-number=loss]")
    cell.filter(has_text=f"{loss:.4f}").wait_for(timeout=60_000)
    visitor.wait("film")
    scrub(visitor, "sample", "Home")
    settled(visitor, "sample", 1000)
    weight = 0.02 / (2 * 0.98 * (1 - load("mnist-linear").schedule.abar(999)))
    assert before != losses() and losses()[1] == pytest.approx(weight, abs=5e-5)


def test_guidance_has_the_runs_own_scale_and_push(visit):
    visitor = visit("?tab=guidance&n=1&label=3&steps=8&guidance=classifier-noisy&guidance_scale=4")
    visitor.wait_for_kept("9 frames", "guidance")
    equation(visitor, 11).wait_for()
    assert number(visitor, 11, "lam") == 4
    # The same numbers as the anatomy's, which has them from the trace: at the end those of the last
    # step, which no other follows, and elsewhere those of the step that leaves the t on the stage.
    part = visitor.page.locator("#guidance-anatomy-0 .anatomy")
    visitor.page.wait_for_selector("#guidance-anatomy-0 [data-state=shown][data-index='8']")
    for name in ("push", "eps"):
        cell = visitor.page.locator(f"#guidance-anatomy-0 [data-number={name}]").first
        told = float(cell.inner_text().replace("−", "-"))
        assert number(visitor, 11, name) == pytest.approx(told, rel=0.01)
    assert visitor.page.evaluate(SHOWN) == [11]
    scrub(visitor, "guidance", "Home")
    here = scrub(visitor, "guidance", "ArrowRight", 3)
    settled(visitor, "guidance", here)
    push = number(visitor, 11, "push")
    scrub(visitor, "guidance", "ArrowRight")
    part.locator("[data-number=left]").filter(has_text=str(here)).wait_for()
    told = float(part.locator("[data-number=push]").first.inner_text())
    assert push == pytest.approx(told, rel=0.01)


def test_a_symbol_is_named_on_hover_and_by_the_keyboard(reader):
    go_to(reader, "sample")
    first = equation(reader, 10).locator("[data-symbol=L]")
    abar = equation(reader, 10).locator("[data-symbol=abar]").first
    scrub(reader, "sample", "Home")
    scrub(reader, "sample", "ArrowRight", 3)
    t = int(reader.stage().get_attribute("data-t"))
    settled(reader, "sample", t)
    share = f"{load('mnist-conditional').schedule.abar(t - 1):.4f}"
    abar.hover()
    tip(reader).filter(has_text="share of the image’s variance left").wait_for()
    assert share in tip(reader).inner_text()
    reader.page.keyboard.press("Escape")
    tip(reader).wait_for(state="hidden")
    reader.page.mouse.move(0, 0)

    first.focus()
    tip(reader).filter(has_text="the loss that is trained").wait_for()
    assert first.get_attribute("aria-describedby") == tip(reader).get_attribute("id")
    at = reader.stage().get_attribute("data-index")
    reader.page.keyboard.press("ArrowRight")
    tip(reader).filter(has_text="the network’s weights").wait_for()
    assert reader.stage().get_attribute("data-index") == at, "the player keeps its place"
    # From one equation, Tab goes on to what comes after it.
    reader.page.keyboard.press("Tab")
    tip(reader).wait_for(state="hidden")
    assert not equation(reader, 10).locator(":focus").count()


def test_a_tap_names_a_symbol_and_another_takes_the_name_away(visit):
    visitor = visit("?n=1&steps=8", has_touch=True, **PHONE)
    visitor.wait("film")
    assert not equation(visitor, 9).is_visible(), "folded where room is short"
    visitor.page.locator("#sample-equations summary").tap()
    equation(visitor, 9).locator("[data-symbol=sigma2]").tap()
    told = tip(visitor).filter(has_text="section 1.4 says")
    told.wait_for()
    box = told.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    visitor.page.locator("#sample-equations .equations-notes").tap()
    tip(visitor).wait_for(state="hidden")


def test_on_a_phone_no_equation_is_wider_than_the_page(visit):
    visitor = visit("?n=1&steps=8", **PHONE)
    for tab in PLACES:
        go_to(visitor, tab)
        if tab == "guidance":
            visitor.wait_for_kept("frames", tab)
        visitor.page.locator(f"#{tab}-equations summary").click()
        lines = visitor.page.locator(".equation:visible .eq-line").all()
        assert lines, tab
        for shown in lines:
            box = shown.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390, shown.inner_text()
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390, tab
