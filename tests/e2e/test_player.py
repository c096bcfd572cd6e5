"""Parts of the page with values made up for them: what they keep in memory, and late news."""

from itertools import count

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import expect

from ddpm_core import Film
from tests.support.pages import serve
from tests.support.visitor import Visitor, tiles
from ui.runs import player_values
from ui.widgets.image_grid import image_grid
from ui.widgets.player import player

STEPS, N, SIDE, ACROSS = 1000, 16, 28, 4
WHOLE = {"columns": ACROSS, "seconds": 1.5, "calls": STEPS, "total": STEPS}
NOISE = np.random.default_rng(0).integers(0, 256, (STEPS + 1, N, SIDE, SIDE, 1), np.uint8)
GRID = {"symbol": "s", "glance": False, "clickable": True}
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
    """A film of sixteen digits over all steps; a transfer carries only a part of it."""
    films[:] = [Film.of(NOISE, 255 - NOISE, list(range(STEPS, -1, -1)))]
    return player_values.film_value(f"long {next(numbers)}", films[0], **WHOLE) | {"still": True}


def short():
    number = next(numbers)
    x = np.full((3, 4, 8, 8, 1), number, np.uint8)
    options = {"columns": 2, "seconds": 0.5, "calls": 2, "total": 2}
    lane = player.lane("", [1000, 500, 0], {"x": x, "x0": x}, **options)
    film = player.film(f"short {number}", [lane]) | {"order": number}
    sheet = image_grid.contact(x[0], 2, [1, 2], live=number % 2 == 0)
    return film, sheet


def preview():
    tiles = np.zeros((4, 8, 8, 1), np.uint8)
    options = {"columns": 2, "seconds": 0.5, "calls": 6, "total": 6}
    lane = player.live_lane("", 6, 0, {"x": tiles, "x0": tiles}, **options)
    return player.live("quick", [lane]) | {"preview": 50}


def news(name: str, order: int) -> dict:
    """News of a run."""
    sheet = image_grid.contact(np.zeros((1, 8, 8, 1), np.uint8), 1, [name], run=name)
    return sheet | {"order": order}


@pytest.fixture(scope="module")
def address():
    with gr.Blocks(analytics_enabled=False) as page:
        screen = player.Player({"kind": "idle"}, elem_id="sample-stage", autoplay=False)
        sheet, late = (
            image_grid.ImageGrid(image_grid.idle("", 1), options=GRID, elem_id=name)
            for name in ("contact", "late")
        )
        options = {"show_progress": "hidden", "api_visibility": "private"}
        for name, handler, outputs in (
            ("long", long, screen),
            ("forget", films.clear, None),
            ("short", short, [screen, sheet]),
            ("preview", preview, screen),
            ("newer", lambda: news("newer", 10_002), late),
            ("older", lambda: news("older", 10_001), late),
            ("newest", lambda: news("newest", 10_003), late),
        ):
            gr.Button(name, elem_id=name).click(handler, None, outputs, **options)
    with serve(page) as address:
        yield address


@pytest.fixture
def visitor(reuse, chromium, address):
    def enter():
        visitor = Visitor(chromium, address)
        visitor.page.add_init_script(COUNT)
        visitor.open().wait("idle")
        return visitor

    return reuse(enter)[0]


def show_long(visitor):
    before = visitor.run()
    visitor.click("long")
    assert visitor.wait_for_another([before]).startswith("long")


def stands_at(visitor, step):
    visitor.stands_at(step)
    for pane, frames in (("x", NOISE), ("x0", 255 - NOISE))[: 2 if step else 1]:
        np.testing.assert_array_equal(tiles(visitor.picture(pane), ACROSS), frames[step, ..., 0])


def test_every_step_of_a_long_film_can_be_stepped_to_and_playing_it_asks_nothing(visitor):
    show_long(visitor)
    visitor.has_frames(STEPS + 1)
    stands_at(visitor, STEPS)
    before = len(visitor.requests)
    visitor.press(" ")
    visitor.page.wait_for_function("() => +document.querySelector('.player').dataset.index > 20")
    visitor.press(" ")
    stands_at(visitor, visitor.at())
    assert len(visitor.requests) == before
    visitor.press("End")
    for step in (STEPS - 1, STEPS - 2):
        visitor.timeline().press("ArrowLeft")
        stands_at(visitor, step)
    seek = """(root, index) =>
      root.dispatchEvent(new CustomEvent("player:seek", { detail: { index } }))"""
    for step in (500, 1, 0, 777):
        visitor.stage().evaluate(seek, step)
        stands_at(visitor, step)
    visitor.press("ArrowRight", times=3)  # faster than the network answers
    stands_at(visitor, 780)


def test_a_film_that_the_server_no_longer_keeps_tells_how_much_of_it_is_here(visitor):
    show_long(visitor)
    carried = len(long()["lanes"][0]["chosen"])
    visitor.click("forget")
    visitor.timeline().press("ArrowLeft")
    note = visitor.stage().locator(".player-kept")
    expect(note).to_contain_text(f"{carried} of 1,001")
    visitor.has_frames(carried)
    visitor.timeline().press("ArrowLeft")
    step = visitor.at()
    assert step < STEPS
    stands_at(visitor, step)
    visitor.click("short")
    visitor.has_frames(3)
    expect(note).to_be_empty()


def test_late_news_of_an_earlier_run_does_not_take_the_place_of_a_newer_ones(visitor):
    for button, expected in (("newer", "newer"), ("older", "newer"), ("newest", "newest")):
        visitor.click(button)
        if button == "older":  # what was asked after it has been answered
            visitor.click("preview")
            expect(visitor.stage()).to_contain_text("preview, 6 of 50 steps")
        expect(visitor.part("late")).to_contain_text(expected)


def test_pictures_that_were_replaced_are_given_back(visitor):
    visitor.open().wait("idle")
    before = None
    for _ in range(6):
        visitor.click("short")
        before = visitor.wait_for_another([before])
    # Two panes; a contact sheet keeps none.
    visitor.page.wait_for_function("() => open_bitmaps.size === 2")
