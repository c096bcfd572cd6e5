"""The comparisons of the Reverse tab, used as their visitors would."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from ddpm_core import InvalidInput, Request, load
from ddpm_core.animation import read_note
from lab.process.race import Race, broken, samplers, schedules

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


def one_image(pixels, side=28):
    scale = pixels.shape[0] // side
    assert pixels.shape == (side * scale, side * scale), pixels.shape
    return pixels[scale // 2 :: scale, scale // 2 :: scale]


def finished(race: Race) -> Race:
    for _ in race.steps():
        pass
    return race


def request(**changes) -> Request:
    return Request(**{"n": 1, "label": "none", "sampler": "ddpm", "steps": 20} | changes)


def test_a_recording_moves_at_once_and_says_that_it_is_one(visit):
    visitor = visit("?tab=reverse&n=1&steps=2")
    visitor.page.evaluate(
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
        visitor.page.get_by_role("tab", name=title).click()
        wait(visitor, view, "[data-state=film]")
        badge = race(visitor, view).locator(".race-recorded")
        assert "recorded · mnist-" in badge.inner_text()
        visitor.page.wait_for_function(f"() => window.places['race-{view}-stage']?.size > 3")


def test_two_schedules_race_from_one_noise_on_one_cursor(visit):
    visitor = visit(LINK + "&seed=4")
    wait(visitor, "schedules")
    wanted = finished(schedules(load("mnist-linear"), load("mnist-cosine"), request(seed=4)))
    stage = race(visitor, "schedules")
    stage.locator(".player-timeline").focus()
    visitor.page.keyboard.press("Home")
    first = [one_image(tiles(visitor, "schedules", lane)) for lane in (0, 1)]
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[0], wanted.lanes[0].x[0, 0, ..., 0])
    visitor.page.keyboard.press("End")
    for lane in (0, 1):
        np.testing.assert_array_equal(
            one_image(tiles(visitor, "schedules", lane)), wanted.lanes[lane].x[-1, 0, ..., 0]
        )
    # Five steps of a cursor that all lanes share.
    visitor.page.keyboard.press("Home")
    for _ in range(5):
        visitor.page.keyboard.press("ArrowRight")
    for lane in (0, 1):
        np.testing.assert_array_equal(
            one_image(tiles(visitor, "schedules", lane)), wanted.lanes[lane].x[5, 0, ..., 0]
        )
    # By log-SNR the lanes stand at the same noise level, at other times.
    stage.locator("[data-align-by=logsnr]").click()
    tiles(visitor, "schedules", 1)  # it has been painted by then
    times = [int(stage.locator(f"[data-lane='{i}']").get_attribute("data-t")) for i in (0, 1)]
    level = [load(name).schedule.log_snr for name in ("mnist-linear", "mnist-cosine")]
    assert times[0] != times[1]
    steps = np.diff(wanted.lanes[1].log_snr[:-1]).max()
    assert abs(level[0][times[0] - 1] - level[1][times[1] - 1]) <= steps


def test_a_link_restores_the_controls_and_is_what_the_page_offers(visit):
    visitor = visit(LINK + "&seed=9")
    visitor.page.locator("#race-schedules-n input[type=range]").wait_for()
    there = time.monotonic()
    wait(visitor, "schedules", ":not([data-run=VIEW])")
    assert time.monotonic() - there < 4, "it waited for what is not there: that takes five seconds"
    wait(visitor, "schedules")
    assert visitor.page.locator("#race-schedules-steps input[type=number]").input_value() == "20"
    assert visitor.page.locator("#race-schedules-seed input").input_value() == "9"
    visitor.page.wait_for_function("location.search.includes('view=schedules')")
    address = parse_qs(urlparse(visitor.page.url).query)
    assert address["against"] == ["mnist-cosine"] and address["seed"] == ["9"]


def test_samplers_stand_beside_each_other_with_their_calls_and_seconds(visit):
    visitor = visit("?tab=reverse&view=samplers&model=mnist-linear&n=1&label=none&seed=2")
    wait(visitor, "samplers", timeout=170_000)
    stage = race(visitor, "samplers")
    words = [stage.locator(f"[data-lane='{i}']").inner_text().replace("\n", " ") for i in range(7)]
    calls = [1000, 10, 20, 50, 10, 20, 50]
    for text, count in zip(words, calls, strict=True):
        assert f"{count} calls" in text and " s" in text
    wanted = samplers(load("mnist-linear"), request(seed=2))
    fast = wanted.lanes[4]
    while fast.advance():
        pass
    stage.locator(".player-timeline").focus()
    visitor.page.keyboard.press("End")
    shown = one_image(tiles(visitor, "samplers", 4))
    np.testing.assert_array_equal(shown, fast.x[-1, 0, ..., 0])


def test_an_error_is_put_back_beside_the_run_as_it_should_be(visit):
    visitor = visit(BROKEN.replace("MODEL", "mnist-linear").replace("ERROR", "missing-root"))
    wait(visitor, "break")
    wanted = finished(broken(load("mnist-linear"), request(n=2), "missing-root"))
    stage = race(visitor, "break")
    stage.locator(".player-timeline").focus()
    visitor.page.keyboard.press("End")
    first, second = (tiles(visitor, "break", lane) for lane in (0, 1))
    assert (first != second).any()
    norms = [lane.numbers["norm"][-1] for lane in wanted.lanes]
    told = stage.locator("[data-curve=norm]").inner_text()
    for norm in norms:
        assert f"{norm:.3f}" in told, (told, norms)
    visitor.choose("race-break-error", "off by one")
    visitor.page.wait_for_selector("#race-break-stage .race[data-run*=off-by-one][data-state=film]")
    assert "leaves out the factor" in visitor.page.locator("#tabs").inner_text()


def test_an_error_that_could_not_act_is_refused_in_words(visit):
    visitor = visit(BROKEN.replace("MODEL", "mnist-cosine").replace("ERROR", "first-beta"))
    wait(visitor, "break", "[data-state=error]")
    assert "linear schedule" in race(visitor, "break").inner_text()


def test_a_race_can_be_stopped_and_keeps_what_it_has(visit):
    visitor = visit(LINK.replace("steps=20", "steps=1000"))
    wait(visitor, "schedules", "[data-state=live]")
    visitor.click("race-schedules-stop")
    wait(visitor, "schedules")
    lane = race(visitor, "schedules").locator("[data-lane='0']")
    assert 0 < int(lane.get_attribute("data-t")) < 1000


def test_the_race_leaves_as_a_film_that_restores_it(visit, tmp_path):
    visitor = visit(LINK + "&seed=6")
    wait(visitor, "schedules")
    button = visitor.page.locator("#race-schedules-gif", has_text="GIF · 21 frames")
    button.wait_for(timeout=60_000)
    with visitor.page.expect_download() as download:
        button.click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    about = json.loads(read_note(path))
    assert (about["race"], about["against"], about["seed"]) == ("schedules", "mnist-cosine", 6)
    size = button.inner_text().rpartition("·")[2].split()
    assert float(size[0]) == pytest.approx(
        path.stat().st_size / {"kB": 2**10, "MB": 2**20}[size[1]], abs=1.1
    )
    other = visit("?tab=sample&n=1&steps=2")
    other.wait_for_kept("3 frames")
    other.page.locator("#drop input[type=file]").set_input_files(path)
    wait(other, "schedules")
    assert other.page.locator("#race-schedules-seed input").input_value() == "6"


def test_the_recordings_are_small():
    folder = Path(__file__).parents[2] / "ui" / "recordings"
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert 0 < size < 2 * 2**20
    with pytest.raises(InvalidInput):
        broken(load("mnist-linear"), request(), "nothing")


def test_a_link_to_an_error_says_what_it_is_and_keeps_its_address(visit):
    link = BROKEN.replace("MODEL", "mnist-linear").replace("ERROR", "batch-scale")
    visitor = visit(link + "&guidance=classifier-noisy&guidance_scale=4&label=3")
    wait(visitor, "break")
    assert "gets λ / n" in visitor.page.locator("#tabs").inner_text()
    assert visitor.page.locator("#race-break-lam input[type=number]").input_value() == "4"
    visitor.page.wait_for_function("location.search.includes('dtype=auto')")  # the page's own
    # A run of the hidden view would have named itself by then.
    assert visitor.stage("reverse").count() == 0 or (
        visitor.stage("reverse").get_attribute("data-state") == "idle"
    )
    assert "view=break" in visitor.page.evaluate("location.search")


def test_on_a_phone_a_race_is_run_from_over_its_stage(visit):
    visitor = visit("?tab=reverse&view=break&steps=2&n=1", viewport={"width": 390, "height": 844})
    wait(visitor, "break", "[data-state=film]")
    run = visitor.page.locator("#race-break-run").bounding_box()
    stage = race(visitor, "break").bounding_box()
    assert run["y"] + run["height"] < stage["y"] and run["width"] > 120
    assert visitor.page.evaluate("() => document.documentElement.scrollWidth") == 390


def test_choosing_a_model_races_it(visit):
    visitor = visit(LINK)
    wait(visitor, "schedules")
    visitor.page.locator("#race-schedules-against input").click()
    visitor.page.get_by_role("option", name="mnist-cosine-attn", exact=True).click()
    visitor.page.wait_for_url("**against=mnist-cosine-attn*")
    wait(visitor, "schedules", "[data-state=film][data-run*=cosine-attn]")
