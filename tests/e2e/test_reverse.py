"""The comparisons of the Reverse tab, used as their visitors would."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from ddpm_core import SAMPLERS, Request, load
from ddpm_core.animation import read_note
from lab.process.race import Race, broken, schedules
from tests.support.visitor import at_rest, download
from ui.take import in_words

MODELS = ("mnist-linear", "mnist-cosine")
TITLES = {"schedules": "Two schedules", "samplers": "Samplers", "break": "Break it"}
LINK = (
    "?tab=reverse&view=schedules&model=mnist-linear&against=mnist-cosine&n=1&steps=20&sampler=ddpm"
)
BROKEN = "?tab=reverse&view=break&model=MODEL&error=ERROR&n=2&steps=20&sampler=ddpm"


def race(visitor, view):
    return visitor.page.locator(f"#race-{view}-stage .race")


def wait(visitor, view, selector="[data-state=film]:not([data-run=VIEW])", timeout=90_000):
    """Until a run of one's own stands on the stage: a recording's run is called as its view."""
    selector = selector.replace("VIEW", view)
    visitor.page.wait_for_selector(f"#race-{view}-stage .race{selector}", timeout=timeout)


def tiles(visitor, view, lane, pane="x"):
    """What a lane's canvas shows, one pixel for each of its pixels: (H, W), uint8."""
    found = visitor.page.evaluate(
        """async ([view, lane, pane]) => {
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          const at = `#race-${view}-stage [data-lane="${lane}"] [data-pane="${pane}"] canvas`;
          const canvas = document.querySelector(at);
          const { width, height } = canvas;
          const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          return [width, height, [...data].filter((_, i) => i % 4 === 0)];
        }""",
        [view, lane, pane],
    )
    width, height, red = found
    return np.array(red, np.uint8).reshape(height, width)


def one_image(visitor, view, lane, pane="x"):
    pixels = tiles(visitor, view, lane, pane)
    scale = pixels.shape[0] // 28
    assert pixels.shape == (28 * scale, 28 * scale), pixels.shape
    return pixels[scale // 2 :: scale, scale // 2 :: scale]


def finished(race: Race) -> Race:
    for _ in race.steps():
        pass
    return race


def request(**changes) -> Request:
    return Request(**{"n": 1, "label": "none", "sampler": "ddpm", "steps": 20} | changes)


def test_a_recording_moves_at_once_and_says_that_it_is_one(visit):
    visitor = visit("?tab=reverse&n=1&steps=2", viewport={"width": 390, "height": 844})
    page = visitor.page
    page.evaluate(
        """() => {
          window.places = {};
          const note = ({ target }) => {
            const { id } = target.closest("[id^=race-][id$=-stage]");
            (window.places[id] ??= new Set()).add(target.dataset.position);
          };
          const all = { subtree: true, attributeFilter: ["data-position"] };
          new MutationObserver((news) => news.forEach(note)).observe(document.body, all);
        }"""
    )
    for view, title in TITLES.items():
        page.get_by_role("tab", name=title).click()
        wait(visitor, view, "[data-state=film]")
        assert "recorded · mnist-" in race(visitor, view).locator(".race-recorded").inner_text()
        page.wait_for_function(f"() => window.places['race-{view}-stage']?.size > 3")
        if view == "schedules":  # both lanes and the timeline are in view
            lanes = [
                lane.bounding_box() for lane in race(visitor, view).locator(".race-lane").all()
            ]
            assert lanes[1]["y"] >= lanes[0]["y"] + lanes[0]["height"]
            timeline = race(visitor, view).get_by_role("slider").bounding_box()
            assert timeline["y"] + timeline["height"] - lanes[0]["y"] < 844
        if view == "samplers":  # with calls and seconds of each
            lanes = race(visitor, view).locator("[data-lane]").all_inner_texts()
            few = [it.calls(n) for k, it in SAMPLERS.items() if k != "ddpm" for n in (10, 20, 50)]
            for text, count in zip(lanes, [1000, *few], strict=True):
                assert f"{count} calls" in text.replace(",", "") and " s" in text
    # On a phone a race is run from over its stage.
    run, stage = page.locator("#race-break-run").bounding_box(), race(visitor, "break")
    assert run["y"] + run["height"] < stage.bounding_box()["y"]


def test_two_schedules_race_from_one_noise_on_one_cursor_and_leave_as_a_film(visit, tmp_path):
    visitor = visit(LINK + "&seed=4")
    wait(visitor, "schedules")
    page, stage = visitor.page, race(visitor, "schedules")
    assert page.locator("#race-schedules-steps input[type=number]").input_value() == "20"
    assert page.locator("#race-schedules-seed input").input_value() == "4"
    page.wait_for_function("location.search.includes('dtype=auto')")  # what ran, whole
    assert all(it in page.url for it in ("against=mnist-cosine", "seed=4", "view=schedules"))
    wanted = finished(schedules(load("mnist-linear"), load("mnist-cosine"), request(seed=4)))
    stage.locator(".player-timeline").focus()
    page.keyboard.press("Home")
    for step in (0, 5, 20):  # by steps of a cursor that all lanes share
        while int(stage.get_attribute("data-index")) < step:
            page.keyboard.press("ArrowRight")
        for lane in (0, 1):
            expected = wanted.lanes[lane].x[step, 0, ..., 0]
            np.testing.assert_array_equal(one_image(visitor, "schedules", lane), expected)
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    # By log-SNR the lanes stand at the same noise level, at other times; the first keeps its frame.
    stage.locator("[data-align-by=logsnr]").click()
    expect(stage).to_have_attribute("data-index", "5")
    tiles(visitor, "schedules", 1)  # it has been painted by then
    times = [int(stage.locator(f"[data-lane='{i}']").get_attribute("data-t")) for i in (0, 1)]
    level = [load(name).schedule.log_snr for name in ("mnist-linear", "mnist-cosine")]
    assert times[0] != times[1]
    steps = np.diff(wanted.lanes[1].log_snr[:-1]).max()
    assert abs(level[0][times[0] - 1] - level[1][times[1] - 1]) <= steps
    stage.locator("[data-align-by=t]").click()
    abar = stage.locator("[data-curve=abar] .race-values b")
    told = [load(name).schedule.abar(wanted.lanes[0].t[5] - 1) for name in MODELS]
    assert [float(it) for it in abar.all_inner_texts()] == pytest.approx(told, rel=5e-3)
    # Its film restores it.
    path, said = download(visitor, tmp_path, "GIF · 21 frames", "race-schedules")
    about = json.loads(read_note(path))
    assert (about["race"], about["against"], about["seed"]) == ("schedules", "mnist-cosine", 4)
    assert said == in_words("gif", 21, path.stat().st_size)
    page.locator("#race-schedules-against input").click()
    page.get_by_role("option", name="mnist-cosine-attn", exact=True).click()
    page.wait_for_url("**against=mnist-cosine-attn*")
    wait(visitor, "schedules", "[data-state=film][data-run*=cosine-attn]")
    page.get_by_role("tab", name="Results").click()
    page.locator("#drop input[type=file]").set_input_files(path)
    wait(visitor, "schedules", "[data-state=film]:not([data-run*=cosine-attn])")
    assert page.locator("#race-schedules-seed input").input_value() == "4"


def test_a_race_is_looked_at_by_panes_curves_and_keys_and_its_cursor_stays_while_it_runs(visit):
    visitor = visit(LINK + "&seed=5")
    wait(visitor, "schedules")
    page, stage = visitor.page, race(visitor, "schedules")
    timeline, first = stage.get_by_role("slider"), stage.locator("[data-lane='0']")
    wanted = finished(schedules(load("mnist-linear"), load("mnist-cosine"), request(seed=5)))

    def place():
        return float(stage.get_attribute("data-position"))

    def fetched(pane):
        return len([r for r in visitor.requests if re.search(rf"/{pane}\.png$", r)])

    # A pane is fetched when it is chosen, and not again.
    timeline.press("Home")
    timeline.press("Shift+ArrowRight")
    expect(stage).to_have_attribute("data-index", "10")
    before = fetched("x"), fetched("change")
    assert fetched("eps") == 0
    stage.locator("[data-chip=eps]").click()
    for lane in (0, 1):
        expect(stage.locator(f"[data-lane='{lane}'] [data-pane=eps] canvas")).to_be_visible()
        shown = one_image(visitor, "schedules", lane, "eps")
        np.testing.assert_array_equal(shown, wanted.lanes[lane].eps[10, 0, ..., 0])
    timeline.press("Home")
    expect(first.locator("[data-pane=eps]")).to_have_text("nothing predicted yet")
    stage.locator("[data-chip=x]").click()
    expect(stage.locator("[data-pane=x]")).to_have_count(0)
    stage.locator("[data-chip=eps]").click()  # the only one left stays
    expect(stage.locator("[data-chip=eps]")).to_have_attribute("aria-pressed", "true")
    stage.locator("[data-chip=x]").click()
    assert fetched("eps") == 2 and (fetched("x"), fetched("change")) == before
    # The curves are a timeline as well.
    plot = stage.locator("[data-curve=beta] .race-plot")
    plot.scroll_into_view_if_needed()
    box = at_rest(plot)
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 9)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.81 * box["width"], box["y"] + 9, steps=4)
    assert place() == pytest.approx(0.81, abs=0.003)
    page.mouse.up()
    timeline.press("End")
    assert place() == 1
    expect(timeline).to_have_attribute("aria-valuetext", re.compile("t = 0; .*t = 0"))
    timeline.press(" ")
    expect(stage.locator("[data-do=play]")).to_have_attribute("aria-label", "Pause")
    timeline.press("r")
    expect(stage).to_have_attribute("data-position", "0.0000")
    # One that takes long shows its frames as they come, and lets the cursor be where it was put.
    run = stage.get_attribute("data-run")
    visitor.set_number("race-schedules-steps", 1000)
    visitor.click("race-schedules-run")
    wait(visitor, "schedules", "[data-state=live]")

    def wait_for_frames(count):
        page.wait_for_function(
            "([lane, count]) => +document.querySelector(lane).dataset.frames > count",
            arg=["#race-schedules-stage [data-lane='0']", count],
        )

    wait_for_frames(10)
    timeline.press("Home")
    timeline.press("ArrowRight")
    here = place()
    wait_for_frames(int(first.get_attribute("data-frames")) + 5)
    assert place() == here
    visitor.click("race-schedules-stop")
    wait(visitor, "schedules", f"[data-state=film]:not([data-run='{run}'])")
    assert place() == pytest.approx(here, abs=1e-3) and int(first.get_attribute("data-t")) > 0
    timeline.press("End")
    assert int(first.get_attribute("data-t")) < 1000  # it keeps what it has
    visitor.click("race-schedules-run")  # and is overtaken by one that is remembered
    wait(visitor, "schedules", "[data-state=live]")
    visitor.set_number("race-schedules-steps", 20)
    visitor.click("race-schedules-run")
    wait(visitor, "schedules", f"[data-state=film][data-run='{run}']")
    expect(stage.locator(".race-recorded")).to_have_text("computed earlier")


def test_an_error_is_put_back_beside_the_run_as_it_should_be(visit):
    link = BROKEN.replace("MODEL", "mnist-linear").replace("ERROR", "missing-root")
    visitor = visit(link)
    wait(visitor, "break")
    wanted = finished(broken(load("mnist-linear"), request(n=2), "missing-root"))
    stage = race(visitor, "break")
    stage.locator(".player-timeline").focus()
    visitor.page.keyboard.press("End")
    first, second = (tiles(visitor, "break", lane) for lane in (0, 1))
    assert (first != second).any()
    told = stage.locator("[data-curve=norm]").inner_text()
    for lane in wanted.lanes:
        assert f"{lane.numbers['norm'][-1]:.3f}" in told
    # A run of the hidden view would have named itself by then.
    assert visitor.stage("reverse").count() == 0 or (
        visitor.stage("reverse").get_attribute("data-state") == "idle"
    )
    visitor.choose("race-break-error", "off by one")
    visitor.page.wait_for_selector("#race-break-stage .race[data-run*=off-by-one][data-state=film]")
    assert "leaves out the factor" in visitor.page.locator("#tabs").inner_text()


def test_a_link_to_an_error_says_what_it_is_and_keeps_its_address(visit):
    link = BROKEN.replace("MODEL", "mnist-linear").replace("ERROR", "batch-scale")
    link += "&guidance=classifier-noisy&guidance_scale=4&label=3"
    visitor = visit(link, reduced_motion="reduce")
    wait(visitor, "break")
    page = visitor.page
    assert "gets λ / n" in page.locator("#tabs").inner_text()
    assert page.locator("#race-break-lam input[type=number]").input_value() == "4"
    page.wait_for_function("location.search.includes('dtype=auto')")  # the page's own
    assert "view=break" in page.url
    visitor.choose("race-break-error", "β from 1e-3")
    page.locator("#race-break-model input").click()
    page.get_by_role("option", name="mnist-cosine", exact=True).click()
    wait(visitor, "break", "[data-state=error]")  # an error that could not act leaves the film
    stage = race(visitor, "break")
    assert "linear schedule" in stage.get_by_role("alert").inner_text()
    stage.get_by_role("button", name="Dismiss").click()
    expect(stage).to_have_attribute("data-state", "film")
    page.get_by_role("tab", name="Samplers").click()  # where motion is unwelcome it rests
    wait(visitor, "samplers", "[data-state=film]")
    expect(race(visitor, "samplers")).to_have_attribute("data-position", "1.0000")
