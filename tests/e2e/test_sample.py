"""A visitor samples, watches, scrubs, stops, and opens a tile."""

import re

import numpy as np
from playwright.sync_api import expect

from ddpm_core import Request, load, sample
from tests.support.visitor import tiles

MODEL = "mnist-conditional"


def test_the_page_opens_with_digits_and_another_model_has_its_own_classes(visit):
    visitor = visit()
    visitor.wait("film")
    expected = sample(load(MODEL), Request(n=16, steps=20))[..., 0]
    visitor.press("End")
    # Batches elsewhere may round differently in the last grey level.
    assert np.abs(tiles(visitor.picture(), 4).astype(int) - expected).max() <= 2
    visitor.set_number("sample-n", 4)
    for model, label, side in (("mnist-linear", "none", 28), ("cifar10-conditional", "all", 32)):
        before = visitor.run()
        visitor.pick("sample-model", model)
        visitor.wait_for_link(model=model, label=label)
        visitor.wait_for_another(before)
        assert visitor.picture()[0] == 2 * (side + 1) - 1


def test_play_presses_and_scrubbing_ask_nothing_and_stay_on_the_tab(follow):
    visitor = follow("?n=16&steps=12")
    stage, count = visitor.stage(), len(visitor.requests)
    visitor.press("Home")
    stage.get_by_role("button", name="Play", exact=True).click()
    visitor.page.wait_for_selector("#sample-stage [data-index='12']", state="attached")
    for name in ("[data-speed='3']", "[data-do=loop]", ".player-timeline", "figcaption"):
        stage.locator(name).first.click()
    visitor.press("End")
    last = visitor.picture()
    assert visitor.press("ArrowLeft", times=3) == 9
    expect(visitor.timeline()).to_have_attribute("aria-valuenow", "9")
    assert visitor.picture() != last
    visitor.press("Home")
    assert visitor.t() == 1000
    visitor.press("ArrowRight", times=12)
    assert visitor.picture() == last
    box, mouse = visitor.timeline().bounding_box(), visitor.page.mouse
    mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2, steps=4)
    mouse.up()
    assert 2 <= visitor.at() <= 4, "it is dragged"
    assert visitor.requests[count:] == []
    expect(visitor.tab("sample")).to_have_attribute("aria-selected", "true")


def test_the_way_to_another_seed_is_taken_and_a_tile_of_it_stays_on_the_way(follow):
    visitor = follow("?n=4&steps=3&label=3&toward=8")
    visitor.open_tile(1)
    visitor.wait_for_link(tab="reverse", toward="8", along=str(1 / 3), steps="3")
    expect(visitor.page.get_by_text("33 % of the way from the noise of seed 0")).to_be_visible()
    visitor.set_number("reverse-steps", 4)
    visitor.wait_for_link(toward="8", along=str(1 / 3), steps="4")
    visitor.wait_for_file("5 frames", "reverse")
    visitor.press("End", tab="reverse")
    request = Request(n=1, steps=4, label=3, toward=8, along=1 / 3)
    picture = tiles(visitor.picture(tab="reverse"), 1).astype(int)
    assert np.abs(picture - sample(load(MODEL), request)[..., 0]).max() <= 2


def begin_long(visitor, steps=1000):
    visitor.set_number("sample-steps", steps)
    visitor.wait("live")
    visitor.page.wait_for_function(
        "() => +document.querySelector('#sample-stage .player').dataset.index > 10"
    )


def test_a_run_is_stopped_overtaken_and_taken_from_memory(follow):
    visitor = follow("?n=4&steps=10&sampler=ddpm")
    visitor.page.locator("body").press("4")
    visitor.wait_for_link(label="4")
    assert visitor.chosen("sample-label") == "4"
    visitor.wait_for_file("11 frames")
    for steps, stop in ((999, "button"), (1000, "key")):
        begin_long(visitor, steps)
        if stop == "button":
            visitor.click("sample-stop")
        else:  # nothing is typed there
            visitor.handle("sample-steps").press("s")
        visitor.wait("film")
        reached = visitor.at()
        assert 10 < reached < steps
        visitor.wait_for_file(f"{reached + 1:,} frames")
    begin_long(visitor, 998)
    visitor.set_number("sample-steps", 10)
    visitor.wait_for_file("11 frames")
    visitor.has_frames(11)
    expect(visitor.stage()).to_contain_text("computed earlier")
    # By the end of another run, all late news of the long run has arrived.
    before = visitor.run()
    visitor.click("sample-roll")
    visitor.wait_for_another(before)
    visitor.has_frames(11)
    visitor.page.wait_for_url(re.compile("seed=[1-9]"))
    seed = re.search(r"seed=(\d+)", visitor.page.url).group(1)
    expect(visitor.field("sample-seed")).to_have_value(seed)


def test_playing_a_run_under_way_catches_up_with_it_and_sees_its_end(follow):
    visitor = follow("?n=1&steps=2")
    visitor.set_number("sample-steps", 100)
    visitor.choose("sample-sampler", "DDPM")
    visitor.wait("live")
    visitor.press("ArrowUp", "ArrowUp", " ")  # four times as fast
    visitor.page.wait_for_selector(
        "#sample-stage .player[data-state=film][data-index='100']", timeout=120_000
    )


def test_a_tile_opens_with_every_step_whichever_view_was_open_there(follow):
    visitor = follow("?steps=10&n=16&seed=4")
    visitor.go_to("reverse", "Break it", "sample").press("End")
    tile = tiles(visitor.picture(), 4)[6]
    visitor.open_tile(6)
    visitor.wait_for_link(first="6", tab="reverse", label="6")
    visitor.wait_for_file("11 frames", "reverse")
    expect(visitor.stage("reverse")).to_be_visible()
    visitor.has_frames(11, "reverse")
    # Its grid's seconds are not its own.
    expect(visitor.stage("reverse")).to_contain_text("10 calls · computed earlier")
    visitor.press("End", tab="reverse")
    assert np.array_equal(tiles(visitor.picture(tab="reverse"), 1)[0], tile)


def test_a_press_that_waits_for_its_turn_says_so_until_there_is_news(follow):
    visitor = follow("?n=1&steps=2")
    routes = []
    visitor.page.route("**/queue/join*", lambda route: routes.append(route))
    visitor.click("sample-roll")
    message = visitor.stage().get_by_text("The first step takes a moment")
    expect(message).to_be_visible()
    for route in routes:
        route.continue_()
    visitor.page.unroute("**/queue/join*")
    expect(message).to_have_count(0)
    visitor.wait_for_file("3 frames")
