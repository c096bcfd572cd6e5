"""A visitor draws or opens a picture, turns it to noise, and lets the model bring it back."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import load
from ddpm_core.data import to_unit
from ddpm_core.guides import classifier_for
from lab.process.forward import forward_film
from tests.e2e.conftest import Visitor, at_rest
from tests.e2e.test_sample import tiles
from ui.sketch import SAMPLES

TAB = "forward"
# Files alone: films are decoded as well.
COUNT_DECODED = """() => {
  const plain = createImageBitmap;
  window.decoded = 0;
  window.createImageBitmap = (source, ...rest) => {
    window.decoded += source instanceof File;
    return plain(source, ...rest);
  };
}"""


@pytest.fixture
def visitor(keep, chromium, url):
    """With whatever picture the test before left."""
    return keep(lambda: looking(Visitor(chromium, url).open("?n=1&steps=2")))[0]


@pytest.fixture(scope="module")
def reader(chromium, url):
    """Of a page whose picture and model no test changes."""
    visitor = looking(Visitor(chromium, url).open("?n=1&steps=2"))
    yield visitor
    visitor.leave()


def looking(visitor):
    visitor.wait("film")
    visitor.page.get_by_role("tab", name="Forward process").click()
    settled(visitor)
    return visitor


def settled(visitor, than: str | None = None):
    """Until the film of a picture other than that of a run stands on the stage."""
    visitor.page.wait_for_function(
        """than => {
          const { state, run } = document.querySelector("#forward-stage .player").dataset;
          return state === "film" && run && run !== than;
        }""",
        arg=than,
    )
    visitor.wait_for_kept("1,001 frames", TAB)


def run_of(visitor):
    return visitor.stage(TAB).get_attribute("data-run")


def scrub(visitor, key, times=1):
    timeline = visitor.stage(TAB).get_by_role("slider").first
    for _ in range(times):
        timeline.press(key)


def sample(digit: int) -> np.ndarray:
    return np.asarray(Image.open(SAMPLES))[:, 28 * digit : 28 * (digit + 1), None]


def test_a_digit_stands_on_the_stage_at_once_and_both_ways_are_the_cores(reader):
    film = forward_film(load("mnist-conditional"), sample(3)).film
    scrub(reader, "End")
    np.testing.assert_array_equal(tiles(reader.picture("x", TAB), 1)[0], sample(3)[..., 0])
    scrub(reader, "Shift+ArrowLeft", 25)
    t = int(reader.stage(TAB).get_attribute("data-t"))
    assert t == 250
    for pane in ("x", "x0"):
        shown = tiles(reader.picture(pane, TAB), 1)[0].astype(int)
        assert np.abs(shown - getattr(film, pane)[1000 - t, 0, ..., 0]).max() <= 1


def test_the_histogram_closes_in_on_a_normal(reader):
    def number(name):
        cell = reader.page.locator(f"#forward-histogram [data-number={name}]")
        return float(cell.inner_text().replace("−", "-"))

    scrub(reader, "End")
    assert number("signal") == 1 and number("noise") == 0 and number("mean") < -0.5
    scrub(reader, "Home")
    abar = load("mnist-conditional").schedule.abar(999)
    assert number("signal") == pytest.approx(abar**0.5, rel=0.02) and number("noise") == 1
    assert abs(number("mean")) < 0.15 and abs(number("std") - 1) < 0.1
    bars = reader.page.locator("#forward-histogram .histogram-bars").get_attribute("d")
    assert len(re.findall("M", bars)) == 60


def test_a_stroke_is_drawn_and_noised(visitor):
    before = run_of(visitor)
    visitor.page.locator("#forward-sheet [data-do=clear]").click()
    settled(visitor, before)
    before = run_of(visitor)
    box = at_rest(visitor.page.locator("#forward-sheet .sketch-sheet"))
    middle = box["x"] + box["width"] / 2
    visitor.page.mouse.move(middle, box["y"] + 40)
    visitor.page.mouse.down()
    visitor.page.mouse.move(middle, box["y"] + box["height"] - 40, steps=8)
    visitor.page.mouse.up()
    settled(visitor, before)
    scrub(visitor, "End")
    shown = tiles(visitor.picture("x", TAB), 1)[0]
    assert shown[8:20, 13:15].min() > 200, "the stroke"
    assert shown[:, :8].max() == 0 and shown[:, 20:].max() == 0, "the paper"


def test_a_stroke_shows_on_the_stage_before_the_pen_is_lifted(visitor):
    before = run_of(visitor)
    visitor.page.locator("#forward-sheet [data-do=clear]").click()
    settled(visitor, before)
    scrub(visitor, "Home")
    box = at_rest(visitor.page.locator("#forward-sheet .sketch-sheet"))
    middle = box["x"] + box["width"] / 2
    visitor.page.mouse.move(middle, box["y"] + 40)
    visitor.page.mouse.down()
    visitor.page.mouse.move(middle, box["y"] + box["height"] - 40, steps=8)
    visitor.wait("drawn", TAB)
    for pane in ("x", "x0"):
        shown = tiles(visitor.picture(pane, TAB), 1)[0]
        assert shown[8:20, 13:15].min() > 200 and shown[:, :8].max() == 0
    assert visitor.stage(TAB).get_attribute("data-t") == "0"
    visitor.page.mouse.up()
    visitor.wait("film", TAB)


def test_play_leads_from_the_picture_to_noise(reader):
    scrub(reader, "End")
    stage = reader.stage(TAB)
    stage.get_by_role("button", name="Speed 4").click()
    stage.get_by_role("button", name="Play", exact=True).click()
    reader.page.wait_for_function(
        "() => Number(document.querySelector('#forward-stage .player').dataset.t) > 300"
    )
    stage.get_by_role("button", name="Pause").click()
    stage.get_by_role("button", name="Speed 1", exact=True).click()


def test_it_is_drawn_by_the_keyboard_too(visit):
    visitor = looking(visit("?n=1&steps=2"))
    visitor.page.locator("#forward-sheet [data-do=clear]").click()
    sheet = visitor.page.locator("#forward-sheet .sketch-sheet")
    before = visitor.page.locator("#forward-sheet .sketch").get_attribute("data-sent")
    for _ in range(10):
        sheet.press("ArrowRight")
    assert visitor.page.locator("#forward-sheet .sketch").get_attribute("data-sent") != before
    white = visitor.page.evaluate(
        """() => {
          const sheet = document.querySelector("#forward-sheet .sketch-sheet");
          const { data } = sheet.getContext("2d").getImageData(140, 140, 40, 1);
          return Math.min(...data.filter((_, i) => i % 4 === 0));
        }"""
    )
    assert white == 255


def test_a_picture_is_opened_in_the_browser_whatever_its_size(visitor):
    before, requests = run_of(visitor), len(visitor.requests)
    noisy = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)
    noisy[:, 800:] = 255
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "PNG")
    assert len(file.getvalue()) > 2 * 2**20, "more than the page takes as an upload"
    visitor.page.locator("#forward-sheet input[type=file]").set_input_files(
        {"name": "large.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    settled(visitor, before)
    scrub(visitor, "End")
    shown = tiles(visitor.picture("x", TAB), 1)[0]
    assert shown[:, 16:].min() > 240 and 90 < shown[:, :12].mean() < 165
    assert not any("upload" in url for url in visitor.requests[requests:])


def test_what_is_no_picture_is_said_so(reader):
    reader.page.locator("#forward-sheet input[type=file]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )
    note = reader.page.locator("#forward-sheet .sketch-note")
    note.filter(has_text="notes.txt is not a picture that can be read.").wait_for()


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


def test_inversion_brings_the_picture_back_and_tells_the_error(reader):
    reader.page.get_by_role("tab", name="Inversion").click()
    reader.page.locator("#forward-label input[value='3']").click()
    reader.click("forward-invert")
    told = reader.page.get_by_text(re.compile(r"RMSE 0\.\d+"))
    told.wait_for(timeout=60_000)
    error = float(re.search(r"RMSE (0\.\d+)", told.inner_text())[1])
    assert error < 0.05


@pytest.mark.parametrize(
    ("tab", "go", "steps"), [("There and back", "go", 500), ("Inversion", "invert", 200)]
)
def test_what_takes_long_counts_its_steps_and_s_stops_it(reader, tab, go, steps):
    reader.page.get_by_role("tab", name=tab).click()
    reader.click(f"forward-{go}")
    reader.page.get_by_text(re.compile(rf"^\d+ of {steps} steps$")).wait_for()
    reader.page.locator("body").press("s")
    told = reader.page.get_by_text(re.compile(rf"Stopped after \d+ of {steps} steps"))
    told.wait_for()
    assert int(re.search(r"after (\d+)", told.inner_text())[1]) < steps


def test_every_step_leaves_as_a_gif(reader, tmp_path):
    with reader.page.expect_download() as download:
        reader.click("forward-gif")
    download.value.save_as(tmp_path / "forward.gif")
    with Image.open(tmp_path / "forward.gif") as gif:
        assert gif.n_frames == 1001
        first = np.asarray(gif.convert("L"))[::2, ::2][:28, :28]
    assert np.abs(first.astype(int) - sample(3)[..., 0]).max() <= 9  # sixteen greys


def test_another_model_has_another_schedule(visitor):
    scrub(visitor, "Shift+ArrowLeft", 50)
    cosine = visitor.page.locator("#forward-histogram [data-number=signal]").inner_text()
    before = run_of(visitor)
    visitor.page.locator("#forward-model input").click()
    visitor.page.get_by_role("option", name="mnist-linear", exact=True).click()
    settled(visitor, before)
    scrub(visitor, "End")
    scrub(visitor, "Shift+ArrowLeft", 50)
    linear = visitor.page.locator("#forward-histogram [data-number=signal]").inner_text()
    models = [load(name) for name in ("mnist-conditional", "mnist-linear")]
    # Time 500 is the table's row 499.
    expected = [f"{model.schedule.alphas_cumprod[499] ** 0.5:.3f}" for model in models]
    assert [cosine, linear] == expected


def test_on_a_phone_every_tab_is_in_reach(visit):
    visitor = visit("?n=1&steps=2", viewport={"width": 390, "height": 844})
    visitor.wait("film")
    for name in ("Guidance", "Reverse process", "Forward process", "Sample"):
        visitor.page.get_by_role("tab", name=name).click()


def test_a_picture_of_too_many_pixels_is_not_decoded(visit, tmp_path):
    huge, large = tmp_path / "huge.png", tmp_path / "large.png"
    Image.new("1", (16_000, 16_000)).save(huge)
    Image.new("1", (4000, 3000)).save(large)
    visitor = visit("?tab=forward")
    sheet = visitor.page.locator("#forward-sheet .sketch[data-samples=shown][data-sent]")
    sheet.wait_for()
    visitor.page.evaluate(COUNT_DECODED)
    told, opened = sheet.locator(".sketch-note"), sheet.locator("input[type=file]")
    opened.set_input_files(huge)
    told.filter(has_text="16000 × 16000").wait_for()
    assert visitor.page.evaluate("window.decoded") == 0
    sent = sheet.get_attribute("data-sent")
    opened.set_input_files(large)
    visitor.page.wait_for_function(
        "(before) => document.querySelector('#forward-sheet .sketch').dataset.sent !== before",
        arg=sent,
    )
    assert told.inner_text() == "" and visitor.page.evaluate("window.decoded") == 1
