"""A newcomer is offered a tour of the real controls, and can leave it at any step."""

from __future__ import annotations

import pytest

from ui.tour import STEPS

PHONE = {"viewport": {"width": 390, "height": 844}}
IN_VIEW = """() => {
  const box = document.querySelector("[data-toured]")?.getBoundingClientRect();
  if (!box || !box.width) return false;
  const card = document.querySelector(".tour-card").getBoundingClientRect();
  const apart = box.right <= card.left || box.left >= card.right
    || box.bottom <= card.top || box.top >= card.bottom;
  return apart && box.top >= 0 && box.bottom <= innerHeight;
}"""


def offer(visitor):
    return visitor.page.get_by_text("New here?")


def button(visitor, name):
    return visitor.page.get_by_role("button", name=name, exact=True)


def card(visitor):
    return visitor.page.get_by_role("dialog")


def begin(visitor):
    button(visitor, "Tour").focus()
    visitor.page.keyboard.press("Enter")
    at(visitor, 1)


def at(visitor, step):
    """Until a step has found what it points at."""
    visitor.page.wait_for_selector(f".tour[data-step='{step}'][data-found=yes]", timeout=30_000)


def pointed(visitor):
    return visitor.page.locator("[data-toured]")


def test_it_is_offered_and_not_forced_and_does_not_come_back(visit):
    visitor = visit("?n=1&steps=4")
    visitor.wait("film")
    assert offer(visitor).is_visible() and not card(visitor).count()
    begin(visitor)
    visitor.page.keyboard.press("Escape")
    card(visitor).wait_for(state="hidden")
    assert button(visitor, "Tour").evaluate("one => one === document.activeElement")
    visitor.open("?n=1&steps=4").wait("film")
    assert not offer(visitor).is_visible() and not card(visitor).count()
    begin(visitor)  # but it can be had again
    button(visitor, "Skip").click()
    card(visitor).wait_for(state="hidden")


@pytest.mark.parametrize("context", [{}, PHONE], ids=["wide", "phone"])
def test_it_is_walked_by_the_keyboard_alone(visit, context):
    visitor = visit("?n=1&steps=4", **context)
    visitor.wait("film")
    begin(visitor)
    for number, step in enumerate(STEPS, start=1):
        at(visitor, number)
        assert card(visitor).get_by_text(step.title).is_visible()
        assert f"{number} of {len(STEPS)}" in card(visitor).inner_text()
        tab = visitor.page.locator(f"#tabs [role=tab][data-tab-id={step.tab}]")
        assert tab.get_attribute("aria-selected") == "true"
        visitor.page.wait_for_function(IN_VIEW, timeout=15_000)
        assert button(visitor, "Done" if number == len(STEPS) else "Next").evaluate(
            "one => one === document.activeElement"
        )
        visitor.page.keyboard.press("Enter")
    card(visitor).wait_for(state="hidden")
    assert button(visitor, "Tour").evaluate("one => one === document.activeElement")
    assert not pointed(visitor).count()
    # A tab that is returned to is as it was left.
    assert visitor.page.locator("#sample-model input").input_value() == "mnist-conditional"
    assert visitor.page.locator("#sample-steps input[type=number]").input_value() == "4"


def test_the_control_works_and_ticks_its_step_off_without_storage_too(visit):
    visitor = visit(None)
    visitor.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('barred'); } });"
    )
    visitor.open("?n=1&steps=4").wait("film")
    button(visitor, "No tour, thank you").click()
    assert not offer(visitor).is_visible()
    begin(visitor)
    visitor.page.keyboard.press("ArrowRight")
    at(visitor, 2)
    assert "done" not in card(visitor).inner_text()
    # The control comes before the card, by way of Back and Skip.
    for _ in range(3):
        visitor.page.keyboard.press("Shift+Tab")
    assert pointed(visitor).evaluate("one => one.contains(document.activeElement)")
    visitor.page.keyboard.press("End")
    visitor.page.keyboard.press("ArrowLeft")
    card(visitor).get_by_text("✓ done").wait_for()
    assert visitor.stage().get_attribute("data-index") == "3"
    visitor.page.keyboard.press("Tab")
    assert button(visitor, "Next").evaluate("one => one === document.activeElement")
    visitor.page.keyboard.press("ArrowRight")
    at(visitor, 3)
    pointed(visitor).locator("label", has_text="7").click()
    card(visitor).get_by_text("✓ done").wait_for()
    visitor.page.wait_for_url("**/*label=7*")
    # It survives a control that is not there.
    button(visitor, "Skip").click()
    visitor.page.evaluate("document.querySelector('#sample-stage .player-stage').remove()")
    button(visitor, "Tour").click()
    visitor.page.wait_for_selector(".tour[data-found=no]", timeout=30_000)
    assert card(visitor).get_by_text(STEPS[0].title).is_visible()
    button(visitor, "Next").click()
    at(visitor, 2)
