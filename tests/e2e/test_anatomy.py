"""The anatomy of guidance follows its player, tile by tile, without the network."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest

from tests.e2e.conftest import Visitor, at_rest
from ui import player
from ui.anatomy import Anatomy, anatomy, idle
from ui.player import Player
from ui.theme import css, theme

STEPS, TILES, SIDE = 20, 4, 8
T = list(range(999, -1, -52))[:STEPS]


def numbers(step, tile):
    """What the recording says at a step of a tile: p, strength, push."""
    p = (step + tile) / (STEPS + TILES)
    return p, 1.0 if step <= 5 else 3.0, 2.0 + step / 10 + 3 * tile


def recording(run):
    grid = [[numbers(step, tile) for tile in range(TILES)] for step in range(1, STEPS + 1)]
    p, strength, push = np.moveaxis(np.array(grid), -1, 0)
    cells = (STEPS, TILES)
    grey = np.arange(STEPS * TILES, dtype=np.uint8).reshape(*cells, 1, 1, 1)
    pictures = {
        name: np.broadcast_to(grey + offset, (*cells, SIDE, SIDE, 1))
        for name, offset in {"uncond": 10, "cond": 90, "guided": 150}.items()
    }
    field = np.ones((*cells, SIDE, SIDE))
    field[..., : SIDE // 2, :] = -1  # eps falls in the upper half: there the picture brightens
    film = player.film(
        run,
        [1000, *T[1:], 0],
        np.zeros((STEPS + 1, TILES, SIDE, SIDE, 1), np.uint8),
        pictures["guided"],
        columns=2,
        seconds=1,
        calls=STEPS,
        total=STEPS,
    )
    value = anatomy(
        run,
        [*T[1:], 0],
        left=T,
        method="cfg",
        classes=["3", "8"],
        wanted=[[0]] * TILES,
        p=np.stack([p, 1 - p], -1),
        strength=strength,
        eps_norm=np.full(cells, 20.0),
        push_norm=push,
        cosine=np.full(cells, -0.25),
        abar=np.linspace(0.01, 0.99, STEPS),
        pictures={**pictures, "push": field},
        total=STEPS,
    )
    return film, value


@pytest.fixture(scope="module")
def stand():
    """A page with a player and the anatomy of what it shows."""
    with gr.Blocks(analytics_enabled=False) as page:
        stage = Player(elem_id="guidance-stage", clickable_tiles=True, autoplay=False)
        part = Anatomy(idle("Nothing yet."), player="guidance-stage", elem_id="anatomy")
        outputs = {"show_progress": "hidden", "api_visibility": "private"}
        gr.Button("Run", elem_id="go").click(
            lambda: recording("one"), None, [stage, part], **outputs
        )
        gr.Button("Other", elem_id="other").click(
            lambda: recording("two")[0], None, stage, **outputs
        )
    look = {"theme": theme(), "css": css(), "ssr_mode": False}
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, share=False, **look)
    yield address
    page.close()


@pytest.fixture
def visitor(keep, chromium, stand):
    """The first of them finds nothing there, the others what the test before left."""
    visitor, _ = keep(lambda: newcomer(chromium, stand))
    yield visitor


def newcomer(chromium, stand):
    visitor = Visitor(chromium, stand).open()
    visitor.part = visitor.page.locator("#anatomy .anatomy")
    visitor.page.wait_for_selector("#anatomy .anatomy[data-state=idle]")
    return visitor


def run(visitor):
    """The run, at its end and its first tile."""
    visitor.click("go")
    visitor.page.wait_for_selector("#guidance-stage .player[data-state=film][data-run=one]")
    visitor.page.locator("#guidance-stage [data-tile='0']").first.click()
    visitor.stage("guidance").get_by_role("slider").press("End")
    wait_for(visitor, "shown", STEPS)


def wait_for(visitor, state, index):
    selector = f"#anatomy .anatomy[data-state={state}][data-index='{index}']"
    visitor.page.wait_for_selector(selector, state="attached")


def number(visitor, name):
    return visitor.part.locator(f"[data-number={name}]").first.inner_text()


def pixel(visitor, name, row):
    return visitor.page.evaluate(
        """([name, row]) => {
          const canvas = document.querySelector(`#anatomy [data-picture=${name}]`);
          return [...canvas.getContext("2d").getImageData(0, row, 1, 1).data];
        }""",
        [name, row],
    )


def test_seeking_the_player_changes_the_numbers_without_a_request(visitor):
    assert "Nothing yet." in visitor.part.inner_text()
    run(visitor)
    before = len(visitor.requests)
    timeline = visitor.stage("guidance").get_by_role("slider")
    timeline.press("Home")
    wait_for(visitor, "shown", 0)
    assert number(visitor, "push") == "–"
    for _ in range(7):
        timeline.press("ArrowRight")
    wait_for(visitor, "shown", 7)
    p, strength, push = numbers(7, 0)
    assert f"p(3 | x̂0) = {p:.3f}" in visitor.part.inner_text().replace("\n", "")
    assert number(visitor, "strength") == f"{strength:.2f}"
    assert number(visitor, "push") == f"{push:.2f}"
    assert number(visitor, "share") == f"{100 * push / 20:.1f} %"
    assert number(visitor, "cosine") == "−0.250"
    assert (number(visitor, "left"), number(visitor, "t")) == (str(T[6]), str(T[7]))
    assert "decided at t = " + str(T[13]) in visitor.part.inner_text()
    assert "rests" not in visitor.part.inner_text()
    for _ in range(2):
        timeline.press("ArrowLeft")
    wait_for(visitor, "shown", 5)
    assert "Guidance rests at this step." in visitor.part.inner_text()
    assert len(visitor.requests) == before


def test_pictures_are_those_of_the_step_and_their_signs_have_colours(visitor):
    run(visitor)
    visitor.stage("guidance").get_by_role("slider").press("ArrowLeft")
    wait_for(visitor, "shown", STEPS - 1)
    cell = (STEPS - 2) * TILES
    for name, offset in {"uncond": 10, "cond": 90, "guided": 150}.items():
        assert pixel(visitor, name, 0) == [cell + offset] * 3 + [255]
    assert pixel(visitor, "push", 0) == [0xB2, 0x43, 0x1A, 254]  # --guide: lighter
    assert pixel(visitor, "push", SIDE - 1) == [0x1F, 0x56, 0x73, 254]


def test_a_click_on_another_tile_shows_that_tile(visitor):
    run(visitor)
    visitor.page.locator("#guidance-stage [data-tile='2']").first.click()
    visitor.page.wait_for_selector("#anatomy .anatomy[data-tile='2']", state="attached")
    assert visitor.stage("guidance").get_attribute("data-tile") == "2"
    assert number(visitor, "push") == f"{numbers(STEPS, 2)[2]:.1f}"
    assert number(visitor, "tile") == "3"


def test_the_curve_moves_the_player(visitor):
    run(visitor)
    before = len(visitor.requests)
    plot = visitor.part.get_by_role("img", name="over 20 steps")
    box = at_rest(plot)
    plot.click(position={"x": box["width"] * 0.4, "y": 60})
    wait_for(visitor, "shown", 8)
    assert visitor.stage("guidance").get_attribute("data-index") == "8"
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60, steps=5)
    visitor.page.mouse.up()
    wait_for(visitor, "shown", 14)
    assert visitor.stage("guidance").get_attribute("data-index") == "14"
    assert f"p = {numbers(14, 0)[0]:.2f}" in visitor.part.inner_text()
    assert len(visitor.requests) == before


def test_another_run_on_the_player_dims_it(visitor):
    run(visitor)
    push = number(visitor, "push")
    visitor.click("other")
    visitor.page.wait_for_selector("#anatomy .anatomy[data-state=stale]")
    assert "This belongs to an earlier run." in visitor.part.inner_text()
    visitor.stage("guidance").get_by_role("slider").press("Home")
    visitor.picture(tab="guidance")
    assert number(visitor, "push") == push
    run(visitor)
    assert "earlier run" not in visitor.part.inner_text()


def test_nothing_jumps_while_the_cursor_moves(visitor):
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    run(visitor)
    timeline = visitor.stage("guidance").get_by_role("slider")
    sizes = set()
    for key in ("Home", "ArrowRight", "PageUp", "End"):
        timeline.press(key)
        wait_for(visitor, "shown", {"Home": 0, "ArrowRight": 1, "PageUp": 11, "End": 20}[key])
        sizes.add(
            visitor.page.evaluate(
                "() => [...document.querySelectorAll('#anatomy .anatomy > *')]"
                ".map((part) => part.offsetHeight + part.offsetTop).join()"
            )
        )
    assert len(sizes) == 1
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    visitor.page.set_viewport_size({"width": 1440, "height": 900})
