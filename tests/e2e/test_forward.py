"""A visitor draws or opens a picture, turns it to noise, and lets the model bring it back."""

import re
import time

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from ddpm_core import load
from ddpm_core.data import to_unit
from ddpm_core.guides import classifier_for
from lab.process.forward import forward_film, inverting
from lab.process.packed import pack
from tests.support.visitor import Visitor, at_rest, download, pixels, tiles
from ui.tabs.forward import picture_tools
from ui.widgets.sketch.sketch import digit as sample

TAB = "forward"
DRAWING = np.random.default_rng(5).integers(0, 256, (28, 28, 1), np.uint8)


@pytest.fixture(scope="module")
def reader(chromium, url):
    """A visitor with whom one test after another puts a picture of its own on the sheet."""
    visitor = Visitor(chromium, url, reduced_motion="reduce").open("?tab=forward&digit=3")
    wait_for_film(visitor)
    yield visitor
    visitor.leave()


def wait_for_film(visitor, than=None):
    """Wait for the files of another film, and with them all that it brings."""
    visitor.wait_for_another(than, TAB)
    visitor.wait_for_file("1,001 frames", TAB)


def stage_pixels(visitor, pane="x"):
    return tiles(visitor.picture(pane, TAB), 1)[0]


def clean_picture(visitor):
    visitor.press("End", tab=TAB)
    return stage_pixels(visitor)


def sheet(visitor):
    return visitor.part("forward-sheet")


def choose_digit(visitor, digit):
    """Put a digit of the test set on the sheet."""
    before = visitor.run(TAB)
    sheet(visitor).locator(f"[data-sample='{digit}']").click()
    visitor.wait_for_another(before, TAB)


def test_both_ways_are_the_cores_and_the_histogram_closes_in_on_a_normal(reader):
    def number(name):
        return reader.number(name, "forward-histogram")

    model = load("mnist-conditional")
    film = forward_film(model, sample(3)).film
    np.testing.assert_array_equal(clean_picture(reader), sample(3)[..., 0])
    assert number("signal") == 1 and number("noise") == 0 and number("mean") < -0.5
    reader.press("Shift+ArrowLeft", tab=TAB, times=25)
    assert reader.t(TAB) == 250
    for pane in ("x", "x0"):
        difference = stage_pixels(reader, pane).astype(int) - getattr(film, pane)[750, 0, ..., 0]
        assert np.abs(difference).max() <= 1
    reader.press("Home", tab=TAB)
    stage_pixels(reader)  # by then the numbers are, too
    assert number("signal") == pytest.approx(model.schedule.abar(999) ** 0.5, rel=0.02)
    assert number("noise") == 1
    assert abs(number("mean")) < 0.15 and abs(number("std") - 1) < 0.1


def test_there_and_back_a_little_noise_leaves_the_digit_and_much_none(reader):
    def tile(number):
        return tiles(pixels(reader.part("forward-back").locator(f"[data-tile='{number}']")), 1)[0]

    reader.part("forward-label").locator("input[value='8']").click()
    reader.click("forward-go")
    reader.page.get_by_text("told the class 8").wait_for(timeout=60_000)
    digit, judge = sample(3)[..., 0].astype(int), classifier_for(load("mnist-conditional"), "judge")
    for _ in range(400):  # the tiles are painted after the words
        noised, little, much = tile(3), tile(10), tile(19)
        label = judge.log_probs(to_unit(torch.tensor(much)[None, None])).argmax(1)
        if int(label) == 8:
            break
        reader.page.wait_for_timeout(50)
    assert int(label) == 8 and noised.std() > 60
    assert np.abs(little - digit).mean() < 12 < np.abs(much - digit).mean()


def test_a_model_says_what_it_takes_a_digit_for(reader):
    page = reader.go_to("What is it?").page
    choose_digit(reader, 5)
    page.get_by_text("The model takes this for: ").wait_for(state="hidden")  # of the recording
    reader.click("forward-ask")
    page.get_by_text("The model takes this for: ").wait_for(timeout=60_000)
    text = page.get_by_text("The model takes this for: ").inner_text()
    bars = reader.part("forward-think").get_by_role("listitem")
    expect(bars).to_have_count(10)
    best = reader.part("forward-think").locator("[data-leads=true]")
    name, note = best.get_attribute("aria-label").split(": ", 1)
    assert f"takes this for: {name}." in text and note.startswith("+") and "the judge" in note


def test_an_inversion_is_stopped_is_exact_and_of_another_picture_taken_away(reader, monkeypatch):
    def slowly(*args):
        for step in inverting(*args):
            time.sleep(0.05)
            yield step

    page = reader.go_to("Inversion").page
    with monkeypatch.context() as patch:
        patch.setattr(picture_tools, "inverting", slowly)
        reader.click("forward-invert")
        page.get_by_text(re.compile(r"^\d+ of 200 steps$")).wait_for()
        page.locator("body").press("s")
        page.get_by_text(re.compile(r"Stopped after \d+ of 200 steps")).wait_for()
    reader.click("forward-invert")
    result = page.get_by_text(re.compile(r"RMSE 0\.\d+"))
    result.wait_for(timeout=60_000)
    assert float(re.search(r"RMSE (0\.\d+)", result.inner_text())[1]) < 0.05
    choose_digit(reader, 2)
    expect(result).to_have_count(0)


def test_one_picture_is_turned_into_another_and_leaves_as_a_film(reader, tmp_path):
    choose_digit(reader, 4)
    reader.part("forward-label").locator("input[value='none']").click()
    reader.go_to("Into another").click("forward-turn-from")
    reader.page.get_by_text("It turns into what is on the sheet").wait_for()
    choose_digit(reader, 9)
    reader.click("forward-turn")
    path, _ = download(reader, tmp_path, "33 frames", "forward-into")
    frames = iio.imread(path, index=None)
    scale = frames.shape[1] // 28
    frames = frames[:, ::scale, ::scale]
    for frame, digit in ((0, 4), (16, 9), (32, 4)):
        difference = frames[frame, ..., :1].astype(int) - sample(digit)
        assert np.abs(difference).mean() < 12
    # Another beginning leaves the picture on the sheet its link.
    link = reader.page.evaluate("() => window.page.link('forward')")
    reader.click("forward-turn-from")
    expect(reader.part("forward-into-gif")).to_be_disabled()
    expect(reader.part("forward-copy")).to_be_enabled()
    assert link and reader.page.evaluate("() => window.page.link('forward')") == link


def test_a_hole_is_painted_filled_and_brought_back_by_its_link(reader):
    place, page = "forward-fill", reader.page
    reader.part("forward-label").locator("input[value='2']").click()
    before = reader.run(TAB)
    sheet(reader).locator("[data-sample='7']").click()
    wait_for_film(reader, before)
    count = len(reader.requests)
    paper = sheet(reader).get_by_role("application")
    sheet(reader).get_by_role("button", name="Paint a hole").click()
    box = at_rest(paper)
    for share in (0.6, 0.75, 0.9):
        page.mouse.move(box["x"] + 5, box["y"] + share * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 5, box["y"] + share * box["height"], steps=4)
        page.mouse.up()
    assert not any("queue/join" in url for url in reader.requests[count:]), "a hole runs nothing"
    reader.go_to("Fill in")
    once = reader.part("forward-resample").locator("input[value='1']")
    at_rest(once)
    once.click(force=True)
    expect(once).to_be_checked()
    reader.click("forward-fill-go")
    reader.wait("film", place)
    reader.press("End", tab=place)
    filled = tiles(reader.picture("x", place), 8)
    assert len(filled) == 8 and len({x.tobytes() for x in filled}) == 8
    for x in filled:
        assert (x[:13] == sample(7)[:13, :, 0]).all() and (x[17:] != sample(7)[17:, :, 0]).any()
    # Keys reach the player that is in view, not the one above it.
    player = reader.stage(place)
    player.evaluate("el => { document.activeElement.blur(); el.scrollIntoView(); }")
    page.keyboard.press("ArrowLeft")
    expect(player).to_have_attribute("data-index", "49")
    page.reload()
    wait_for_film(reader)
    np.testing.assert_array_equal(clean_picture(reader), sample(7)[..., 0])
    # The link has opened the tool, and remembers its choice and the hole.
    expect(reader.tab("Fill in")).to_have_attribute("aria-selected", "true")
    assert reader.chosen("forward-resample") == "1"
    reader.click("forward-fill-go")
    reader.wait("film", place)
    reader.press("End", tab=place)
    np.testing.assert_array_equal(tiles(reader.picture("x", place), 8), filled)
    # Another picture takes away what was filled.
    before = reader.run(TAB)
    page.get_by_role("button", name="Sample one").click()
    reader.wait("idle", place)
    wait_for_film(reader, before)


def test_it_is_drawn_by_mouse_and_by_keyboard(reader):
    page, mouse = reader.page, reader.page.mouse
    before = reader.run(TAB)
    sheet(reader).get_by_role("button", name="Clear").click()
    wait_for_film(reader, before)
    before = reader.run(TAB)
    reader.press("Home", tab=TAB)
    paper = sheet(reader).get_by_role("application")
    box = at_rest(paper)
    middle = box["x"] + box["width"] / 2
    mouse.move(middle, box["y"] + 40)
    mouse.down()
    mouse.move(middle, box["y"] + box["height"] - 40, steps=8)
    reader.wait("drawn", TAB)  # before the pen is lifted
    for pane in ("x", "x0"):
        stroke = stage_pixels(reader, pane)
        assert stroke[8:20, 13:15].min() > 200 and stroke[:, :8].max() == 0
    assert reader.t(TAB) == 0
    mouse.up()
    reader.wait_for_another(before, TAB)
    stroke = clean_picture(reader)
    assert stroke[8:20, 13:15].min() > 200, "the stroke"
    assert stroke[:, :8].max() == 0 and stroke[:, 20:].max() == 0, "the paper"
    # By the keyboard: its pen is seen, and moving it without drawing sends nothing.
    before, pen = reader.run(TAB), sheet(reader).locator(".sketch-pen")
    expect(pen).to_be_hidden()
    sheet(reader).get_by_role("button", name="Clear").focus()
    page.keyboard.press("Shift+Tab")  # by the keyboard, so that the focus is shown
    expect(paper).to_be_focused()
    expect(pen).to_be_visible()
    start, count = pen.bounding_box()["x"], len(reader.requests)
    for _ in range(10):
        page.keyboard.press("Shift+ArrowRight")
    assert pen.bounding_box()["x"] > start and len(reader.requests) == count
    page.keyboard.press("ArrowDown")
    reader.wait_for_another(before, TAB)
    assert (clean_picture(reader) > stroke).any()


def test_a_picture_is_opened_made_small_and_where_it_is_dark_on_light_a_negative(reader, tmp_path):
    huge, large = tmp_path / "huge.png", tmp_path / "large.png"
    Image.new("1", (16_000, 16_000)).save(huge)
    noisy = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)
    noisy[:, 800:] = 255
    Image.fromarray(noisy).save(large)
    assert large.stat().st_size > 2 * 2**20, "more than the page takes as an upload"
    status, file_input = sheet(reader).get_by_role("status"), sheet(reader).locator("[type=file]")
    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    file_input.set_input_files(notes)
    status.filter(has_text="notes.txt is not a picture that can be read").wait_for()
    file_input.set_input_files(huge)
    status.filter(has_text="16000 × 16000").wait_for()
    count, before = len(reader.requests), reader.run(TAB)
    file_input.set_input_files(large)
    wait_for_film(reader, before)
    picture = clean_picture(reader)
    assert picture[:, 16:].min() > 240 and 90 < picture[:, :12].mean() < 165
    assert status.inner_text() == ""
    assert not any("upload" in url for url in reader.requests[count:])
    before = reader.run(TAB)
    sheet(reader).get_by_role("button", name="Make it a negative").click()
    wait_for_film(reader, before)
    np.testing.assert_allclose(clean_picture(reader), 255 - picture, atol=4)  # shrunk anew


def test_a_link_restores_a_drawing_and_the_address_follows_what_is_changed(visit):
    link = f"?tab=forward&model=mnist-conditional&seed=7&label=4&picture={pack(DRAWING)}"
    visitor = visit(link, reduced_motion="reduce")
    wait_for_film(visitor)
    expect(visitor.tab("forward")).to_have_attribute("aria-selected", "true")
    np.testing.assert_array_equal(clean_picture(visitor), DRAWING[..., 0])
    visitor.press("Home", tab=TAB)
    expected = forward_film(load("mnist-conditional"), DRAWING, 7).film.x[0, 0, ..., 0]
    assert np.abs(stage_pixels(visitor).astype(int) - expected).max() <= 1, "the seed's noise"
    visitor.wait_for_link(seed="7", label="4", picture=pack(DRAWING))
    assert visitor.chosen("forward-label") == "4"
    before = visitor.run(TAB)
    sheet(visitor).locator("[data-sample='8']").click()
    before = visitor.wait_for_another(before, TAB)
    visitor.wait_for_link(digit="8", seed="7", label="4")
    visitor.set_number("forward-seed", 13)
    visitor.part("forward-label").locator("input[value='2']").click()  # before the film is there
    before = visitor.wait_for_another(before, TAB)
    visitor.wait_for_link(seed="13", label="2", digit="8")
    visitor.pick("forward-model", "mnist-linear")
    wait_for_film(visitor, before)
    visitor.wait_for_link(model="mnist-linear", digit="8")
