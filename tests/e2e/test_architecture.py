"""The network of the chosen model is drawn, named block by block, and follows the choice."""

from playwright.sync_api import expect


def test_a_network_is_named_block_by_block_and_follows_the_picker(follow):
    visitor = follow("?n=1&steps=2&model=mnist-linear")
    part = visitor.part("sample-network")
    visitor.page.get_by_role("button", name="The network").first.click()
    figure, tip = part.locator(".net-figure"), visitor.page.get_by_role("tooltip")
    figure.wait_for()
    attention = part.locator(".net-grid [data-kind=attention]")
    expect(attention).to_have_count(0)
    visitor.pick("sample-model", "mnist-conditional")
    expect(attention).to_have_count(3)
    visitor.page.mouse.move(0, 0)  # it would name the block that comes to lie under it
    figure.locator("[tabindex='0']").focus()
    texts = set()
    for key in ("ArrowRight", "ArrowRight", "End"):
        visitor.page.keyboard.press(key)
        texts.add(tip.inner_text())
    assert len(texts) == 3 and all("parameters" in text for text in texts)
    attention.last.hover()
    expect(tip).to_contain_text("attention")
    visitor.wait_for_file("3 frames")
