"""A visitor steers: the picture follows the slider, and every instrument answers."""

from __future__ import annotations

import re

import numpy as np
from playwright.sync_api import expect

from ddpm_core import Request, film, load
from tests.support.visitor import at_rest, tiles
from ui import steering

TAB = "guidance"
QUICK = "&n=1&steps=12"


def middle(locator):
    box = at_rest(locator)
    return box["x"], box["y"] + box["height"] / 2, box["width"]


def settle(visitor, steps):
    """Until the full number of steps stands on the stage, with its files."""
    visitor.wait_for_kept(f"{steps + 1} frames", TAB)
    visitor.page.wait_for_selector(
        f"#{TAB}-stage .player[data-state=film][data-frames='{steps + 1}']", state="attached"
    )


def another_run(visitor, seen):
    """The run on the stage, once it is none of those seen: a preview, or the film that follows it
    as soon as the slider rests, which on a fast machine is at once."""
    return visitor.page.wait_for_function(
        """seen => {
          const { run, frames } = document.querySelector("#guidance-stage .player").dataset;
          return run && +frames && !seen.includes(run) && run;
        }""",
        arg=list(seen),
    ).json_value()


def scale(visitor):
    return float(visitor.page.locator("#guidance-s input[type=number]").input_value())


def test_two_methods_run_on_one_timeline_as_the_core_makes_them(visit):
    visitor = visit(
        f"?tab={TAB}&label=7&guidance=cfg&guidance_scale=2&n=8&steps=10&seed=2"
        "&beside=guidance%3Dclassifier-noisy%26guidance_scale%3D5"
    )
    settle(visitor, 10)
    visitor.stage(TAB).get_by_role("slider").first.press("End")
    shown = tiles(visitor.picture(tab=TAB), 8).reshape(2, 8, 28, 28)
    for row, method, scale in zip(shown, ("cfg", "classifier-noisy"), (2.0, 5.0), strict=True):
        request = Request(n=8, label=7, guidance=method, guidance_scale=scale, steps=10, seed=2)
        expected = film(load("mnist-conditional"), request).images()[..., 0]
        # Batches elsewhere may round differently in the last grey levels.
        assert np.abs(row.astype(int) - expected).max() <= 3
    assert visitor.page.locator("#guidance-method input[value=both]").is_checked()
    assert "noise-aware classifier, λ = 5" in visitor.page.locator(".rows").first.inner_text()
    # The instruments are of one of the two, and say of which.
    visitor.page.get_by_role("tab", name="Film strip").click()
    strip = visitor.page.locator("#guidance-strip")
    strip.get_by_role("option", name="s = 10").wait_for()
    visitor.page.locator("#guidance-measured input[value=classifier]").click()
    strip.get_by_role("option", name="λ = 20").wait_for()


def test_the_picture_follows_the_slider_while_it_is_held_and_the_keys(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=0{QUICK}&seed=4")
    settle(visitor, 12)
    visitor.stage(TAB).get_by_role("slider").first.press("End")
    before = visitor.picture(tab=TAB)
    page, slider = visitor.page, visitor.page.locator("#guidance-s input[type=range]")
    left, y, width = middle(slider)
    page.mouse.move(left + 3, y)
    page.mouse.down()
    seen = {visitor.stage(TAB).get_attribute("data-run")}
    for part in (0.2, 0.5, 0.9):
        page.mouse.move(left + part * width, y, steps=4)
        seen.add(another_run(visitor, seen))
    while_held = visitor.picture(tab=TAB)
    page.mouse.up()
    assert while_held != before
    settle(visitor, 12)
    assert "12 / 12" in visitor.stage(TAB).inner_text()
    reached = scale(visitor)
    assert reached > 7
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**/*guidance_scale={reached - 0.5:g}*")
    settle(visitor, 12)
    cut = page.evaluate("""() => [...document.querySelectorAll(".head input")]
      .filter((input) => input.offsetParent && input.scrollWidth > input.clientWidth)
      .map((input) => input.value)""")
    assert cut == [], "numbers that are cut off"
    # Part of the time is shown beside constant guidance.
    page.locator("#guidance-interval [role=slider]").first.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    page.wait_for_url(re.compile("beside=.*t_high"))
    settle(visitor, 12)
    assert visitor.picture(tab=TAB)[1] == 2 * 29 - 1
    assert "only for 1 ≤ t ≤ " in page.locator(".rows").first.inner_text()


def test_a_finger_moves_the_slider_and_one_that_scrolls_leaves_time_alone(visit):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visitor = visit(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=0{QUICK}&seed=4", **phone)
    settle(visitor, 12)
    slider = visitor.page.locator("#guidance-s input[type=range]")
    before = visitor.stage(TAB).get_attribute("data-run")
    finger = visitor.context.new_cdp_session(visitor.page)

    def touch(kind, *at):
        points = [dict(zip("xy", at, strict=True))] if at else []
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    slider.scroll_into_view_if_needed()
    left, y, width = middle(slider)
    touch("touchStart", left + 0.05 * width, y)
    for part in (0.2, 0.4, 0.6):
        touch("touchMove", left + part * width, y)
    another_run(visitor, {before})  # while the finger is still down
    stage, window = visitor.stage(TAB).locator(".player-stage").bounding_box(), 844
    assert stage["y"] + stage["height"] > 0 and stage["y"] < window, "the picture is out of view"
    touch("touchEnd")
    settle(visitor, 12)
    assert scale(visitor) > 4

    def swipe(area, *way):
        area.scroll_into_view_if_needed()
        left, y, width = middle(area)
        for i, (across, down) in enumerate(way):
            touch("touchMove" if i else "touchStart", left + across * width, y + down)
            visitor.page.wait_for_timeout(30)
        touch("touchEnd")

    part = visitor.page.locator("#guidance-interval .interval-track")
    acts = visitor.page.locator("#guidance-interval .interval-numbers")
    timeline = visitor.stage(TAB).get_by_role("slider").first
    timeline.press("End")
    before, down = acts.inner_text(), [(0.4, -20 * i) for i in range(12)]
    for area in (part, timeline):
        swipe(area, *down)
    assert acts.inner_text() == before
    assert visitor.stage(TAB).get_attribute("data-index") == "12"
    swipe(timeline, (0.5, 0))  # a tap
    visitor.page.wait_for_selector("#guidance-stage .player[data-index='6']")
    swipe(timeline, *[(0.5 + 0.05 * i, 0) for i in range(6)])
    visitor.page.wait_for_selector("#guidance-stage .player[data-index='9']")
    swipe(part, *[(0.02 + 0.1 * i, 0) for i in range(4)])
    expect(acts).not_to_have_text(before)


def test_of_two_choices_in_a_breath_the_second_is_what_runs_and_only_what_applies_shows(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2{QUICK}")
    settle(visitor, 12)
    visitor.page.evaluate(
        """async () => {
          const pick = (value) => document.querySelector(
            `#guidance-method input[value="${value}"]`).click();
          pick("both");
          await new Promise(requestAnimationFrame);
          pick("classifier");
        }"""
    )
    visitor.page.wait_for_url(re.compile("guidance=classifier"))
    assert visitor.page.locator("#guidance-method input[value=classifier]").is_checked()
    led(f"?tab={TAB}&model=mnist-linear&label=3&guidance=classifier-noisy{QUICK}")
    settle(visitor, 12)
    assert visitor.page.locator("#guidance-lam").is_visible()
    assert not visitor.page.locator("#guidance-s").is_visible()
    assert not visitor.page.locator("#guidance-method").is_visible()


def test_a_click_on_the_atlas_takes_its_class_and_scale(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=8{QUICK}")
    settle(visitor, 12)
    visitor.page.get_by_role("tab", name="Atlas").click()
    visitor.click("guidance-draw")
    visitor.page.locator("button#guidance-atlas-png:not([disabled])").wait_for(timeout=60_000)
    visitor.page.locator("#guidance-atlas").get_by_role("option").nth(44).click()
    visitor.page.wait_for_url("**/*label=6*guidance_scale=2*")


def test_a_branch_parts_where_it_was_told_to_and_not_where_nothing_is_changed(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=4{QUICK}&sampler=ddpm")
    settle(visitor, 12)
    visitor.page.get_by_role("tab", name="Branch").click()
    timeline = visitor.stage(TAB).get_by_role("slider").first

    def rows_of_a_branch(at):
        timeline.press("Home")
        for _ in range(at):
            timeline.press("ArrowRight")
        visitor.click("guidance-branch")
        visitor.page.wait_for_url(f"**/*branch_at={at}*")
        settle(visitor, 12)
        timeline.press("End")
        return tiles(visitor.picture(tab=TAB), 1)

    first, second = rows_of_a_branch(5)
    np.testing.assert_array_equal(first, second)
    visitor.page.locator("#guidance-branch-class input[value='8']").click()
    first, second = rows_of_a_branch(2)
    assert not np.array_equal(first, second)
    timeline.press("Home")
    timeline.press("ArrowRight")
    first, second = tiles(visitor.picture(tab=TAB), 1)
    np.testing.assert_array_equal(first, second)


def test_a_scale_that_no_slider_spans_is_refused_and_a_branch_knows_the_models_classes(
    visit, tmp_path
):
    visitor = visit(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=15{QUICK}")
    visitor.wait("error", TAB)
    told = "guidance_scale, on this page, must be between 0 and 10"
    assert told in visitor.stage(TAB).inner_text()
    link = f"?tab={TAB}&model=cifar10-conditional&label=3&n=1&steps=2&guidance=cfg"
    visitor.lead(link, tmp_path)
    visitor.wait_for_kept("3 frames", TAB)
    visitor.page.get_by_role("tab", name="Branch").click()
    visitor.page.locator("#guidance-branch-class").get_by_text("truck").wait_for()


def test_the_plot_builds_up_counts_its_steps_and_ends_when_stopped_or_left(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2&n=1&steps=5")
    settle(visitor, 5)
    view = visitor.page.get_by_role("tab", name="Guidance against diversity")
    view.click()
    visitor.choose("guidance-count", "50")
    visitor.click("guidance-measure")
    plot = visitor.page.locator("#guidance-plot .tradeoff")
    expect(plot).to_contain_text(re.compile(r"[1-9]\d* of \d+ steps"))
    rows = plot.locator("table tbody tr")
    rows.nth(1).wait_for(state="attached", timeout=60_000)
    visitor.page.locator("body").press("s")  # whichever Stop there is
    expect(plot).to_have_attribute("data-state", "done")
    # What was half measured is dropped: of a scale that is told all images were judged.
    assert 1 <= rows.count() < len(steering.scales(Request(guidance="cfg"), atlas=True))
    visitor.click("guidance-measure")
    expect(plot).to_have_attribute("data-state", "running")
    visitor.page.get_by_role("tab", name="Atlas").click()
    expect(plot).not_to_have_attribute("data-state", "running")
    view.click()
    expect(plot).to_contain_text(re.compile("stopped", re.IGNORECASE))
