"""The interval, the film strip, the plot and the anatomy under the Guidance stage."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.visitor import at_rest

TAB = "guidance"
LINK = f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2&n=4&steps=2"


def at(page, t, high=999):
    """Where on the page a timestep of the interval is."""
    box = at_rest(page.locator("#guidance-interval .interval-scale"))
    return box["x"] + box["width"] * (1 - t / high), box["y"] + box["height"] / 2


def test_the_ends_of_the_interval_and_what_is_between_them_follow_mouse_and_keys(led):
    visitor = led(LINK)
    visitor.wait_for_kept("3 frames", TAB)
    page, mouse = visitor.page, visitor.page.mouse
    acts = page.locator("#guidance-interval .interval-numbers")
    low, high = (page.locator(f"#guidance-interval [data-end={end}]") for end in ("low", "high"))
    expect(acts).to_have_text("t = 1000 to 1")
    high.press("PageDown")
    expect(acts).to_have_text("t = 900 to 1")
    high.press("ArrowLeft")  # the arrows go where they point: to the left is more noise
    expect(acts).to_have_text("t = 910 to 1")
    low.hover()  # which waits until it rests in its place
    part = re.compile(r"^t = 910 to (49\d|50\d)$")
    for _ in range(2):
        mouse.down()
        mouse.move(*at(page, 500), steps=8)
        expect(acts).to_have_text(part)
        mouse.move(*at(page, 990), steps=8)  # handles do not cross
        expect(acts).to_have_text("t = 910 to 910")
        mouse.up()
        # The second time it is on both at once: which is meant, the way tells that it is pulled.
        mouse.move(*at(page, 909))
    mouse.down()
    mouse.move(*at(page, 990), steps=4)
    mouse.up()
    expect(acts).to_have_text(re.compile(r"^t = 9(8|9)\d to 910$"))
    page.wait_for_url(re.compile("t_low.{1,3}909"))
    high.press("Home")
    low.press("End")
    expect(acts).to_have_text("t = 1000 to 1")
    high.press("PageDown")
    mouse.move(*at(page, 500))
    mouse.down()
    mouse.move(*at(page, 550), steps=4)
    mouse.up()
    expect(acts).to_have_text(re.compile(r"^t = 9(4|5)\d to (4|5)\d$"))


def test_a_scale_is_taken_from_the_strip_and_the_plot_by_click_and_by_keys(led):
    visitor = led(LINK)
    visitor.wait_for_kept("3 frames", TAB)
    page, scale = visitor.page, visitor.page.locator("#guidance-s input[type=number]")
    page.get_by_role("tab", name="Film strip").click()
    tiles = page.locator("#guidance-strip").get_by_role("option")
    tiles.nth(9).click()
    page.wait_for_url("**/*guidance_scale=8*")
    expect(scale).to_have_value("8")
    expect(tiles.nth(9)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(10)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/*guidance_scale=10*")
    page.get_by_role("tab", name="Guidance against diversity").click()
    plot = page.locator("#guidance-plot .tradeoff")
    before = plot.bounding_box()["height"]
    visitor.choose("guidance-count", "20")
    visitor.click("guidance-measure")
    expect(plot).to_have_attribute("data-state", "done", timeout=60_000)
    expect(plot.locator("tbody tr")).to_have_count(7)
    assert plot.bounding_box()["height"] == before, "it jumps while it grows"
    point = plot.get_by_role("button", name="s = 3:")
    point.hover()
    accuracy = plot.locator(".tradeoff-read.tradeoff-accuracy").text_content()
    assert accuracy in plot.locator("tbody tr", has=page.get_by_text("3", exact=True)).inner_text()
    point.click()
    page.wait_for_url("**/*guidance_scale=3*")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/*guidance_scale=5*")


def test_the_anatomy_is_of_the_step_and_tile_on_the_stage_without_a_request(led):
    # Guidance rests while there is more noise.
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=5&n=4&steps=12&t_high=500")
    visitor.wait_for_kept("13 frames", TAB)
    page, stage = visitor.page, visitor.stage(TAB)
    page.get_by_role("tab", name="Anatomy").click()
    anatomy = page.locator("#guidance-anatomy-0 .anatomy")
    expect(anatomy).to_have_attribute("data-state", "shown")
    requests, timeline = len(visitor.requests), stage.get_by_role("slider").first

    def number(name):
        return anatomy.locator(f"[data-number={name}]").first

    timeline.press("Home")
    expect(number("push")).to_have_text("–")
    timeline.press("ArrowRight")
    expect(anatomy).to_contain_text("Guidance rests at this step.")
    height = anatomy.bounding_box()["height"]
    timeline.press("End")
    timeline.press("ArrowLeft")
    expect(anatomy).not_to_contain_text("Guidance rests at this step.")
    assert anatomy.bounding_box()["height"] == height, "it jumps while the cursor moves"
    # A step is told by the t on the stage, and by the one that stood there before it.
    expect(number("t")).to_have_text(stage.get_attribute("data-t"))
    left, push = number("left").inner_text(), number("push").inner_text()
    timeline.press("ArrowLeft")
    expect(stage).to_have_attribute("data-t", left)
    expect(number("t")).to_have_text(left)
    timeline.press("ArrowRight")
    page.locator(f"#{TAB}-stage [data-tile='2']").first.click()
    expect(number("tile")).to_have_text("3")
    expect(number("push")).not_to_have_text(push)
    assert re.search("decided at t|never decided", anatomy.inner_text())
    plot = anatomy.get_by_role("img", name="over 12 steps")
    box = at_rest(plot)
    plot.click(position={"x": box["width"] * 0.5, "y": 60})
    expect(stage).to_have_attribute("data-index", "6")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=5)
    page.mouse.up()
    expect(stage).to_have_attribute("data-index", "9")
    assert visitor.requests[requests:] == []
    assert not page.locator("#guidance-anatomy-1 .anatomy").is_visible()
