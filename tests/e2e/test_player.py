"""A player with films made up for it, and what it keeps in a browser's memory."""

from __future__ import annotations

import re
from itertools import count

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import expect

from ddpm_core import Film
from tests.support.pages import serve
from tests.support.visitor import Visitor, tiles
from ui import contact, player, stage

STEPS, N, SIDE, ACROSS = 1000, 16, 28, 4
WHOLE = {"columns": ACROSS, "seconds": 1.5, "calls": STEPS, "total": STEPS}
NOISE = np.random.default_rng(0).integers(0, 256, (STEPS + 1, N, SIDE, SIDE, 1), np.uint8)
numbers = count(1)
films: list[Film] = []  # that the server keeps

# How many pictures are decoded and not given back.
COUNT = """(() => {
  window.open_bitmaps = new Set();
  const make = window.createImageBitmap;
  window.createImageBitmap = async (...args) => {
    const made = await make(...args);
    open_bitmaps.add(made);
    return made;
  };
  const close = ImageBitmap.prototype.close;
  ImageBitmap.prototype.close = function () {
    open_bitmaps.delete(this);
    close.call(this);
  };
})()"""


def long():
    """A film of sixteen digits over all steps, of which a transfer carries a part."""
    films[:] = [Film.of(NOISE, 255 - NOISE, list(range(STEPS, -1, -1)))]
    return stage.film_value(f"long {next(numbers)}", films[0], **WHOLE) | {"still": True}


def short():
    number = next(numbers)
    x = np.full((3, 4, 8, 8, 1), number, np.uint8)
    about = {"columns": 2, "seconds": 0.5, "calls": 2, "total": 2}
    film = player.film(f"short {number}", [1000, 500, 0], x, x, **about) | {"order": number}
    sheet = contact.contact(x[0], 2, [1, 2], live=number % 2 == 0)
    return film, sheet


def preview():
    tiles = np.zeros((4, 8, 8, 1), np.uint8)
    about = {"columns": 2, "seconds": 0.5, "calls": 6}
    return player.live("quick", 6, 6, 0, tiles, tiles, **about) | {"preview": 50}


@pytest.fixture(scope="module")
def address():
    with gr.Blocks(analytics_enabled=False) as page:
        screen = player.Player(elem_id="sample-stage", autoplay=False)
        sheet = contact.Contact(elem_id="contact")
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        for name, act, parts in (
            ("long", long, screen),
            ("forget", films.clear, None),
            ("short", short, [screen, sheet]),
            ("preview", preview, screen),
            ("next", lambda: player.next_run(12, 50), screen),
        ):
            gr.Button(name, elem_id=name).click(act, None, parts, **quiet)
    with serve(page) as address:
        yield address


@pytest.fixture
def visitor(keep, chromium, address):
    def come():
        visitor = Visitor(chromium, address)
        visitor.page.add_init_script(COUNT)
        visitor.open().wait("idle")
        return visitor

    return keep(come)[0]


def show_long(visitor):
    before = visitor.stage().get_attribute("data-run")
    visitor.click("long")
    expect(visitor.stage()).to_have_attribute("data-run", re.compile("^long"))
    expect(visitor.stage()).not_to_have_attribute("data-run", before or "none")
    visitor.wait("film")


def stands_at(visitor, step):
    expect(visitor.stage()).to_have_attribute("data-index", str(step))
    for pane, frames in (("x", NOISE), ("x0", 255 - NOISE))[: 2 if step else 1]:
        np.testing.assert_array_equal(tiles(visitor.picture(pane), ACROSS), frames[step, ..., 0])


def test_every_step_of_a_long_film_can_be_stepped_to_and_playing_it_asks_nothing(visitor):
    show_long(visitor)
    timeline = visitor.stage().get_by_role("slider")
    expect(visitor.stage()).to_have_attribute("data-frames", str(STEPS + 1))
    stands_at(visitor, STEPS)
    before = len(visitor.requests)
    timeline.press(" ")
    visitor.page.wait_for_function("() => +document.querySelector('.player').dataset.index > 20")
    timeline.press(" ")
    stands_at(visitor, int(visitor.stage().get_attribute("data-index")))
    assert len(visitor.requests) == before
    timeline.press("End")
    for step in (STEPS - 1, STEPS - 2):
        timeline.press("ArrowLeft")
        stands_at(visitor, step)
    seek = """(root, index) =>
      root.dispatchEvent(new CustomEvent("player:seek", { detail: { index } }))"""
    for step in (500, 501, 1, 0, 777):
        visitor.stage().evaluate(seek, step)
        stands_at(visitor, step)
    for step in (778, 779, 780):  # faster than the network answers
        timeline.press("ArrowRight")
    stands_at(visitor, step)


def test_a_film_that_the_server_no_longer_keeps_tells_how_much_of_it_is_here(visitor):
    show_long(visitor)
    timeline = visitor.stage().get_by_role("slider")
    held = len(long()["chosen"])
    visitor.click("forget")
    timeline.press("ArrowLeft")
    kept = visitor.page.locator(".player-kept")
    expect(kept).to_contain_text(f"{held} of 1,001")
    expect(visitor.stage()).to_have_attribute("data-frames", str(held))
    timeline.press("ArrowLeft")
    step = int(visitor.stage().get_attribute("data-index"))
    assert step < STEPS
    stands_at(visitor, step)
    visitor.click("short")
    expect(visitor.stage()).to_have_attribute("data-frames", "3")
    expect(kept).to_be_empty()


def test_a_preview_is_called_one_until_the_whole_run_is_there(visitor):
    cost = visitor.page.locator(".player-cost")
    visitor.click("preview")
    expect(cost).to_have_text("preview, 6 of 50 steps")
    visitor.click("next")
    expect(cost).to_contain_text("12 of 50")
    expect(cost).to_contain_text("preview, 6 of 50 steps")
    visitor.click("short")
    expect(cost).to_have_text("2 calls · 0.50 s")


def test_pictures_that_were_replaced_are_given_back(visitor):
    last = 0
    for _ in range(6):
        visitor.click("short")
        visitor.page.wait_for_function(
            """(last) => {
              const { state, run } = document.querySelector(".player").dataset;
              return state === "film" && Number(run.split(" ")[1]) > last;
            }""",
            arg=last,
        )
        last = int(visitor.stage().get_attribute("data-run").split()[1])
    # Two panes and a contact sheet.
    visitor.page.wait_for_function("() => open_bitmaps.size === 3")
