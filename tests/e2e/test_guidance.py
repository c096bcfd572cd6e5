"""A visitor steers: the picture follows the slider, and every instrument answers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from ddpm_core import Request, film, load
from tests.e2e.conftest import at_rest
from tests.e2e.test_sample import tiles
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


def test_of_two_choices_in_a_breath_the_second_is_what_runs(led):
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


def test_the_picture_follows_the_slider_while_it_is_held(led):
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
    assert scale(visitor) > 7
    assert "12 / 12" in visitor.stage(TAB).inner_text()


def test_a_finger_moves_it_too(visit):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    query = f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=0{QUICK}&seed=4"
    visitor = visit(query, **phone, device_scale_factor=3)
    settle(visitor, 12)
    slider = visitor.page.locator("#guidance-s input[type=range]")
    slider.scroll_into_view_if_needed()
    before = visitor.stage(TAB).get_attribute("data-run")
    left, y, width = middle(slider)
    finger = visitor.context.new_cdp_session(visitor.page)

    def touch(kind, part):
        points = [] if part is None else [{"x": left + part * width, "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.05)
    for part in (0.2, 0.4, 0.6):
        touch("touchMove", part)
    another_run(visitor, {before})  # while the finger is still down
    stage, window = visitor.stage(TAB).locator(".player-stage").bounding_box(), 844
    assert stage["y"] + stage["height"] > 0 and stage["y"] < window, "the picture is out of view"
    touch("touchEnd", None)
    settle(visitor, 12)
    assert scale(visitor) > 4


def test_a_finger_that_scrolls_the_page_leaves_time_alone(visit):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    visitor = visit(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2{QUICK}", **phone)
    settle(visitor, 12)
    finger = visitor.context.new_cdp_session(visitor.page)

    def swipe(area, *way):
        area.scroll_into_view_if_needed()
        left, y, width = middle(area)
        for i, (across, down) in enumerate([*way, (None, None)]):
            kind = "touchEnd" if across is None else "touchMove" if i else "touchStart"
            points = [] if across is None else [{"x": left + across * width, "y": y + down}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            visitor.page.wait_for_timeout(30)

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


def test_the_arrow_keys_move_it_too(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2{QUICK}")
    settle(visitor, 12)
    visitor.page.locator("#guidance-s input[type=range]").focus()
    for _ in range(5):
        visitor.page.keyboard.press("ArrowRight")
    visitor.page.wait_for_url("**/*guidance_scale=2.5*")
    assert scale(visitor) == 2.5


def test_what_rests_on_the_stage_is_what_the_core_makes(led):
    visitor = led(f"?tab={TAB}&label=5&guidance=cfg&guidance_scale=3&n=8&steps=12&seed=2")
    settle(visitor, 12)
    visitor.stage(TAB).get_by_role("slider").first.press("End")
    request = Request(n=8, label=5, guidance="cfg", guidance_scale=3.0, steps=12, seed=2)
    expected = film(load("mnist-conditional"), request).images()[..., 0]
    shown = tiles(visitor.picture(tab=TAB), 8)
    # Batches elsewhere may round differently in the last grey levels.
    assert np.abs(shown.astype(int) - expected).max() <= 3


def test_two_methods_run_on_one_timeline_and_the_link_brings_both_back(visit):
    visitor = visit(
        f"?tab={TAB}&label=7&guidance=cfg&guidance_scale=2&n=8&steps=10"
        "&beside=guidance%3Dclassifier-noisy%26guidance_scale%3D5"
    )
    settle(visitor, 10)
    visitor.stage(TAB).get_by_role("slider").first.press("End")
    width, height, _ = visitor.picture(tab=TAB)
    assert (width, height) == (8 * 29 - 1, 2 * 29 - 1)
    rows = tiles(visitor.picture(tab=TAB), 8)
    assert not np.array_equal(rows[:8], rows[8:])
    assert visitor.page.locator("#guidance-method input[value=both]").is_checked()
    assert "noise-aware classifier, λ = 5" in visitor.page.locator(".rows").first.inner_text()


def test_part_of_the_time_is_shown_beside_constant_guidance(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=6{QUICK}")
    settle(visitor, 12)
    handle = visitor.page.locator("#guidance-interval [role=slider]").first
    handle.focus()
    for _ in range(3):
        visitor.page.keyboard.press("PageDown")
    visitor.page.wait_for_url(re.compile("beside=.*t_high"))
    settle(visitor, 12)
    assert visitor.picture(tab=TAB)[1] == 2 * 29 - 1
    assert "only for 1 ≤ t ≤ " in visitor.page.locator(".rows").first.inner_text()


def test_the_film_strip_offers_every_scale_and_a_click_takes_one(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2{QUICK}")
    settle(visitor, 12)
    visitor.page.get_by_role("tab", name="Film strip").click()
    strip = visitor.page.locator("#guidance-strip")
    strip.get_by_role("option").nth(9).click()
    visitor.page.wait_for_url("**/*guidance_scale=8*")
    assert scale(visitor) == 8


def test_the_atlas_is_drawn_and_leaves_as_one_picture(led, tmp_path):
    from PIL import Image

    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2{QUICK}")
    settle(visitor, 12)
    visitor.page.get_by_role("tab", name="Atlas").click()
    visitor.click("guidance-draw")
    button = visitor.page.locator("button#guidance-atlas-png:not([disabled])")
    button.wait_for(timeout=60_000)
    with visitor.page.expect_download() as download:
        button.click()
    path = tmp_path / "atlas.png"
    download.value.save_as(path)
    picture = Image.open(path)
    assert picture.height == 24 + 2 * (10 * 29 - 1)
    assert '"guidance": "cfg"' in picture.text["Description"]
    visitor.page.locator("#guidance-atlas [data-index='44'], #guidance-atlas [role=option]").nth(
        44
    ).click()
    visitor.page.wait_for_url("**/*label=6*guidance_scale=2*")


def test_a_branch_offers_the_classes_of_the_model_that_a_link_led_to(visit):
    visitor = visit(f"?tab={TAB}&model=cifar10-conditional&label=3&n=1&steps=2&guidance=cfg")
    visitor.wait_for_kept("3 frames", TAB)
    visitor.page.get_by_role("tab", name="Branch").click()
    visitor.page.locator("#guidance-branch-class").get_by_text("truck").wait_for()


def test_a_branch_with_nothing_changed_is_the_same_run(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2{QUICK}&sampler=ddpm")
    settle(visitor, 12)
    visitor.page.get_by_role("tab", name="Branch").click()
    timeline = visitor.stage(TAB).get_by_role("slider").first
    timeline.press("Home")
    for _ in range(5):
        timeline.press("ArrowRight")
    visitor.click("guidance-branch")
    visitor.page.wait_for_url("**/*branch_at=5*")
    settle(visitor, 12)
    timeline.press("End")
    rows = tiles(visitor.picture(tab=TAB), 1)
    assert len(rows) == 2
    np.testing.assert_array_equal(rows[0], rows[1])


def test_a_branch_that_changes_the_class_parts_where_it_was_told_to(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=4{QUICK}")
    settle(visitor, 12)
    visitor.page.get_by_role("tab", name="Branch").click()
    timeline = visitor.stage(TAB).get_by_role("slider").first
    timeline.press("Home")
    timeline.press("ArrowRight")
    timeline.press("ArrowRight")
    visitor.page.locator("#guidance-branch-class input[value='8']").click()
    visitor.click("guidance-branch")
    visitor.page.wait_for_url("**/*branch_at=2*")
    settle(visitor, 12)
    timeline.press("End")
    rows = tiles(visitor.picture(tab=TAB), 1)
    assert not np.array_equal(rows[0], rows[1])
    timeline.press("Home")
    timeline.press("ArrowRight")
    rows = tiles(visitor.picture(tab=TAB), 1)
    np.testing.assert_array_equal(rows[0], rows[1])


def test_anatomy_follows_the_cursor(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=5{QUICK}")
    settle(visitor, 12)
    visitor.page.get_by_role("tab", name="Anatomy").click()
    anatomy = visitor.page.locator("#guidance-anatomy-0 .anatomy")
    visitor.page.wait_for_selector("#guidance-anatomy-0 .anatomy[data-state=shown]")
    timeline = visitor.stage(TAB).get_by_role("slider").first
    texts = set()
    for key in ("End", "ArrowLeft", "ArrowLeft"):
        timeline.press(key)
        visitor.picture(tab=TAB)
        texts.add(anatomy.inner_text())
    assert len(texts) == 3
    # A step is told by the t on the stage, and by the one that stood there before it.
    here = visitor.stage(TAB).get_attribute("data-t")
    assert here == anatomy.locator("[data-number=t]").inner_text()
    left = anatomy.locator("[data-number=left]").inner_text()
    timeline.press("ArrowLeft")
    visitor.picture(tab=TAB)
    assert visitor.stage(TAB).get_attribute("data-t") == left
    assert all("decided at t" in text or "never decided" in text for text in texts)
    assert not visitor.page.locator("#guidance-anatomy-1 .anatomy").is_visible()


def test_the_plot_builds_up_and_stops(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2&n=1&steps=5")
    settle(visitor, 5)
    visitor.page.get_by_role("tab", name="Guidance against diversity").click()
    visitor.choose("guidance-count", "50")
    visitor.click("guidance-measure")
    rows = visitor.page.locator("#guidance-plot table tbody tr")
    rows.nth(1).wait_for(state="attached", timeout=60_000)
    visitor.page.locator("body").press("s")  # whichever Stop there is
    plot = visitor.page.locator("#guidance-plot .tradeoff")
    expect(plot).to_have_attribute("data-state", "done")
    # What was half measured is dropped: of a scale that is told all images were judged.
    assert 1 <= rows.count() < len(steering.scales(Request(guidance="cfg"), atlas=True))


def test_a_measurement_counts_its_steps_and_ends_when_its_tab_is_left(led):
    visitor = led(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2&n=1&steps=20")
    settle(visitor, 20)
    visitor.page.get_by_role("tab", name="Guidance against diversity").click()
    visitor.choose("guidance-count", "70")
    visitor.click("guidance-measure")
    plot = visitor.page.locator("#guidance-plot .tradeoff")
    expect(plot).to_have_attribute("data-state", "running")
    expect(plot).to_contain_text(re.compile(r"[1-9]\d* of 420 steps"))  # 7 scales, 3 batches, 20
    visitor.page.get_by_role("tab", name="Atlas").click()
    expect(plot).not_to_have_attribute("data-state", "running")
    visitor.page.get_by_role("tab", name="Guidance against diversity").click()
    expect(plot).to_contain_text(re.compile("stopped", re.IGNORECASE))


def test_the_instruments_show_one_of_two_methods_and_say_which(led):
    visitor = led(
        f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=2{QUICK}"
        "&beside=guidance%3Dclassifier-noisy%26guidance_scale%3D5"
    )
    settle(visitor, 12)
    visitor.page.get_by_role("tab", name="Film strip").click()
    strip = visitor.page.locator("#guidance-strip")
    strip.get_by_role("option", name="s = 10").wait_for()
    visitor.page.locator("#guidance-measured input[value=classifier]").click()
    strip.get_by_role("option", name="λ = 20").wait_for()


def test_a_scale_that_no_slider_spans_is_refused_in_words(visit):
    visitor = visit(f"?tab={TAB}&label=3&guidance=cfg&guidance_scale=15{QUICK}")
    visitor.wait("error", TAB)
    assert (
        "guidance_scale, on this page, must be between 0 and 10" in visitor.stage(TAB).inner_text()
    )


@pytest.mark.parametrize("model", ["mnist-linear"])
def test_a_model_without_classes_shows_only_what_applies(led, model):
    visitor = led(f"?tab={TAB}&model={model}&label=3&guidance=classifier-noisy{QUICK}")
    settle(visitor, 12)
    assert visitor.page.locator("#guidance-lam").is_visible()
    assert not visitor.page.locator("#guidance-s").is_visible()
    assert not visitor.page.locator("#guidance-method").is_visible()


@pytest.mark.parametrize("scale", ["guidance=cfg&guidance_scale=7.5", "guidance=classifier"])
def test_no_number_of_a_slider_is_cut_off(led, scale):
    visitor = led(f"?tab={TAB}&label=3&{scale}{QUICK}")
    visitor.wait("film", TAB)
    cut = visitor.page.evaluate("""() => [...document.querySelectorAll(".head input")]
      .filter((input) => input.offsetParent).map((input) => [
        input.value, input.scrollWidth - input.clientWidth,
        input.closest(".head").scrollWidth - input.closest(".head").clientWidth])""")
    assert cut and all(over == [0, 0] for _, *over in cut), cut
