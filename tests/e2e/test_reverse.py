"""The comparisons of the Reverse tab, used as their visitors would."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from ddpm_core import SAMPLERS, Request, load, read_note
from lab.process.race import Race, broken, schedules
from tests.support.visitor import at_rest, download, number_in
from tests.support.visitor import pixels as visible

TITLES = {"schedules": "Two schedules", "samplers": "Samplers", "break": "Break it"}
LINK = (
    "?tab=reverse&view=schedules&model=mnist-linear&against=mnist-cosine&n=1&steps=20&sampler=ddpm"
)
BROKEN = "?tab=reverse&view=break&model=mnist-linear&error=ERROR&n=2&steps=20&sampler=ddpm"
RACE = "race-schedules"


def wait(visitor, view):
    """Wait for a run of one's own on the stage: a recording's run is called as its view."""
    return visitor.wait_for_another(view, f"race-{view}")


def lane(visitor, view, number):
    return visitor.stage(f"race-{view}").locator(f"[data-lane='{number}']")


def pixels(visitor, view, number, pane="x"):
    """What a lane's canvas shows, one pixel for each of its pixels: (H, W), uint8."""
    canvas = lane(visitor, view, number).locator(f"[data-pane={pane}] canvas")
    width, height, data = visible(canvas)
    return np.frombuffer(data, np.uint8).reshape(height, width, 4)[..., 0]


def values(stage):
    """The chart's value of every lane, at the pointer or else at the cursor."""
    return [number_in(text) for text in stage.locator(".player-values b").all_inner_texts()]


def one_image(visitor, view, number, pane="x"):
    picture = pixels(visitor, view, number, pane)
    scale = picture.shape[0] // 28
    assert picture.shape == (28 * scale, 28 * scale), picture.shape
    return picture[scale // 2 :: scale, scale // 2 :: scale]


def finished(race: Race) -> Race:
    for _ in race.steps():
        pass
    return race


def request(**changes) -> Request:
    return Request(**{"n": 1, "label": "none", "sampler": "ddpm", "steps": 20} | changes)


def test_a_recording_moves_at_once_and_says_that_it_is_one(visit):
    visitor = visit("?tab=reverse&n=1&steps=2", viewport={"width": 390, "height": 844})
    for view, title in TITLES.items():
        visitor.go_to(title).wait("film", f"race-{view}")
        stage = visitor.stage(f"race-{view}")
        expect(stage).to_contain_text("recorded · mnist-")
        moves = "([stage, from]) => document.querySelector(stage).dataset.position !== from"
        arg = [f"#race-{view}-stage .player", stage.get_attribute("data-position")]
        visitor.page.wait_for_function(moves, arg=arg)
        if view == "schedules":  # both lanes and the timeline are in view
            lanes = [lane(visitor, view, number).bounding_box() for number in (0, 1)]
            assert lanes[1]["x"] >= lanes[0]["x"] + lanes[0]["width"]
            timeline = stage.get_by_role("slider").bounding_box()
            assert timeline["y"] + timeline["height"] - lanes[0]["y"] < 844
        if view == "samplers":  # with calls of each; seconds would be of another machine
            lanes = stage.locator("[data-lane]").all_inner_texts()
            calls = [s.calls(n) for k, s in SAMPLERS.items() if k != "ddpm" for n in (10, 20, 50)]
            for text, count in zip(lanes, [1000, *calls], strict=True):
                assert f"{count} calls\n" in text.replace(",", "")


def test_a_recording_stays_when_the_page_is_opened_again_and_when_a_list_is_looked_at(visit):
    visitor = visit("?tab=reverse&view=break")
    for view in ("break", "samplers"):
        visitor.go_to(TITLES[view]).wait("film", f"race-{view}")
        visitor.field(f"race-{view}-model").focus()
        visitor.page.keyboard.press("Tab")
        visitor.page.evaluate("history.replaceState(null, '', '?view=api')")  # Gradio's, of its API
        visitor.wait_for_link(tab="reverse", view=view)
        expect(visitor.stage(f"race-{view}")).to_contain_text("recorded")


def test_two_schedules_race_from_one_noise_on_one_cursor_and_leave_as_a_film(visit, tmp_path):
    visitor = visit(LINK + "&seed=4")
    wait(visitor, "schedules")
    stage = visitor.stage(RACE)
    expect(visitor.field("race-schedules-steps")).to_have_value("20")
    expect(visitor.field("race-schedules-seed")).to_have_value("4")
    visitor.wait_for_link(dtype="auto", against="mnist-cosine", seed="4", view="schedules")
    models = [load(name) for name in ("mnist-linear", "mnist-cosine")]
    race = finished(schedules(*models, request(seed=4)))
    visitor.press("Home", tab=RACE)
    for step in (0, 20, 5):  # by steps of a cursor that all lanes share
        key = "ArrowRight" if step > visitor.at(RACE) else "ArrowLeft"
        visitor.press(key, tab=RACE, times=abs(step - visitor.at(RACE)))
        for number in (0, 1):
            expected = race.lanes[number].x[step, 0, ..., 0]
            np.testing.assert_array_equal(one_image(visitor, "schedules", number), expected)
    abars = [model.schedule.abar(race.lanes[0].t[5] - 1) for model in models]
    assert values(stage) == pytest.approx(abars, rel=5e-3)
    # By log-SNR the lanes stand at other times; the first keeps its frame.
    stage.locator("[data-align-by=logsnr]").click()
    visitor.stands_at(5, RACE)
    pixels(visitor, "schedules", 1)  # it has been painted by then
    times = [int(lane(visitor, "schedules", i).get_attribute("data-t")) for i in (0, 1)]
    assert times[0] != times[1]
    path, _ = download(visitor, tmp_path, "GIF · 21 frames", RACE)
    note = json.loads(read_note(path))
    assert (note["race"], note["against"], note["seed"]) == ("schedules", "mnist-cosine", 4)
    # Its link leads to the same states.
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.click(f"{RACE}-copy")
    expect(visitor.part(f"{RACE}-copy")).to_contain_text("at this step")
    link = visitor.page.evaluate("navigator.clipboard.readText()")
    visitor.open(link.removeprefix(visitor.url))
    for i, t in enumerate(times):
        expect(lane(visitor, "schedules", i)).to_have_attribute("data-t", str(t))


def test_a_race_is_looked_at_by_panes_curves_and_keys_and_its_cursor_stays_while_it_runs(visit):
    visitor = visit(LINK + "&seed=5")
    run = wait(visitor, "schedules")
    page, stage = visitor.page, visitor.stage(RACE)
    first = lane(visitor, "schedules", 0)
    models = [load(name) for name in ("mnist-linear", "mnist-cosine")]
    race = finished(schedules(*models, request(seed=5)))

    def position():
        return float(stage.get_attribute("data-position"))

    def fetched(pane):
        return len([r for r in visitor.requests if re.search(rf"/{pane}\.png$", r)])

    # A pane is fetched when it is chosen, and not again.
    visitor.press("Home", "Shift+ArrowRight", tab=RACE)
    visitor.stands_at(10, RACE)
    assert fetched("eps") == 0
    stage.locator("[data-chip=eps]").click()
    for number in (0, 1):
        picture = one_image(visitor, "schedules", number, "eps")
        np.testing.assert_array_equal(picture, race.lanes[number].eps[10, 0, ..., 0])
    stage.locator("[data-chip=x]").click()
    expect(stage.locator("[data-pane=x]")).to_have_count(0)
    assert fetched("eps") == 2
    # The curves are a timeline as well.
    plot = stage.locator(".player-plot")
    plot.scroll_into_view_if_needed()
    box = at_rest(plot)
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 9)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.81 * box["width"], box["y"] + 9, steps=4)
    assert position() == pytest.approx(0.81, abs=0.02)
    page.mouse.up()
    # A pointer over them tells the values of every lane there, and leaves the cursor where it is.
    at_cursor = values(stage)
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + box["height"] - 4)
    expected = [one.schedule.abar(one.t[8] - 1) for one in race.lanes]
    assert values(stage) == pytest.approx(expected, rel=5e-3) and position() > 0.7
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] - 40)
    assert values(stage) == at_cursor
    # A long race shows its frames as they come, and leaves the cursor where it was put.
    visitor.set_number("race-schedules-steps", 1000)
    visitor.wait("live", RACE)

    def wait_for_frames(count):
        page.wait_for_function(
            "([lane, count]) => +document.querySelector(lane).dataset.frames > count",
            arg=[f"#{RACE}-stage [data-lane='0']", count],
        )

    wait_for_frames(10)
    visitor.press("Home", "ArrowRight", tab=RACE)
    before = position()
    wait_for_frames(int(first.get_attribute("data-frames")) + 5)
    assert position() == before
    visitor.click("race-schedules-stop")
    visitor.wait_for_another(run, RACE)
    assert position() == pytest.approx(before, abs=1e-3) and int(first.get_attribute("data-t")) > 0


def test_an_error_is_put_back_beside_the_run_as_it_should_be_and_says_what_it_is(visit):
    visitor = visit(BROKEN.replace("ERROR", "missing-root"), reduced_motion="reduce")
    run = wait(visitor, "break")
    race = finished(broken(load("mnist-linear"), request(n=2), "missing-root"))
    stage = visitor.stage("race-break")
    visitor.press("End", tab="race-break")
    first, second = (pixels(visitor, "break", number) for number in (0, 1))
    assert (first != second).any()
    norms = [one.numbers["norm"][-1] for one in race.lanes]
    assert values(stage) == pytest.approx(norms, rel=1e-3)
    visitor.choose("race-break-error", "off by one")
    run = visitor.wait_for_another(run, "race-break")
    expect(visitor.part("tabs")).to_contain_text("leaves out the factor")
    link = BROKEN.replace("ERROR", "batch-scale")
    visitor.open(link + "&guidance=classifier-noisy&guidance_scale=4&label=3")
    wait(visitor, "break")
    expect(visitor.part("tabs")).to_contain_text("gets λ / n")
    expect(visitor.field("race-break-lam")).to_have_value("4")
    visitor.wait_for_link(dtype="auto", view="break", error="batch-scale")
    visitor.choose("race-break-error", "β from 1e-3")
    visitor.pick("race-break-model", "mnist-cosine")
    # An error that could not act leaves the film, or a run that is under way.
    expect(stage.get_by_role("alert")).to_contain_text("linear schedule", timeout=60_000)
    stage.get_by_role("button", name="Dismiss").click()
    visitor.wait("film", "race-break")
    # An error that is chosen brings what it acts on.
    visitor.choose("race-break-error", "not clipped")
    visitor.wait_for_link(model="mnist-cosine", error="no-clip")
    visitor.choose("race-break-error", "β from 1e-3")
    visitor.wait_for_link(model="mnist-linear", error="first-beta")
    expect(visitor.field("race-break-model")).to_have_value("mnist-linear")
    visitor.go_to("Samplers").wait("film", "race-samplers")  # where motion is unwelcome it rests
    expect(visitor.stage("race-samplers")).to_have_attribute("data-position", "1.0000")
