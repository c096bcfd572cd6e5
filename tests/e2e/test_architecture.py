"""The network of the chosen model is drawn, named block by block, and follows the choice."""

from __future__ import annotations

from ddpm_core import load
from lab.process.outline import outline
from ui.architecture import told


def words(visitor):
    return visitor.page.locator("#sample-network .net-told").inner_text()


def test_a_network_is_named_block_by_block_and_follows_the_picker_and_a_link(visit):
    visitor = visit("?n=1&steps=2&model=mnist-linear")
    visitor.wait("film")
    page = visitor.page
    page.locator("#sample-network-fold button").first.click()
    figure = page.locator("#sample-network .architecture[data-model='mnist-linear']")
    figure.wait_for()
    assert figure.locator(".net-wide [data-kind=attention]").count() == 0
    page.locator("#sample-model input").click()
    page.get_by_role("option", name="mnist-conditional", exact=True).click()
    page.wait_for_selector("#sample-network [data-model='mnist-conditional']")
    assert page.locator("#sample-network .net-wide [data-kind=attention]").count() == 3
    blocks = [told(b) for b in outline(load("mnist-conditional").unet)]
    figure = page.locator("#sample-network .net-figure")
    page.mouse.move(0, 0)  # it would name the block that comes to lie under it
    figure.focus()
    for text in blocks[:4]:
        figure.press("ArrowRight")
        assert words(visitor) == text
    figure.press("End")
    assert words(visitor) == blocks[-1]
    figure.press("Escape")
    assert words(visitor) == ""
    number = next(i for i, text in enumerate(blocks) if text.startswith("middle.1 attention"))
    page.locator(f"#sample-network .net-wide [data-block='{number}'] ellipse").hover()
    assert words(visitor) == blocks[number]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator("#sample-network .net-narrow svg").is_visible()
    assert not page.locator("#sample-network .net-wide").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
