"""The network of the chosen model is drawn, named block by block, and follows the choice."""

from __future__ import annotations

import pytest

from ddpm_core import load
from lab.process.outline import outline
from ui.architecture import told


@pytest.fixture
def opened(visit):
    def open(query="", **context):
        visitor = visit(f"?n=1&steps=2{query}", **context)
        visitor.wait("film")
        visitor.page.locator("#sample-network-fold button").first.click()
        visitor.page.wait_for_selector("#sample-network [data-state=shown]")
        return visitor

    return open


def words(visitor):
    return visitor.page.locator("#sample-network .net-told").inner_text()


def test_the_arrow_keys_and_the_pointer_name_the_blocks(opened):
    visitor = opened()
    blocks = [told(b) for b in outline(load("mnist-conditional").unet)]
    figure = visitor.page.locator("#sample-network .net-figure")
    visitor.page.mouse.move(0, 0)  # it would name the block that comes to lie under it
    figure.focus()
    for text in blocks[:4]:
        figure.press("ArrowRight")
        assert words(visitor) == text
    figure.press("End")
    assert words(visitor) == blocks[-1]
    figure.press("Escape")
    assert words(visitor) == ""
    number = next(i for i, text in enumerate(blocks) if text.startswith("middle.1 attention"))
    visitor.page.locator(f"#sample-network .net-wide [data-block='{number}'] ellipse").hover()
    assert words(visitor) == blocks[number]


def test_it_follows_the_picker_and_a_link(opened):
    visitor = opened("&model=mnist-linear")
    figure = visitor.page.locator("#sample-network .architecture[data-model='mnist-linear']")
    figure.wait_for()
    assert figure.locator(".net-wide [data-kind=attention]").count() == 0
    visitor.page.locator("#sample-model input").click()
    visitor.page.get_by_role("option", name="mnist-conditional", exact=True).click()
    visitor.page.wait_for_selector("#sample-network [data-model='mnist-conditional']")
    assert visitor.page.locator("#sample-network .net-wide [data-kind=attention]").count() == 3


def test_on_a_phone_its_letters_are_as_large_and_nothing_sticks_out(opened):
    visitor = opened(viewport={"width": 390, "height": 844})
    narrow = visitor.page.locator("#sample-network .net-narrow svg")
    assert (
        narrow.is_visible() and not visitor.page.locator("#sample-network .net-wide").is_visible()
    )
    text = narrow.locator(".net-label text").first
    size = text.evaluate("t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a")
    assert size >= 12
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
