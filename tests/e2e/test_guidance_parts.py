"""The interval, the contact sheet and the trade-off plot, in the hands of a visitor."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import expect

from ui.contact import Contact, contact, idle, pending
from ui.interval import Interval
from ui.theme import css, theme
from ui.tradeoff import Tradeoff, tradeoff

from .conftest import Visitor, at_rest

NAMES = ["Fill", "Dim", "Grow", "Narrow", "Anew"]
AT_FIRST = {"low": 200, "high": 900, "maximum": 999}
SCALES = [0, 1, 1.5, 2, 3, 5, 8]


def sheet(**more):
    shades = np.linspace(30, 250, 7, dtype=np.uint8)
    tiles = np.broadcast_to(shades[:, None, None, None], (7, 28, 28, 1))
    return contact(tiles, 7, SCALES, **more)


def measured(count, order):
    points = [
        {"scale": s, "accuracy": 0.8 + 0.02 * i, "distance": 9 - 0.4 * i, "n": 64}
        for i, s in enumerate(SCALES[:count])
    ]
    return tradeoff(points, "s", SCALES, 64, count < len(SCALES), order, reference=9.5)


def growing():
    for count in range(1, 8):
        yield measured(count, 2)
    yield measured(1, 1)  # late news of an earlier run


def build():
    with gr.Blocks(analytics_enabled=False) as page:
        acts = Interval("Acts", info="where it pushes", low=200, high=900, elem_id="acts")
        strip = Contact(idle("Wait.", 1, 7), label="Strip", symbol="s", elem_id="strip")
        plot = Tradeoff(tradeoff(wanted_scales=SCALES), elem_id="plot")
        now, then = (gr.Textbox(label=name, elem_id=name) for name in ("now", "then"))
        told = gr.Textbox(label="told", elem_id="told")
        fill, dim, grow, narrow, anew = (gr.Button(name) for name in NAMES)
    with page:
        quiet = {"show_progress": "hidden"}
        acts.input(echo, acts, now, trigger_mode="always_last", **quiet)
        acts.release(echo, acts, then, **quiet)
        for part in (strip, plot):
            part.select(which, None, told, **quiet)
        fill.click(lambda: sheet(chosen=1, run="r", order=2), None, strip, **quiet)
        dim.click(lambda: pending(order=3), None, strip, **quiet)
        grow.click(growing, None, plot, **quiet)
        narrow.click(lambda: {"low": 10, "high": 40, "maximum": 99}, None, acts, **quiet)
        anew.click(lambda: [AT_FIRST, "", ""], None, [acts, now, then], **quiet)
    return page


def echo(value):
    return repr(value)


def which(picked: gr.SelectData):
    return f"{picked.index} {picked.value}"


@pytest.fixture(scope="module")
def parts():
    page = build()
    _, address, _ = page.launch(
        theme=theme(), css=css(), prevent_thread_lock=True, quiet=True, ssr_mode=False
    )
    yield address
    page.close()


@pytest.fixture
def visitor(keep, chromium, parts):
    visitor, is_new = keep(lambda: newcomer(chromium, parts))
    if not is_new:
        visitor.page.get_by_role("button", name="Anew").click()
        expect(said(visitor, "now")).to_have_value("")
        expect(visitor.page.locator("#acts .interval-numbers")).to_have_text("t = 900 to 200")
    yield visitor


def newcomer(chromium, parts):
    visitor = Visitor(chromium, parts).open()
    # Each part that fills late moves those below it away from under the mouse.
    for part in ("#acts .interval", "#strip .contact", "#plot .tradeoff"):
        visitor.page.wait_for_selector(f"{part}[data-state]")
    visitor.page.evaluate("document.fonts.ready")
    return visitor


def said(visitor, name):
    return visitor.page.locator(f"#{name} textarea")


def end(visitor, name):
    return visitor.page.locator(f"#acts [data-end={name}]")


def size(locator):
    box = locator.bounding_box()
    return box["width"], box["height"]


def at(visitor, t, maximum=999):
    """Where on the page a timestep is."""
    box = at_rest(visitor.page.locator("#acts .interval-scale"))
    return box["x"] + box["width"] * (1 - t / maximum), box["y"] + box["height"] / 2


def test_a_handle_is_heard_while_it_is_dragged(visitor):
    mouse = visitor.page.mouse
    end(visitor, "low").hover()  # which waits until it rests in its place
    mouse.down()
    mouse.move(*at(visitor, 500), steps=8)
    expect(said(visitor, "now")).to_have_value("(500, 900)")
    expect(said(visitor, "then")).to_have_value("")
    expect(end(visitor, "low")).to_be_focused()
    mouse.move(*at(visitor, 990), steps=8)  # handles do not cross
    expect(said(visitor, "now")).to_have_value("(900, 900)")
    mouse.up()
    expect(said(visitor, "then")).to_have_value("(900, 900)")
    mouse.down()  # on both handles at once: nothing moves before it is clear which is meant
    mouse.move(*at(visitor, 990), steps=4)
    mouse.up()
    expect(said(visitor, "then")).to_have_value("(900, 990)")


def test_the_part_between_the_handles_moves_both(visitor):
    mouse = visitor.page.mouse
    end(visitor, "low").hover()
    mouse.move(*at(visitor, 500))
    mouse.down()
    mouse.move(*at(visitor, 450), steps=4)
    expect(said(visitor, "now")).to_have_value("(150, 850)")
    mouse.move(*at(visitor, 0), steps=4)
    mouse.up()
    expect(said(visitor, "then")).to_have_value("(0, 700)")
    mouse.click(*at(visitor, 800))
    expect(said(visitor, "then")).to_have_value("(0, 800)")


def test_the_arrows_go_where_they_point(visitor):
    low, high = end(visitor, "low"), end(visitor, "high")
    low.press("ArrowRight")
    expect(said(visitor, "now")).to_have_value("(190, 900)")
    expect(said(visitor, "then")).to_have_value("(190, 900)")
    high.press("PageDown")
    expect(said(visitor, "now")).to_have_value("(190, 800)")
    high.press("Home")
    low.press("End")
    expect(said(visitor, "now")).to_have_value("(0, 999)")
    high.press("End")
    expect(said(visitor, "now")).to_have_value("(0, 0)")
    expect(high).to_have_attribute("aria-valuetext", "t = 0")


def test_an_interval_takes_what_python_says(visitor):
    visitor.page.get_by_role("button", name="Narrow").click()
    expect(end(visitor, "high")).to_have_attribute("aria-valuemax", "99")
    expect(visitor.page.locator("#acts .interval-numbers")).to_have_text("t = 40 to 10")
    end(visitor, "low").press("ArrowRight")
    expect(said(visitor, "now")).to_have_value("(9, 40)")


def test_a_tile_is_chosen_by_click_and_by_enter(visitor):
    page = visitor.page
    before = size(page.locator("#strip"))
    page.get_by_role("button", name="Fill").click()
    tiles = page.locator("#strip [role=option]")
    expect(tiles).to_have_count(7)
    assert size(page.locator("#strip")) == before
    expect(tiles.nth(1)).to_have_attribute("aria-selected", "true")
    tiles.nth(4).click()
    expect(said(visitor, "told")).to_have_value("4 r")
    expect(tiles.nth(4)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(5)).to_be_focused()
    page.keyboard.press("Enter")
    expect(said(visitor, "told")).to_have_value("5 r")
    page.get_by_role("button", name="Dim").click()
    expect(page.locator("#strip .contact")).to_have_attribute("data-pending", "true")
    page.get_by_role("button", name="Fill").click()  # older than what dimmed it
    tiles.nth(6).click()
    expect(said(visitor, "told")).to_have_value("6 r")
    expect(page.locator("#strip .contact")).to_have_attribute("data-pending", "true")


def test_tiles_are_enlarged_by_whole_numbers(chromium, parts):
    for viewport, ratio in (((1440, 900), 1), ((390, 844), 3), ((1000, 700), 1.25)):
        window = {"width": viewport[0], "height": viewport[1]}
        visitor = Visitor(chromium, parts, viewport=window, device_scale_factor=ratio).open()
        visitor.page.get_by_role("button", name="Fill").click()
        tiles = visitor.page.locator("#strip [role=option]")
        expect(tiles).to_have_count(7)
        side = tiles.first.bounding_box()["width"]
        assert side * ratio / 28 == pytest.approx(round(side * ratio / 28), abs=0.05)
        assert side >= 36
        shades = visitor.page.evaluate(
            """() => {
              const canvas = document.querySelector("#strip canvas");
              const box = canvas.getBoundingClientRect();
              return [...document.querySelectorAll("#strip [role=option]")].map((tile) => {
                const t = tile.getBoundingClientRect();
                const x = (t.x - box.x + t.width / 2) * canvas.width / box.width;
                return canvas.getContext("2d").getImageData(x, 9, 1, 1).data[0];
              });
            }"""
        )
        assert shades == np.linspace(30, 250, 7, dtype=np.uint8).tolist()
        page_width = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert page_width == viewport[0]
        visitor.leave()


def test_a_plot_grows_and_a_click_takes_its_scale(visitor):
    page = visitor.page
    plot = page.locator("#plot .tradeoff")
    before = size(page.locator("#plot"))
    expect(plot.locator("circle")).to_have_count(0)
    page.get_by_role("button", name="Grow").click()
    expect(plot).to_have_attribute("data-points", "7")
    expect(plot).to_have_attribute("data-state", "done")
    expect(plot.locator("circle")).to_have_count(14)
    expect(plot.locator("tbody tr")).to_have_count(7)
    assert size(page.locator("#plot")) == before
    point = plot.get_by_role("button", name="s = 3:")
    point.hover()
    expect(plot.locator(".tradeoff-read.tradeoff-accuracy")).to_have_text("88.0 %")
    expect(plot.locator(".tradeoff-read.tradeoff-distance")).to_have_text("7.40")
    point.click()
    expect(said(visitor, "told")).to_have_value("4 3")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(said(visitor, "told")).to_have_value("5 5")
    assert "of real images 9.50" in plot.get_by_role("img").get_attribute("aria-label")
