"""Lanes on one timeline, in the hands of a visitor: made up frames, so that each can be told."""

from __future__ import annotations

import queue
import re

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.e2e.axe import violations
from ui import race
from ui.theme import css, theme

from .conftest import Visitor, at_rest

N, ACROSS, SIDE, GUTTER = 4, 2, 8, 1
TIMES = {"long": [1000 - 100 * k for k in range(11)], "short": [1000, 750, 500, 250, 0]}
LEVELS = {"long": list(np.linspace(-10, 9, 11)), "short": [-19.8, -4.0, 0.5, 4.0, 8.0]}
LOWEST, HIGHEST = -12, 9  # of the timeline: an opening at -19.8 is beyond its end
BETAS = {
    "long": [0.02 * (1 - k / 11) for k in range(11)],
    "short": [0.999, 1e-2, 1e-3, 1e-4, None],
}
CURVES = [
    {"key": "beta", "symbol": "<i>β<sub>t</sub></i>", "text": "variance added", "scale": "log"},
    {"key": "step", "symbol": "<i>k</i>", "text": "frame"},
]
SEVEN = [f"sampler {k}" for k in range(7)]
steps = queue.Queue()  # what a live run has been told to go on to


def frames(name, pane="x", count=None):
    """(frames, N, SIDE, SIDE, 1), other pictures for each lane and pane."""
    seed = [len(name), race.PANES.index(pane)]
    count = count or len(TIMES[name])
    return np.random.default_rng(seed).integers(0, 256, (count, N, SIDE, SIDE, 1), np.uint8)


def lane(name, panes=race.PANES, called=None, **more):
    numbers = {"beta": BETAS[name], "step": range(len(TIMES[name]))}
    return race.lane(
        called or name,
        TIMES[name],
        {pane: frames(name, pane) for pane in panes},
        log_snr=LEVELS[name],
        numbers=numbers,
        columns=ACROSS,
        calls=len(TIMES[name]) - 1,
        seconds=1.5,
        note="a note",
        **more,
    )


def film(run="r", order=1, **more):
    return race.film(run, [lane("long"), lane("short")], order=order, **more)


def earlier():
    """Computed before it was asked for; of one lane every second frame fits one transfer."""
    lanes = [lane("long", indices=range(0, 22, 2), total=20), lane("short")]
    return race.film("earlier", lanes, order=7, earlier=True)


def newest(name, k):
    return race.live_lane(
        name,
        k,
        TIMES[name][k],
        LEVELS[name][k],
        {pane: frames(name, pane)[k] for pane in race.PANES},
        columns=ACROSS,
        numbers={"beta": BETAS[name][k], "step": k},
    )


def running():
    """Each step when the test says so."""
    while True:
        told = steps.get(timeout=60)
        if told == "film":
            yield film("live", 5)
            return
        order = told.pop("order", 5)
        yield race.live("live", [newest(n, k) for n, k in told.items()], order=order)


def build():
    with gr.Blocks(analytics_enabled=False) as page:
        two = race.Race(
            label="Two schedules", lanes=["long", "short"], curves=CURVES, elem_id="two"
        )
        names = ("Fill", "Go", "Fail", "Late", "Earlier")
        fill, go, fail, late, before = (gr.Button(name) for name in names)
        heard = gr.Textbox(label="heard", elem_id="heard")
        race.Race(
            race.film("shipped", [lane("short", ("x", "x0"), n) for n in SEVEN], recorded="seed 3"),
            label="Samplers",
            lanes=SEVEN,
            curves=CURVES[:1],
            align=("t",),
            compact=True,
            elem_id="seven",
        )
        quiet = {"show_progress": "hidden"}
        fill.click(lambda: film(), None, two, **quiet)
        go.click(running, None, two, **quiet)
        before.click(earlier, None, two, **quiet)
        fail.click(lambda: race.error("No such thing.", order=9), None, two, **quiet)
        late.click(lambda: (film("old", 0), "late"), None, [two, heard], **quiet)
    return page


@pytest.fixture(scope="module")
def address():
    page = build()
    _, address, _ = page.launch(
        theme=theme(), css=css(), prevent_thread_lock=True, quiet=True, ssr_mode=False
    )
    yield address
    page.close()


@pytest.fixture
def enter(keep, chromium, address):
    """Before a race; with nothing asked for, before one that other tests have used as well."""
    visitors = []

    def enter(fill=True, query="", **context):
        new = not fill or query or context

        def come():
            window = {"reduced_motion": "reduce"} | context
            visitor = Visitor(chromium, address, **window).open(query)
            visitor.page.wait_for_selector("#seven .race[data-state=film]")
            if fill:
                press(visitor, "Fill")
                visitor.page.wait_for_selector("#two .race[data-state=film]")
            return visitor

        visitor, is_new = (come(), True) if new else keep(come)
        visitors.append((visitor, new))
        if not is_new:
            as_at_first(visitor)
        return visitor

    yield enter
    for visitor, leaves in visitors:
        if leaves:
            visitor.leave()
        assert visitor.errors == []


def as_at_first(visitor):
    press(visitor, "step")
    for pane in race.PANES:
        chip = root(visitor).locator(f"[data-chip={pane}]")
        if (chip.get_attribute("aria-pressed") == "true") != (pane == "x"):
            chip.click()
    timeline(visitor).press("End")


def press(visitor, name):
    visitor.page.get_by_role("button", name=name, exact=True).click()


def root(visitor, which="two"):
    return visitor.page.locator(f"#{which} .race")


def timeline(visitor, which="two"):
    return root(visitor, which).get_by_role("slider")


def place(visitor, which="two"):
    return float(root(visitor, which).get_attribute("data-position"))


def click_at(visitor, part, selector=".player-timeline"):
    area = visitor.page.locator(f"#two {selector}").first
    box = area.bounding_box()
    area.click(position={"x": part * box["width"], "y": box["height"] / 2})
    return place(visitor)


def shown(visitor, which, i, pane="x"):
    """The tiles on a lane's canvas, (N, SIDE, SIDE)."""
    width, data = visitor.page.evaluate(
        """async (selector) => {
          await new Promise(requestAnimationFrame);  // what was asked for is painted by then
          await new Promise(requestAnimationFrame);
          const canvas = document.querySelector(selector);
          const ink = canvas.getContext("2d");
          return [canvas.width, [...ink.getImageData(0, 0, canvas.width, canvas.height).data]];
        }""",
        f"#{which} [data-lane='{i}'] [data-pane={pane}] canvas",
    )
    grey = np.array(data, np.uint8).reshape(-1, width, 4)[..., 0]
    step = SIDE + GUTTER
    assert grey.shape == (N // ACROSS * step - GUTTER, ACROSS * step - GUTTER)
    corners = [(k // ACROSS * step, k % ACROSS * step) for k in range(N)]
    return np.stack([grey[top:, left:][:SIDE, :SIDE] for top, left in corners])


def frame_by_step(name, part):
    return max(k for k, t in enumerate(TIMES[name]) if 1 - t / 1000 <= part + 1e-6)


def frame_by_log_snr(name, part):
    level = LOWEST + part * (HIGHEST - LOWEST)
    return max([0] + [k for k, value in enumerate(LEVELS[name]) if value <= level + 1e-6])


@pytest.mark.parametrize("part", [0.02, 0.33, 0.5, 0.74, 0.97])
def test_by_step_each_lane_shows_the_last_frame_that_is_not_beyond_the_cursor(enter, part):
    visitor = enter()
    reached = click_at(visitor, part)
    assert reached == pytest.approx(part, abs=0.002)
    for i, name in enumerate(TIMES):
        k = frame_by_step(name, reached)
        assert np.array_equal(shown(visitor, "two", i), frames(name)[k, ..., 0])
        lane = root(visitor).locator(f"[data-lane='{i}']")
        expect(lane.locator(".race-t")).to_have_text(str(TIMES[name][k]))
    assert root(visitor).get_attribute("data-t") == str(TIMES["long"][frame_by_step("long", part)])


@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.62, 0.9])
def test_by_log_snr_lanes_stand_at_one_noise_level(enter, part):
    visitor = enter()
    press(visitor, "log-SNR")
    expect(root(visitor)).to_have_attribute("data-align", "logsnr")
    reached = click_at(visitor, part)
    for i, name in enumerate(TIMES):
        k = frame_by_log_snr(name, reached)
        assert np.array_equal(shown(visitor, "two", i), frames(name)[k, ..., 0])
    level = LOWEST + reached * (HIGHEST - LOWEST)
    read = root(visitor).locator(".race-cursor b").inner_text().replace("−", "-")
    assert float(read) == pytest.approx(level, abs=0.01)


def test_a_change_of_alignment_keeps_the_frame_of_the_first_lane(enter):
    visitor = enter()
    click_at(visitor, 0.62)
    assert root(visitor).get_attribute("data-index") == "6"
    for name in ("log-SNR", "step"):
        press(visitor, name)
        assert root(visitor).get_attribute("data-index") == "6"
    assert place(visitor) == pytest.approx(0.6)
    timeline(visitor).press("End")
    press(visitor, "log-SNR")
    assert place(visitor) == 1
    timeline(visitor).press("Home")
    for i, name in enumerate(TIMES):
        assert np.array_equal(shown(visitor, "two", i), frames(name)[0, ..., 0])


def test_a_pane_is_fetched_when_it_is_chosen_and_not_again(enter):
    visitor = enter()

    def fetched(pane):
        return len([r for r in visitor.requests if re.search(rf"/{pane}\.png$", r)])

    before = fetched("x")
    assert fetched("eps") == fetched("change") == 0
    root(visitor).locator("[data-chip=eps]").click()
    click_at(visitor, 0.5)
    for i, name in enumerate(TIMES):
        canvas = root(visitor).locator(f"[data-lane='{i}'] [data-pane=eps] canvas")
        expect(canvas).to_be_visible()
        k = frame_by_step(name, 0.5)
        assert np.array_equal(shown(visitor, "two", i, "eps"), frames(name, "eps")[k, ..., 0])
    assert fetched("eps") == 2 and fetched("change") == 0 and fetched("x") == before
    timeline(visitor).press("Home")
    opening = root(visitor).locator("[data-lane='0'] [data-pane=eps]")
    expect(opening).to_have_text("nothing predicted yet")
    expect(opening.locator("canvas")).to_be_hidden()
    root(visitor).locator("[data-chip=x]").click()
    expect(root(visitor).locator("[data-pane=x]")).to_have_count(0)
    root(visitor).locator("[data-chip=eps]").click()  # the only one left stays
    expect(root(visitor).locator("[data-chip=eps]")).to_have_attribute("aria-pressed", "true")
    root(visitor).locator("[data-chip=x]").click()
    assert np.array_equal(shown(visitor, "two", 1), frames("short")[0, ..., 0])
    assert fetched("eps") == 2 and fetched("x") == before


def test_the_curves_read_out_the_cursor_and_can_be_dragged(enter):
    visitor = enter()
    reached = click_at(visitor, 0.55)
    values = root(visitor).locator("[data-curve=beta] .race-values b")
    wanted = [BETAS[n][frame_by_step(n, reached)] for n in TIMES]
    shown(visitor, "two", 0)  # by then the numbers are, too
    assert [float(text) for text in values.all_inner_texts()] == pytest.approx(wanted, rel=5e-3)
    plot = root(visitor).locator("[data-curve=step] .race-plot")
    plot.scroll_into_view_if_needed()
    box = at_rest(plot)
    line = plot.locator(".race-line").bounding_box()
    middle = line["x"] + line["width"] / 2 - box["x"]
    assert middle / box["width"] == pytest.approx(reached, abs=0.003)
    mouse = visitor.page.mouse
    mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 9)
    mouse.down()
    mouse.move(box["x"] + 0.81 * box["width"], box["y"] + 9, steps=4)
    assert place(visitor) == pytest.approx(0.81, abs=0.003)
    mouse.up()
    values = root(visitor).locator("[data-curve=step] .race-values b")
    expect(values).to_have_text(["8.00", "3.00"])
    # On a logarithm the short lane falls by equal parts: three points and none for the last frame.
    path = root(visitor).locator("[data-curve=beta] svg[role=img] path:nth-of-type(3)")
    points = [tuple(map(float, p.split())) for p in re.split("[ML]", path.get_attribute("d"))[1:]]
    assert [x for x, _ in points] == [0, 250, 500, 750]
    falls = np.diff([y for _, y in points])
    assert falls[1] == pytest.approx(falls[2], abs=0.02)
    assert falls[0] == pytest.approx(2 * falls[1], rel=0.01)
    timeline(visitor).press("End")
    expect(root(visitor).locator("[data-curve=beta] .race-values b").last).to_have_text("–")


def test_every_key_moves_all_lanes(enter):
    visitor = enter()
    slider = timeline(visitor)
    slider.press("Home")
    # Each press goes to the next place where any lane has a frame.
    everywhere = sorted({1 - t / 1000 for times in TIMES.values() for t in times})
    for wanted in everywhere[1:4]:
        slider.press("ArrowRight")
        assert place(visitor) == pytest.approx(wanted, abs=1e-3)
    slider.press("ArrowLeft")
    assert place(visitor) == pytest.approx(everywhere[2], abs=1e-3)
    slider.press("Shift+ArrowRight")
    assert place(visitor) == pytest.approx(everywhere[12], abs=1e-3)
    slider.press("End")
    assert place(visitor) == 1
    expect(slider).to_have_attribute("aria-valuetext", "long: t = 0; short: t = 0")
    slider.press(" ")
    expect(root(visitor).locator("[data-do=play]")).to_have_attribute("aria-label", "Pause")
    visitor.page.wait_for_function(
        "() => { const p = document.querySelector('#two .race').dataset.position;"
        " return p > 0.3 && p < 1; }"
    )
    slider.press("r")
    visitor.page.wait_for_selector("#two .race[data-position='0.0000']")
    expect(root(visitor).locator("[data-do=reverse]")).to_have_attribute(
        "aria-label", "Play in reverse"
    )


def test_lanes_advance_as_their_frames_arrive_and_the_cursor_stays_where_it_was_put(enter):
    visitor = enter(fill=False)
    press(visitor, "Go")
    at = {}
    for told in ({"long": 0}, {"long": 2, "short": 0}, {"long": 4, "short": 2}):
        steps.put(told)
        at |= told
        for i, name in enumerate(TIMES):
            lane = root(visitor).locator(f"[data-lane='{i}']")
            if name in at:
                expect(lane).to_have_attribute("data-index", str(at[name]))
        expect(root(visitor)).to_have_attribute("data-state", "live")
    assert place(visitor) == pytest.approx(0.5)  # where the lane that is ahead has got to
    assert np.array_equal(shown(visitor, "two", 0), frames("long")[4, ..., 0])
    assert np.array_equal(shown(visitor, "two", 1), frames("short")[2, ..., 0])
    timeline(visitor).press("Home")
    timeline(visitor).press("ArrowRight")
    steps.put({"long": 9, "short": 3})
    expect(root(visitor).locator("[data-lane='0']")).to_have_attribute("data-frames", "4")
    assert place(visitor) == pytest.approx(0.2)
    steps.put("film")
    expect(root(visitor)).to_have_attribute("data-state", "film")
    assert place(visitor) == pytest.approx(0.2)
    assert root(visitor).get_attribute("data-frames") == "11"
    assert np.array_equal(shown(visitor, "two", 0), frames("long")[2, ..., 0])


def test_the_same_race_begun_anew_shows_its_own_frames_from_the_first(enter):
    visitor = enter(fill=False)
    press(visitor, "Go")
    steps.put({"long": 4, "short": 2})
    first = root(visitor).locator("[data-lane='0']")
    expect(first).to_have_attribute("data-index", "4")
    steps.put({"order": 6, "long": 0})
    expect(first).to_have_attribute("data-index", "0")
    expect(first).to_have_attribute("data-frames", "1")
    steps.put({"order": 6, "long": 2})
    expect(first).to_have_attribute("data-index", "2")
    assert np.array_equal(shown(visitor, "two", 0), frames("long")[2, ..., 0])


def test_late_news_is_not_heard_and_an_error_leaves_the_film(enter):
    visitor = enter()
    click_at(visitor, 0.5)
    press(visitor, "Late")
    expect(visitor.page.locator("#heard textarea")).to_have_value("late")
    press(visitor, "Fail")
    expect(root(visitor).get_by_role("alert")).to_contain_text("No such thing.")
    assert root(visitor).get_attribute("data-run") == "r"
    timeline(visitor).press("ArrowRight")
    assert np.array_equal(shown(visitor, "two", 0), frames("long")[6, ..., 0])
    root(visitor).get_by_role("button", name="Dismiss").click()
    expect(root(visitor)).to_have_attribute("data-state", "film")


def test_a_recording_plays_once_it_is_seen_and_rests_where_motion_is_unwelcome(enter):
    still = enter(fill=False)
    assert place(still, "seven") == 1
    expect(root(still, "seven").locator(".race-recorded")).to_have_text("recorded · seed 3")
    window = {"width": 1440, "height": 400}
    moving = enter(fill=False, reduced_motion="no-preference", viewport=window)
    assert place(moving, "seven") == 0
    root(moving, "seven").scroll_into_view_if_needed()
    moving.page.wait_for_selector("#seven .race[data-position='1.0000']")
    assert np.array_equal(shown(moving, "seven", 6), frames("short")[4, ..., 0])


def test_others_follow_the_cursor_and_move_it(enter):
    visitor = enter()
    heard = visitor.page.evaluate(
        """() => {
          const heard = [];
          document.addEventListener("player:cursor", (e) => heard.push({ ...e.detail }));
          const race = document.querySelector("#two .race");
          race.dispatchEvent(new CustomEvent("player:seek", { detail: { index: 3 } }));
          return heard;
        }"""
    )
    assert [(d["index"], d["t"], d["run"], d["tile"]) for d in heard] == [(3, 700, "r", 0)]
    assert np.array_equal(shown(visitor, "two", 0), frames("long")[3, ..., 0])
    assert np.array_equal(shown(visitor, "two", 1), frames("short")[1, ..., 0])


@pytest.mark.parametrize("panes", [1, 4])
def test_on_a_phone_both_lanes_and_the_timeline_are_in_view(enter, panes):
    window = {"width": 390, "height": 844}
    visitor = enter(viewport=window, device_scale_factor=3)
    for pane in race.PANES[1:panes]:
        root(visitor).locator(f"[data-chip={pane}]").click()
    expect(root(visitor).locator(".race-mat canvas:visible")).to_have_count(2 * panes)
    mats = [mat.bounding_box() for mat in root(visitor).locator(".race-mat").all()]
    lanes = [lane.bounding_box() for lane in root(visitor).locator(".race-lane").all()]
    assert lanes[1]["y"] >= lanes[0]["y"] + lanes[0]["height"]
    slider = timeline(visitor).bounding_box()
    assert slider["y"] + slider["height"] - mats[0]["y"] < window["height"]
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == window["width"]
    for canvas in root(visitor).locator(".race-mat canvas").all():
        box = canvas.bounding_box()
        pixel = 3 * box["height"] / (2 * SIDE + GUTTER)
        assert pixel >= 3 and pixel == pytest.approx(round(pixel), abs=0.02)


def test_nothing_moves_when_the_first_run_comes(enter):
    visitor = enter(fill=False)
    before = root(visitor).bounding_box()["height"]
    press(visitor, "Fill")
    visitor.page.wait_for_selector("#two .race[data-state=film]")
    assert np.array_equal(shown(visitor, "two", 0), frames("long")[-1, ..., 0])
    assert root(visitor).bounding_box()["height"] == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_is_broken(enter, scheme):
    visitor = enter(query=f"?__theme={scheme}", color_scheme=scheme)
    root(visitor).locator("[data-chip=x0]").click()
    expect(root(visitor).locator(".race-mat canvas:visible")).to_have_count(4)
    assert violations(visitor.page, within=".race") == []


def test_a_race_tells_that_it_was_computed_earlier_and_how_many_frames_it_holds(enter):
    visitor = enter(fill=False)
    press(visitor, "Earlier")
    two = root(visitor)
    expect(two.locator(".race-recorded")).to_have_text("computed earlier")
    expect(two.locator(".race-note")).to_have_text(["a note, 11 of 21 frames", "a note"])
