"""Each of the report's equations stands in its tab, follows the cursor, and names its symbols."""

from __future__ import annotations

import pytest

from ddpm_core import load
from tests.support.visitor import Visitor

PLACES = {
    "sample": ("Sample", {8, 9, 10}),
    "guidance": ("Guidance", {12, 13, 14}),
    "reverse": ("Reverse process", {6, 7}),
    "forward": ("Forward process", {1, 2, 3, 4, 5}),
}
SHOWN = """() => [...document.querySelectorAll(".equation")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }))
  .map((one) => Number(one.dataset.equation))"""


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


@pytest.fixture(scope="module")
def reader(chromium, url):
    """Of a page through which all tests walk."""
    visitor = Visitor(chromium, url).open("?n=1&steps=8")
    visitor.wait("film")
    yield visitor
    visitor.leave()


def test_each_of_the_fourteen_is_there_once_and_shows_in_its_tab(reader):
    for title, numbers in PLACES.values():
        reader.page.get_by_role("tab", name=title, exact=True).click()
        shows = f"numbers => ({SHOWN})().sort((a, b) => a - b).join() === numbers.join()"
        reader.page.wait_for_function(shows, arg=sorted(numbers), timeout=60_000)
    found = reader.page.locator(".equation").evaluate_all(
        "all => all.map((one) => Number(one.dataset.equation))"
    )
    assert sorted(found) == list(range(1, 15))


def test_10_and_9_are_of_the_model_that_is_chosen(reader):
    go_to(reader, "sample")
    reader.page.locator("#sample-model input").click()
    reader.page.get_by_role("option", name="mnist-linear", exact=True).click()
    loss = load("mnist-linear").training["history"][-1]["validation"]
    cell = equation(reader, 10).locator("[data-number=loss]")
    cell.filter(has_text=f"{loss:.4f}").wait_for(timeout=60_000)
    reader.wait("film")
    scrub(reader, "sample", "Home")
    settled(reader, "sample", 1000)
    weight = 0.02 / (2 * 0.98 * (1 - load("mnist-linear").schedule.abar(999)))
    assert number(reader, 9, "weight") == pytest.approx(weight, abs=5e-5)


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


def test_guidance_has_the_runs_own_scale_and_push(reader, tmp_path):
    link = "?tab=guidance&n=1&label=3&steps=8&guidance=classifier-noisy&guidance_scale=4"
    reader.lead(link, tmp_path)
    reader.wait_for_kept("9 frames", "guidance")
    equation(reader, 11).wait_for()
    assert number(reader, 11, "lam") == 4
    assert reader.page.evaluate(SHOWN) == [11]
    # The same numbers as the anatomy's, which has them from the trace: at the end those of the last
    # step, which no other follows, and elsewhere those of the step that leaves the t on the stage.
    part = reader.page.locator("#guidance-anatomy-0 .anatomy")
    reader.page.wait_for_selector("#guidance-anatomy-0 [data-state=shown][data-index='8']")
    for name in ("push", "eps"):
        told = part.locator(f"[data-number={name}]").first.inner_text().replace("−", "-")
        assert number(reader, 11, name) == pytest.approx(float(told), rel=0.01)
    scrub(reader, "guidance", "Home")
    here = scrub(reader, "guidance", "ArrowRight", 3)
    settled(reader, "guidance", here)
    push = number(reader, 11, "push")
    scrub(reader, "guidance", "ArrowRight")
    part.locator("[data-number=left]").filter(has_text=str(here)).wait_for()
    told = float(part.locator("[data-number=push]").first.inner_text())
    assert push == pytest.approx(told, rel=0.01)


def test_on_a_phone_a_symbol_is_named_by_a_tap_a_hover_and_the_keyboard(visit):
    window = {"viewport": {"width": 390, "height": 844}}
    visitor = visit("?n=1&steps=8", has_touch=True, **window)
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
    for shown in visitor.page.locator("#sample-equations .eq-line").all():
        box = shown.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, shown.inner_text()

    scrub(visitor, "sample", "Home")
    t = scrub(visitor, "sample", "ArrowRight", 3)
    settled(visitor, "sample", t)
    share = f"{load('mnist-conditional').schedule.abar(t - 1):.4f}"
    equation(visitor, 10).locator("[data-symbol=abar]").first.hover()
    tip(visitor).filter(has_text="share of the image’s variance left").wait_for()
    assert share in tip(visitor).inner_text()
    visitor.page.keyboard.press("Escape")
    tip(visitor).wait_for(state="hidden")
    visitor.page.mouse.move(0, 0)

    first = equation(visitor, 10).locator("[data-symbol=L]")
    first.focus()
    tip(visitor).filter(has_text="the loss that is trained").wait_for()
    assert first.get_attribute("aria-describedby") == tip(visitor).get_attribute("id")
    at = visitor.stage().get_attribute("data-index")
    visitor.page.keyboard.press("ArrowRight")
    tip(visitor).filter(has_text="the network’s weights").wait_for()
    assert visitor.stage().get_attribute("data-index") == at, "the player keeps its place"
    # From one equation, Tab goes on to what comes after it.
    visitor.page.keyboard.press("Tab")
    tip(visitor).wait_for(state="hidden")
    assert not equation(visitor, 10).locator(":focus").count()
