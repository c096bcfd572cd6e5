"""Each of the report's equations stands in its tab, follows the cursor, and names its symbols."""

import pytest

from ddpm_core import load
from tests.support.visitor import number_in

PLACES = {
    "sample": {8, 9, 10},
    "guidance": {12, 13, 14},
    "reverse": {6, 7},
    "forward": {1, 2, 3, 4, 5},
}
SHOWN = """() => [...document.querySelectorAll("[data-equation]")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }))
  .map((one) => Number(one.dataset.equation)).sort((a, b) => a - b)"""


def equation(visitor, number):
    return visitor.page.locator(f"[data-equation='{number}']")


def shown_number(visitor, number, name) -> float:
    """A number that stands with an equation."""
    text = equation(visitor, number).locator(f"[data-number={name}]").first.inner_text()
    return number_in(text)


def wait_for_t(visitor, tab, t):
    """Wait for the card of a tab to show t."""
    card = visitor.part(f"{tab}-equations").locator(f".equations[data-t='{t}']")
    card.wait_for(state="attached")


def unfold(visitor, tab):
    """Open the card of a tab, as a first visitor has to."""
    card = visitor.part(f"{tab}-equations").locator("details")
    card.wait_for()
    if not card.evaluate("one => one.open"):
        card.locator("summary").click()


def test_the_fourteen_stand_in_their_tabs_and_follow_the_cursor(visit):
    visitor = visit("?n=1&steps=8&model=mnist-linear")
    visitor.wait("film")
    model = load("mnist-linear")
    assert not equation(visitor, 9).is_visible(), "folded on a first visit"
    unfold(visitor, "sample")  # and from then on all are open
    for tab, numbers in PLACES.items():
        visitor.go_to(tab)
        condition = f"numbers => ({SHOWN})().join() === numbers.join()"
        visitor.page.wait_for_function(condition, arg=sorted(numbers), timeout=60_000)

    visitor.go_to("sample").press("Home")
    wait_for_t(visitor, "sample", 1000)
    weight = 0.02 / (2 * 0.98 * (1 - model.schedule.abar(999)))
    assert shown_number(visitor, 9, "weight") == pytest.approx(weight, abs=5e-5)
    loss = model.training["history"][-1]["validation"]
    assert shown_number(visitor, 10, "loss") == pytest.approx(loss, abs=5e-5)

    visitor.go_to("forward").wait_for_file("1,001 frames", "forward")
    abar = load("mnist-conditional").schedule.alphas_cumprod
    visitor.press("End", tab="forward")
    visitor.press("Shift+ArrowLeft", tab="forward", times=50)
    wait_for_t(visitor, "forward", 500)
    expected = {(4, "signal"): abar[499] ** 0.5, (4, "noise"): (1 - abar[499]) ** 0.5}
    for (number, name), value in (expected | {(5, "rest"): 1 - abar[499]}).items():
        assert shown_number(visitor, number, name) == pytest.approx(value, abs=5e-4)


def test_guidance_has_the_runs_own_scale_and_push(follow):
    visitor = follow("?tab=guidance&n=1&label=3&steps=8&guidance=classifier-noisy&guidance_scale=4")
    unfold(visitor, "guidance")
    equation(visitor, 11).wait_for()
    assert shown_number(visitor, 11, "lam") == 4
    assert visitor.page.evaluate(SHOWN) == [11]
    # The same numbers as the anatomy's, which has them from the trace.
    visitor.go_to("Anatomy")
    visitor.page.wait_for_selector("#guidance-anatomy-0 [data-state=shown][data-index='8']")
    push = visitor.number("push", "guidance-anatomy-0")
    assert shown_number(visitor, 11, "push") == pytest.approx(push, rel=0.01)
    share = visitor.part("guidance-anatomy-0").locator("[data-number=share]").inner_text()
    percent, eps = map(number_in, share.split(" % of "))
    assert shown_number(visitor, 11, "eps") == pytest.approx(eps, rel=0.01)
    assert percent == pytest.approx(100 * push / eps, rel=0.05)  # shown to two digits
