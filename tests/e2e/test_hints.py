"""What a control, a choice or a term is, can be asked by mouse, by key and by touch."""

import re

from playwright.sync_api import expect

STEPS = "In how many steps"
HEUN = "tries each step"
SAMPLER = "The rule that makes the next"


def tip(visitor):
    return visitor.page.get_by_role("tooltip")


def label(visitor, name):
    return visitor.part(name).locator("[data-testid=block-info]")


def chip(visitor, name):
    return visitor.part("sample-sampler").locator("label", has_text=name)


def test_by_mouse_and_by_key(visit):
    visitor = visit("?n=1&steps=4")
    page = visitor.page
    visitor.wait("film")
    label(visitor, "sample-steps").hover()
    expect(tip(visitor)).to_contain_text(STEPS)
    chip(visitor, "Heun").hover()
    expect(tip(visitor)).to_contain_text(HEUN)
    chip(visitor, "Heun").click()  # pressed, it is in nobody's way
    expect(tip(visitor)).to_be_hidden()
    page.mouse.move(0, 0)
    visitor.wait_for_link(sampler="heun")

    visitor.part("sample-sampler").locator("input:checked").focus()
    expect(tip(visitor)).to_be_hidden()
    page.keyboard.press("?")
    expect(tip(visitor)).to_contain_text(HEUN)
    page.keyboard.press("?")
    expect(tip(visitor)).to_contain_text(SAMPLER)
    page.keyboard.press("Escape")
    expect(tip(visitor)).to_be_hidden()
    handle = visitor.handle("sample-steps")
    handle.focus()
    expect(handle).to_have_accessible_description(re.compile(f"^{STEPS}"))

    # From a term Tab leads to the link in its tip.
    page.locator("#sample-equations summary").click()
    page.locator("#sample-equations [data-symbol=sigma2]").first.focus()
    page.keyboard.press("Tab")
    expect(tip(visitor).get_by_role("link")).to_be_focused()


def test_by_touch(visit):
    phone = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}}
    visitor = visit("?n=1&steps=4", **phone)
    visitor.wait("film")
    label(visitor, "sample-seed").tap()
    expect(tip(visitor)).to_contain_text("The number that the noise is made from")
    expect(visitor.field("sample-seed")).not_to_be_focused()  # no keyboard comes
    chip(visitor, "Heun").tap()
    expect(tip(visitor)).to_contain_text(HEUN)
    visitor.wait_for_link(sampler="heun")
    card = visitor.part("sample-equations")
    card.locator("summary").tap()
    visitor.wait_for_file("5 frames")
    symbol = card.locator("[data-symbol=sigma2]").first
    # Between the stage, which stays in view, and the bar at the foot.
    symbol.evaluate("(it) => { it.scrollIntoView({ block: 'end' }); scrollBy(0, 120); }")
    symbol.tap()
    expect(tip(visitor)).to_contain_text("section 1.4 of the report says")
    for element in (tip(visitor), *card.locator(".eq-line").all()):
        box = element.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, element.inner_text()
