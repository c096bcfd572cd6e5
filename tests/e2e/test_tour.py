"""A newcomer is offered a tour of the real controls, and can leave it at any step."""

import pytest
from playwright.sync_api import expect

from ui.widgets.tour.tour import STEPS

PHONE = {"viewport": {"width": 390, "height": 844}}
IN_VIEW = """() => {
  const box = document.querySelector("[data-toured]")?.getBoundingClientRect();
  if (!box || !box.width) return false;
  const card = document.querySelector(".tour-card").getBoundingClientRect();
  const apart = box.right <= card.left || box.left >= card.right
    || box.bottom <= card.top || box.top >= card.bottom;
  const stage = [...document.querySelectorAll(".player-stage")]
    .find((one) => one.checkVisibility())?.getBoundingClientRect();
  const covers = innerWidth > 900 && stage && stage.right > card.left && stage.bottom > card.top
    && stage.top < card.bottom;
  return apart && !covers && box.top >= 0 && box.bottom <= innerHeight;
}"""


def button(visitor, name):
    return visitor.page.get_by_role("button", name=name, exact=True)


def card(visitor):
    return visitor.page.get_by_role("dialog")


def begin(visitor):
    button(visitor, "Tour").focus()
    visitor.page.keyboard.press("Enter")
    wait_for_step(visitor, 1)


def wait_for_step(visitor, step):
    """Wait until a step has found its control."""
    visitor.page.wait_for_selector(f".tour[data-step='{step}'][data-found=yes]", timeout=30_000)


@pytest.mark.parametrize("context", [{}, PHONE], ids=["wide", "phone"])
def test_it_is_offered_and_walked_by_the_keyboard_alone_and_does_not_come_back(visit, context):
    visitor = visit("?n=1&steps=4", **context)
    visitor.wait("film")
    offer = visitor.page.get_by_text("New here?")
    expect(offer).to_be_visible(visible=not context)  # on a phone there is the button alone
    expect(card(visitor)).to_have_count(0)
    visitor.press("Home", "ArrowRight")
    begin(visitor)
    for number, step in enumerate(STEPS, start=1):
        wait_for_step(visitor, number)
        expect(card(visitor)).to_contain_text(step.title)
        expect(card(visitor)).to_contain_text(step.chapter)
        expect(card(visitor)).to_contain_text(f"{number} of {len(STEPS)}")
        expect(visitor.tab(step.tab)).to_have_attribute("aria-selected", "true")
        visitor.page.wait_for_function(IN_VIEW, timeout=15_000)
        expect(button(visitor, "Done" if number == len(STEPS) else "Next")).to_be_focused()
        visitor.page.keyboard.press("Enter")
    expect(card(visitor)).to_be_hidden()
    expect(button(visitor, "Tour")).to_be_focused()
    # The page is as it was left.
    expect(visitor.tab("sample")).to_have_attribute("aria-selected", "true")
    visitor.stands_at(1)
    expect(visitor.field("sample-steps")).to_have_value("4")
    if not context:
        visitor.open("?n=1&steps=4").wait("film")
        expect(offer).to_be_hidden()


def test_the_control_that_it_points_at_works_without_storage_too(visit):
    visitor = visit(None)
    visitor.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('barred'); } });"
    )
    visitor.open("?n=1&steps=4").wait("film")
    button(visitor, "No tour, thank you").click()
    expect(visitor.page.get_by_text("New here?")).to_be_hidden()
    begin(visitor)
    visitor.page.keyboard.press("ArrowRight")
    wait_for_step(visitor, 2)
    # The control comes before the card, by way of Back and Skip.
    for _ in range(3):
        visitor.page.keyboard.press("Shift+Tab")
    control = visitor.page.locator("[data-toured]")
    assert control.evaluate("one => one.contains(document.activeElement)")
    visitor.page.keyboard.press("End")
    visitor.page.keyboard.press("ArrowLeft")
    visitor.stands_at(3)
    # It can be left at any step.
    visitor.page.keyboard.press("Escape")
    expect(card(visitor)).to_be_hidden()
    expect(button(visitor, "Tour")).to_be_focused()
