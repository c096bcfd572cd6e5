"""A visitor draws or opens a picture, turns it to noise, and lets the model bring it back."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from ddpm_core import load
from ddpm_core.data import to_unit
from ddpm_core.guides import classifier_for
from lab.process.forward import forward_film
from lab.process.packed import pack
from tests.support.visitor import Visitor, at_rest, tiles
from ui.sketch import SAMPLES

TAB = "forward"
DRAWING = np.random.default_rng(5).integers(0, 256, (28, 28, 1), np.uint8)
# Files alone: films are decoded as well.
COUNT_DECODED = """() => {
  const plain = createImageBitmap;
  window.decoded = 0;
  window.createImageBitmap = (source, ...rest) => {
    window.decoded += source instanceof File;
    return plain(source, ...rest);
  };
}"""


@pytest.fixture(scope="module")
def reader(chromium, url):
    """Of a page whose picture and model no test changes."""
    visitor = Visitor(chromium, url).open("?tab=forward&digit=3")
    settled(visitor)
    yield visitor
    visitor.leave()


def another_film(visitor, than: str | None = None):
    """Until the film of a picture other than that of a run stands on the stage."""
    visitor.stage(TAB).wait_for(timeout=60_000)
    visitor.page.wait_for_function(
        """than => {
          const { state, run } = document.querySelector("#forward-stage .player").dataset;
          return state === "film" && run && run !== than;
        }""",
        arg=than,
        timeout=60_000,
    )


def settled(visitor):
    """Until the files of a film are there, and with them all that it brings."""
    another_film(visitor)
    visitor.wait_for_kept("1,001 frames", TAB)


def run_of(visitor):
    return visitor.stage(TAB).get_attribute("data-run")


def scrub(visitor, key, times=1):
    timeline = visitor.stage(TAB).get_by_role("slider").first
    for _ in range(times):
        timeline.press(key)


def sample(digit: int) -> np.ndarray:
    return np.asarray(Image.open(SAMPLES))[:, 28 * digit : 28 * (digit + 1), None]


def shown(visitor, pane="x"):
    return tiles(visitor.picture(pane, TAB), 1)[0]


def the_picture(visitor):
    scrub(visitor, "End")
    return shown(visitor)


def clear(visitor):
    before = run_of(visitor)
    visitor.page.locator("#forward-sheet [data-do=clear]").click()
    another_film(visitor, before)


def press_and_draw(visitor):
    """A line from above to below; the pen is not lifted."""
    box = at_rest(visitor.page.locator("#forward-sheet .sketch-sheet"))
    middle, mouse = box["x"] + box["width"] / 2, visitor.page.mouse
    mouse.move(middle, box["y"] + 40)
    mouse.down()
    mouse.move(middle, box["y"] + box["height"] - 40, steps=8)


def wait_for_address(visitor, **wanted):
    visitor.page.wait_for_function(
        """wanted => Object.entries(wanted).every(
          ([name, value]) => new URLSearchParams(location.search).get(name) === value)""",
        arg=wanted,
    )


def test_both_ways_are_the_cores_and_the_histogram_closes_in_on_a_normal(reader):
    def number(name):
        cell = reader.page.locator(f"#forward-histogram [data-number={name}]")
        return float(cell.inner_text().replace("−", "-"))

    model = load("mnist-conditional")
    film = forward_film(model, sample(3)).film
    np.testing.assert_array_equal(the_picture(reader), sample(3)[..., 0])
    assert number("signal") == 1 and number("noise") == 0 and number("mean") < -0.5
    scrub(reader, "Shift+ArrowLeft", 25)
    assert reader.stage(TAB).get_attribute("data-t") == "250"
    for pane in ("x", "x0"):
        apart = shown(reader, pane).astype(int) - getattr(film, pane)[750, 0, ..., 0]
        assert np.abs(apart).max() <= 1
    scrub(reader, "Home")
    shown(reader)  # by then the numbers are, too
    assert number("signal") == pytest.approx(model.schedule.abar(999) ** 0.5, rel=0.02)
    assert number("noise") == 1
    assert abs(number("mean")) < 0.15 and abs(number("std") - 1) < 0.1


def test_play_leads_from_the_picture_to_noise(reader):
    scrub(reader, "End")
    stage = reader.stage(TAB)
    stage.get_by_role("button", name="Speed 4").click()
    stage.get_by_role("button", name="Play", exact=True).click()
    reader.page.wait_for_function(
        "() => Number(document.querySelector('#forward-stage .player').dataset.t) > 300"
    )
    stage.get_by_role("button", name="Pause").click()


def test_what_is_no_picture_or_too_large_is_said_and_not_decoded(visit, tmp_path):
    huge, large = tmp_path / "huge.png", tmp_path / "large.png"
    Image.new("1", (16_000, 16_000)).save(huge)
    noisy = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)
    noisy[:, 800:] = 255
    Image.fromarray(noisy).save(large)
    assert large.stat().st_size > 2 * 2**20, "more than the page takes as an upload"
    # A link that is broken is told, and the tab works on.
    visitor = visit("?tab=forward&model=mnist-conditional&digit=12")
    note = visitor.stage(TAB).get_by_text("digit must be between 0 and 9, not 12")
    note.wait_for(timeout=60_000)
    sheet = visitor.page.locator("#forward-sheet .sketch[data-samples=shown]")
    sheet.wait_for()
    visitor.page.evaluate(COUNT_DECODED)
    told, opened = sheet.locator(".sketch-note"), sheet.locator("input[type=file]")
    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    opened.set_input_files(notes)
    told.filter(has_text="notes.txt is not a picture that can be read.").wait_for()
    before = visitor.page.evaluate("window.decoded")
    opened.set_input_files(huge)
    told.filter(has_text="16000 × 16000").wait_for()
    assert visitor.page.evaluate("window.decoded") == before
    requests = len(visitor.requests)
    opened.set_input_files(large)
    settled(visitor)
    picture = the_picture(visitor)
    assert picture[:, 16:].min() > 240 and 90 < picture[:, :12].mean() < 165
    assert told.inner_text() == ""
    assert not any("upload" in url for url in visitor.requests[requests:])


def test_it_is_drawn_by_mouse_and_by_keyboard_and_one_finger_at_a_time(visit):
    visitor = visit("?tab=forward&digit=1", has_touch=True)
    settled(visitor)
    page, mouse = visitor.page, visitor.page.mouse
    clear(visitor)
    before = run_of(visitor)
    scrub(visitor, "Home")
    press_and_draw(visitor)
    visitor.wait("drawn", TAB)  # before the pen is lifted
    for pane in ("x", "x0"):
        stroke = shown(visitor, pane)
        assert stroke[8:20, 13:15].min() > 200 and stroke[:, :8].max() == 0
    assert visitor.stage(TAB).get_attribute("data-t") == "0"
    mouse.up()
    another_film(visitor, before)
    stroke = the_picture(visitor)
    assert stroke[8:20, 13:15].min() > 200, "the stroke"
    assert stroke[:, :8].max() == 0 and stroke[:, 20:].max() == 0, "the paper"
    clear(visitor)
    # By the keyboard: its pen is seen, drawing is told, and moving it without drawing is not.
    root = page.locator("#forward-sheet .sketch")
    sheet, pen = root.locator(".sketch-sheet"), root.locator(".sketch-pen")
    assert not pen.is_visible()
    root.locator("[data-do=clear]").focus()
    page.keyboard.press("Shift+Tab")  # by the keyboard, so that the focus is shown
    assert sheet.evaluate("e => e === document.activeElement") and pen.is_visible()
    sent, start = int(root.get_attribute("data-sent")), pen.bounding_box()["x"]
    for _ in range(10):
        page.keyboard.press("Shift+ArrowRight")
    assert pen.bounding_box()["x"] > start
    assert int(root.get_attribute("data-sent")) == sent, "nothing was drawn"
    before = run_of(visitor)
    page.keyboard.press("ArrowDown")
    assert int(root.get_attribute("data-sent")) == sent + 1
    another_film(visitor, before)
    assert the_picture(visitor).max() > 200
    # Of two fingers the second draws no line to the first.
    clear(visitor)
    page.evaluate(
        """() => {
          const sheet = document.querySelector("#forward-sheet .sketch-sheet");
          sheet.setPointerCapture = () => {};  // made-up pointers cannot be captured
          const box = sheet.getBoundingClientRect();
          const at = (type, id, x, y) => sheet.dispatchEvent(new PointerEvent(type, {
            pointerId: id, bubbles: true, isPrimary: id === 1,
            clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
          at("pointerdown", 1, 0.1, 0.1);
          at("pointerdown", 2, 0.9, 0.9);
          at("pointermove", 2, 0.9, 0.8);
          at("pointermove", 1, 0.1, 0.2);
          at("lostpointercapture", 1, 0.1, 0.2);
        }"""
    )
    ink = """([x, width]) => {
      const ink = document.querySelector("#forward-sheet .sketch-sheet").getContext("2d");
      return Math.max(...ink.getImageData(x, 0, width, 280).data.filter((_, i) => i % 4 === 0));
    }"""
    assert page.evaluate(ink, [0, 60]) > 0 and page.evaluate(ink, [60, 220]) == 0


TILE_OF_STRIP = """number => {
  const print = document.querySelector("#forward-back .contact-print");
  const canvas = print.querySelector("canvas");
  const tile = print.querySelector(`[data-tile="${number}"]`)?.getBoundingClientRect();
  if (!tile) return [];
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  const ink = canvas.getContext("2d");
  return Array.from({ length: 784 }, (_, p) => {
    const x = tile.left - box.left + (((p % 28) + 0.5) * tile.width) / 28;
    const y = tile.top - box.top + ((Math.floor(p / 28) + 0.5) * tile.height) / 28;
    return ink.getImageData(Math.floor(x * scale), Math.floor(y * scale), 1, 1).data[0];
  });
}"""


def test_there_and_back_a_little_noise_leaves_the_digit_and_much_none(reader):
    def tile(number):
        return np.array(reader.page.evaluate(TILE_OF_STRIP, number)).reshape(28, 28)

    reader.page.locator("#forward-label input[value='8']").click()
    reader.click("forward-go")
    reader.page.get_by_text("50 steps of DDIM").wait_for(timeout=60_000)
    digit = sample(3)[..., 0].astype(int)
    noised, little, much = tile(3), tile(10), tile(19)
    assert np.abs(little - digit).mean() < 12 < np.abs(much - digit).mean()
    assert noised.std() > 60
    judged = classifier_for(load("mnist-conditional"), "judge")
    seen = judged.log_probs(to_unit(torch.tensor(much)[None, None])).argmax(1)
    assert int(seen) == 8
    # There is nothing to choose among them: they are pictures, named, and no options.
    strip = reader.page.locator("#forward-back")
    assert strip.get_by_role("option").count() == 0
    assert strip.get_by_role("img", name=re.compile(r"^t = \d+, back$")).count() == 10


def stop_early(visitor, button, steps):
    visitor.click(button)
    visitor.page.get_by_text(re.compile(rf"^\d+ of {steps} steps$")).wait_for()
    visitor.page.locator("body").press("s")
    told = visitor.page.get_by_text(re.compile(rf"Stopped after \d+ of {steps} steps"))
    told.wait_for()
    assert int(re.search(r"after (\d+)", told.inner_text())[1]) < steps


def test_what_takes_long_is_stopped_and_of_another_picture_taken_away(visit):
    visitor = visit("?tab=forward&digit=3&label=3")
    settled(visitor)
    stop_early(visitor, "forward-go", 500)
    visitor.page.get_by_role("tab", name="Inversion").click()
    stop_early(visitor, "forward-invert", 200)
    visitor.click("forward-invert")
    told = visitor.page.get_by_text(re.compile(r"RMSE 0\.\d+"))
    told.wait_for(timeout=60_000)
    assert float(re.search(r"RMSE (0\.\d+)", told.inner_text())[1]) < 0.05
    before = run_of(visitor)
    visitor.page.locator("#forward-sheet [data-sample='2']").click()
    another_film(visitor, before)
    visitor.page.wait_for_selector("#forward-inverted .contact[data-state=idle]", state="attached")
    assert told.count() == 0


def test_a_link_restores_a_drawing_and_the_address_follows_what_is_changed(visit):
    visitor = visit(f"?tab=forward&model=mnist-conditional&seed=7&label=4&picture={pack(DRAWING)}")
    settled(visitor)
    page = visitor.page
    expect(page.get_by_role("tab", name="Forward process")).to_have_attribute(
        "aria-selected", "true"
    )
    np.testing.assert_array_equal(the_picture(visitor), DRAWING[..., 0])
    scrub(visitor, "Home")
    wanted = forward_film(load("mnist-conditional"), DRAWING, 7).film.x[0, 0, ..., 0]
    assert np.abs(shown(visitor).astype(int) - wanted).max() <= 1, "the seed's noise"
    wait_for_address(visitor, seed="7", label="4", picture=pack(DRAWING))
    assert page.locator("#forward-label input:checked").get_attribute("value") == "4"
    page.locator("#forward-copies button").first.click()
    assert page.locator("#forward-link").locator("textarea, input").first.input_value() == page.url
    before = run_of(visitor)
    page.locator("#forward-sheet [data-sample='8']").click()
    another_film(visitor, before)
    wait_for_address(visitor, digit="8", seed="7", label="4")
    before = run_of(visitor)
    visitor.set_number("forward-seed", 13)
    page.locator("#forward-label input[value='2']").click()  # before the film is there
    another_film(visitor, before)
    wait_for_address(visitor, seed="13", label="2", digit="8")
    signal = page.locator("#forward-histogram [data-number=signal]")

    def tells_the_schedule_of(model):
        scrub(visitor, "End")
        scrub(visitor, "Shift+ArrowLeft", 50)
        # Time 500 is the table's row 499.
        expect(signal).to_have_text(f"{load(model).schedule.alphas_cumprod[499] ** 0.5:.3f}")

    tells_the_schedule_of("mnist-conditional")
    before = run_of(visitor)
    page.locator("#forward-model input").click()
    page.get_by_role("option", name="mnist-linear", exact=True).click()
    another_film(visitor, before)
    tells_the_schedule_of("mnist-linear")
    clear(visitor)
    wait_for_address(visitor, model="mnist-linear", picture=pack(np.zeros((28, 28, 1), np.uint8)))
    assert "digit" not in page.url
    settled(visitor)
    page.reload()
    settled(visitor)
    assert the_picture(visitor).max() == 0
    assert page.locator("#forward-model input").input_value() == "mnist-linear"
    assert page.locator("#forward-seed input").input_value() == "13"
