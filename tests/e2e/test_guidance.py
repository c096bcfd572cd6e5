"""A visitor sets the guidance: the picture follows the slider, and every view answers."""

import re
import time

import numpy as np
from playwright.sync_api import expect

from lab.measure.metrics import measuring
from tests.support.visitor import at_rest, tiles
from ui.runs import runs

TAB = "guidance"
QUICK = "&n=1&steps=12"
CFG = f"?tab={TAB}&label=3&guidance=cfg&guidance_scale="


def middle(locator):
    box = at_rest(locator)
    return box["x"], box["y"] + box["height"] / 2, box["width"]


def settle(visitor, steps=12):
    """Wait for the full number of steps on the stage, with its files."""
    visitor.wait_for_file(f"{steps + 1} frames", TAB)
    visitor.wait("film", TAB)
    visitor.has_frames(steps + 1, TAB)


def scale(visitor):
    return float(visitor.field("guidance-s").input_value())


def rows(visitor):
    return visitor.page.locator(".rows").first


def test_two_methods_run_on_one_timeline(follow):
    visitor = follow(
        f"?tab={TAB}&label=7&guidance=cfg&guidance_scale=2&n=4&steps=10&seed=2"
        "&beside=guidance%3Dclassifier-noisy%26guidance_scale%3D5"
    )
    settle(visitor, 10)
    assert len(tiles(visitor.picture(tab=TAB), 4)) == 8
    assert visitor.chosen("guidance-method") == "both"
    expect(rows(visitor)).to_contain_text("noise-aware classifier, λ = 5")
    # The views below are of one of the two methods, and say of which.
    strip = visitor.go_to("Film strip").part("guidance-strip")
    strip.get_by_role("option", name="s = 10").wait_for()
    visitor.part("guidance-measured").locator("input[value=classifier]").click()
    strip.get_by_role("option", name="λ = 20").wait_for()


def test_the_picture_follows_the_slider_while_it_is_held_and_the_keys(follow):
    visitor = follow(f"{CFG}0{QUICK}&seed=4")
    settle(visitor)
    visitor.press("End", tab=TAB)
    before = visitor.picture(tab=TAB)
    page, slider = visitor.page, visitor.handle("guidance-s")
    left, y, width = middle(slider)
    page.mouse.move(left + 3, y)
    page.mouse.down()
    names = {visitor.run(TAB)}
    for part in (0.4, 0.9):
        page.mouse.move(left + part * width, y, steps=4)
        # A preview, or the film that follows it as soon as the slider rests.
        names.add(visitor.wait_for_another(names, TAB, whole=False))
    while_held = visitor.picture(tab=TAB)
    page.mouse.up()
    assert while_held != before
    settle(visitor)
    reached = scale(visitor)
    assert reached > 7
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    visitor.wait_for_link(guidance_scale=f"{reached - 0.5:g}")
    settle(visitor)
    # Part of the time is shown beside constant guidance.
    page.locator("#guidance-interval [role=slider]").first.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    page.wait_for_url(re.compile("beside=.*t_high"))
    settle(visitor)
    assert visitor.picture(tab=TAB)[1] == 2 * 29 - 1
    expect(rows(visitor)).to_contain_text("only for 1 ≤ t ≤ ")


# Once scrolled so far: where on the page the tools begin, and the height of the stage.
SCROLLED = """(y) => {
  scrollTo({ top: y, behavior: "instant" });
  const [tools, stage] = ["#instruments", "#guidance-stage"]
    .map((part) => document.querySelector(part).getBoundingClientRect());
  return [tools.top + scrollY, stage.height];
}"""


def test_what_stays_in_view_on_a_phone_leaves_room_for_what_is_below(visit):
    visitor = visit(f"{CFG}3&n=4&steps=12", viewport={"width": 390, "height": 844})
    settle(visitor)
    top, whole = visitor.page.evaluate(SCROLLED, 0)
    visitor.page.evaluate(SCROLLED, 700)
    visitor.page.wait_for_selector("#guidance-stage [data-pinned=true]", state="attached")
    moved, small = visitor.page.evaluate(SCROLLED, 700)
    assert moved == top, "what is below has moved under the finger"
    assert small < 0.54 * 844 < whole
    assert visitor.stage(TAB).locator(".player-play").is_visible()


# What lies over the button that stays at the foot of a phone.
OVER_GUIDE = """() => {
  const button = document.querySelector("#guidance-run");
  const { x, y } = button.getBoundingClientRect(), over = [];
  for (let top = 0; top < document.body.scrollHeight; top += 20) {
    scrollTo({ top, behavior: "instant" });
    const hit = document.elementFromPoint(x + 30, y + 20);
    if (!button.contains(hit)) over.push(hit.outerHTML.slice(0, 100));
  }
  return over;
}"""


def test_a_finger_moves_the_slider_and_one_that_scrolls_leaves_time_alone(visit):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visitor = visit(f"{CFG}0{QUICK}&seed=4", **phone)
    settle(visitor)
    slider, before = visitor.handle("guidance-s"), visitor.run(TAB)
    finger = visitor.context.new_cdp_session(visitor.page)

    def touch(kind, *at):
        points = [dict(zip("xy", at, strict=True))] if at else []
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    slider.scroll_into_view_if_needed()
    left, y, width = middle(slider)
    touch("touchStart", left + 0.05 * width, y)
    for part in (0.2, 0.4, 0.6):
        touch("touchMove", left + part * width, y)
    visitor.wait_for_another(before, TAB, whole=False)  # while the finger is still down
    stage = visitor.stage(TAB).locator(".player-stage").bounding_box()
    assert stage["y"] + stage["height"] > 0 and stage["y"] < 844, "the picture is out of view"
    touch("touchEnd")
    settle(visitor)
    assert scale(visitor) > 4

    def swipe(area, *path):
        area.scroll_into_view_if_needed()
        left, y, width = middle(area)
        for i, (across, down) in enumerate(path):
            touch("touchMove" if i else "touchStart", left + across * width, y + down)
            visitor.page.wait_for_timeout(30)
        touch("touchEnd")

    timeline = visitor.timeline(TAB)
    visitor.press("End", tab=TAB)
    swipe(timeline, *[(0.4, -20 * i) for i in range(12)])
    assert visitor.at(TAB) == 12
    swipe(timeline, (0.5, 0))  # a tap
    visitor.stands_at(6, TAB)
    swipe(timeline, *[(0.5 + 0.05 * i, 0) for i in range(6)])
    visitor.stands_at(9, TAB)
    before = scale(visitor)
    swipe(slider, *[(0.1, -20 * i) for i in range(12)])
    assert scale(visitor) == before
    assert visitor.page.evaluate(OVER_GUIDE) == [], "wherever the page is scrolled to"


def test_a_branch_parts_where_it_was_told_to_and_not_where_nothing_is_changed(follow):
    visitor = follow(f"{CFG}4{QUICK}&sampler=ddpm")
    settle(visitor)
    visitor.go_to("Branch")

    def rows_of_a_branch(at):
        visitor.press("Home", *["ArrowRight"] * at, tab=TAB)
        visitor.click("guidance-branch")
        visitor.wait_for_link(branch_at=str(at))
        settle(visitor)
        visitor.press("End", tab=TAB)
        return tiles(visitor.picture(tab=TAB), 1)

    visitor.press("Home", tab=TAB)
    visitor.click("guidance-branch")
    expect(visitor.page.get_by_text("Nothing is changed")).to_be_visible()
    visitor.part("guidance-branch-class").locator("input[value='8']").click()
    first, second = rows_of_a_branch(2)
    assert not np.array_equal(first, second)
    visitor.press("Home", "ArrowRight", tab=TAB)
    first, second = tiles(visitor.picture(tab=TAB), 1)
    np.testing.assert_array_equal(first, second)
    # Only what applies to a model shows.
    follow(f"?tab={TAB}&model=mnist-linear&label=3&n=1&steps=2&guidance=classifier-noisy")
    settle(visitor, 2)
    expect(visitor.part("guidance-lam")).to_be_visible()
    for name in ("guidance-s", "guidance-method"):
        expect(visitor.part(name)).to_be_hidden()


def test_the_ends_of_the_interval_follow_mouse_and_keys(follow):
    visitor = follow(f"{CFG}2&n=1&steps=2")
    settle(visitor, 2)
    mouse, interval = visitor.page.mouse, visitor.part("guidance-interval")
    numbers = interval.locator(".interval-numbers")
    low, high = (interval.locator(f"[data-end={end}]") for end in ("low", "high"))

    def to(t, steps=6):
        left, y, width = middle(interval.locator(".interval-scale"))
        mouse.move(left + width * (1 - t / 999), y, steps=steps)

    expect(numbers).to_have_text("t = 1000 to 1")
    high.press("PageDown")
    expect(numbers).to_have_text("t = 900 to 1")
    high.press("ArrowLeft")  # the arrows go where they point: to the left is more noise
    expect(numbers).to_have_text("t = 910 to 1")
    visitor.page.wait_for_url(re.compile("t_high.{1,3}909"))  # until then the page may move
    low.hover()
    mouse.down()
    to(500)
    expect(numbers).to_have_text(re.compile(r"^t = 910 to (49\d|50\d)$"))
    to(990)  # handles do not cross
    expect(numbers).to_have_text("t = 910 to 910")
    mouse.up()
    visitor.page.wait_for_url(re.compile("t_low.{1,3}909"))
    low.press("End")
    for _ in range(2):
        high.press("PageDown")
    expect(numbers).to_have_text("t = 710 to 1")
    to(300, steps=1)
    mouse.down()
    to(450)  # what is between them moves as it is
    expect(numbers).to_have_text(re.compile(r"^t = 8[56]\d to 1[45]\d$"))
    mouse.up()


def test_an_atlas_goes_with_the_model_that_drew_it(visit):
    visitor = visit(f"{CFG}2&n=1&steps=2")
    settle(visitor, 2)
    options = visitor.go_to("Atlas").part("guidance-atlas").get_by_role("option")
    expect(options).not_to_have_count(0)
    visitor.pick("guidance-model", "mnist-flow")
    expect(options).to_have_count(0)


def test_class_and_scale_are_taken_from_strip_atlas_and_plot_by_click_and_by_keys(
    follow, monkeypatch
):
    def slowly(*args, **kwargs):
        for figures in measuring(*args, **kwargs):
            time.sleep(0.05)
            yield figures

    visitor = follow(f"{CFG}2&n=1&steps=2")
    settle(visitor, 2)
    page = visitor.page
    options = visitor.go_to("Film strip").part("guidance-strip").get_by_role("option")
    options.nth(9).click()
    visitor.wait_for_link(guidance_scale="8")
    expect(options.nth(9)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(options.nth(10)).to_be_focused()
    page.keyboard.press("Enter")
    visitor.wait_for_link(guidance_scale="10")
    visitor.go_to("Atlas").click("guidance-draw")
    visitor.page.locator("#guidance-atlas-png:not([disabled])").wait_for(timeout=60_000)
    visitor.part("guidance-atlas").get_by_role("option").nth(44).click()
    visitor.wait_for_link(label="6", guidance_scale="2")

    visitor.go_to("Guidance against diversity")
    plot = visitor.part("guidance-plot").locator(".tradeoff")
    expect(plot.get_by_role("slider")).to_be_visible()
    visitor.choose("guidance-count", "50")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "measuring", slowly)
        visitor.click("guidance-measure")
        expect(plot).to_contain_text(re.compile(r"[1-9]\d* of \d+ steps"))
        visitor.go_to("Atlas")  # leaving the view ends it
        visitor.go_to("Guidance against diversity")
        expect(plot).to_contain_text(re.compile("stopped", re.IGNORECASE))
    visitor.choose("guidance-count", "20")
    visitor.click("guidance-measure")
    expect(plot).to_have_attribute("data-state", "done", timeout=60_000)
    expect(plot).to_have_attribute("data-points", "7")
    slider = plot.get_by_role("slider")
    box = slider.bounding_box()
    at = {"x": box["width"] * 3.5 / 7, "y": 60}
    slider.click(position=at)
    visitor.wait_for_link(guidance_scale="3")
    # Values are read by a drag, too, which chooses none.
    link = page.url
    box = slider.bounding_box()
    page.mouse.move(box["x"] + at["x"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + at["x"] + 90, box["y"] + 60, steps=3)
    page.mouse.move(box["x"] + at["x"], box["y"] + 60, steps=3)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert page.url == link
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    visitor.wait_for_link(guidance_scale="5")


def test_the_anatomy_is_of_the_step_and_tile_on_the_stage_without_a_request(follow):
    # Guidance rests while there is more noise.
    visitor = follow(f"{CFG}5&n=4&steps=12&t_high=500")
    settle(visitor)
    stage = visitor.stage(TAB)
    anatomy = visitor.go_to("Anatomy").part("guidance-anatomy-0").locator(".anatomy")
    expect(anatomy).to_have_attribute("data-state", "shown")
    requests = len(visitor.requests)

    def number(name):
        return anatomy.locator(f"[data-number={name}]").first

    visitor.press("Home", tab=TAB)
    expect(number("push")).to_have_text("–")
    visitor.press("ArrowRight", tab=TAB)
    expect(anatomy).to_contain_text("Guidance rests at this step.")
    visitor.press("End", "ArrowLeft", tab=TAB)
    expect(anatomy).not_to_contain_text("Guidance rests at this step.")
    # A step is named by the t on the stage, and by the t that stood there before it.
    expect(number("t")).to_have_text(str(visitor.t(TAB)))
    left, push = number("left").inner_text(), number("push").inner_text()
    visitor.press("ArrowLeft", tab=TAB)
    assert str(visitor.t(TAB)) == left
    expect(number("t")).to_have_text(left)
    visitor.press("ArrowRight", tab=TAB)
    stage.locator("[data-tile='2']").first.click()
    expect(number("tile")).to_have_text("3")
    expect(number("push")).not_to_have_text(push)
    assert re.search("decided at t|never decided", anatomy.inner_text())
    plot = anatomy.get_by_role("img", name="over 12 steps")
    plot.click(position={"x": at_rest(plot)["width"] * 0.5, "y": 60})
    visitor.stands_at(6, TAB)
    assert visitor.requests[requests:] == []
