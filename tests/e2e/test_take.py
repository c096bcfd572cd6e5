"""What is on the stage leaves as GIF, WebP or MP4, its frames and size told beforehand."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from PIL import Image

from ddpm_core import Request, film, load, read_note
from ddpm_core.recorder import grid
from tests.core.test_animation import frames_of
from tests.e2e.conftest import at_rest
from ui.take import in_words

MODEL = "mnist-conditional"
SHORT = "?n=4&label=8&steps=12&seed=2&dtype=float32"


@pytest.fixture
def led(led):
    """Led to a run, every row as it was at first."""

    def to(query):
        visitor = led(query)
        visitor.page.evaluate(AT_FIRST)
        return visitor

    return to


AT_FIRST = """() => {
  for (const row of document.querySelectorAll(".take")) {
    row.querySelector("input").checked = true;
    for (const one of row.querySelectorAll("select")) {
      one.value = one.querySelector("option[selected]").value;
    }
    row.querySelector("input").dispatchEvent(new Event("change", { bubbles: true }));
  }
}"""


def choose(visitor, tab="sample", form=None, stride=None, panes=None):
    """Make choices in the row of a tab, in the order in which they stand there."""
    row = visitor.page.locator(f"#{tab}-take")
    if form:
        row.get_by_role("radio", name=form, exact=True).check(force=True)
    if stride:
        row.get_by_label("Steps that are kept").select_option(str(stride))
    if panes:
        row.get_by_label("Panes").select_option(",".join(panes))


def take(visitor, folder, label, tab="sample", button="gif"):
    """Download once the button says what is expected; the file and what the button said."""
    ready = visitor.page.locator(f"#{tab}-take .take[data-state=ready] #{tab}-{button}")
    ready.filter(has_text=label).wait_for(timeout=60_000)
    said = ready.inner_text()
    with visitor.page.expect_download() as download:
        ready.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path, said


def test_every_step_leaves_and_the_button_told_its_true_size(led, tmp_path):
    visitor = led(SHORT)
    visitor.wait_for_kept("13 frames")
    expected = film(load(MODEL), Request(n=4, label=8, steps=12, seed=2, dtype="float32"))
    for form, most in {"GIF": 10, "WebP": 2, "MP4": 40}.items():
        if form != "GIF":
            choose(visitor, form=form)
        path, said = take(visitor, tmp_path, f"{form} · 13 frames")
        assert path.name == f"{MODEL}-seed2-ddim-12steps.{form.lower()}"
        assert said == in_words(form.lower(), 13, path.stat().st_size)
        frames = frames_of(path)
        assert len(frames) == 13
        about = json.loads(read_note(path))
        assert (about["model"], about["steps"], about["tab"]) == (MODEL, 12, "sample")
        scale = frames.shape[1] // 57
        for frame, images in zip(frames, expected.x, strict=True):
            shown = frame[scale // 2 :: scale, scale // 2 :: scale, 0][:57, :57]
            assert np.abs(shown.astype(int) - grid(images)[..., 0]).max() <= most, form


def test_stride_and_panes_are_chosen_and_stay_chosen(led, tmp_path):
    visitor = led(SHORT)
    visitor.wait_for_kept("13 frames")
    choose(visitor, form="WebP", stride=5, panes=("x", "x0"))
    path, said = take(visitor, tmp_path, "WebP · 4 frames")
    with Image.open(path) as picture:
        assert (picture.n_frames, said) == (4, in_words("webp", 4, path.stat().st_size))
        assert picture.width > 2 * picture.height
    before = len(visitor.requests)
    visitor.set_number("sample-steps", 7)
    visitor.click("sample-run")
    path, _ = take(visitor, tmp_path, "WebP · 3 frames")
    assert json.loads(read_note(path))["steps"] == 7
    assert not any("upload" in url for url in visitor.requests[before:])


def test_a_video_plays_in_the_browser_and_holds_its_last_frame(led, tmp_path):
    visitor = led(SHORT)
    visitor.wait_for_kept("13 frames")
    choose(visitor, form="MP4")
    path, _ = take(visitor, tmp_path, "MP4")
    width, duration = visitor.page.evaluate(
        """async (data) => {
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          const video = document.createElement("video");
          video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
          await new Promise((done, failed) => {
            video.onloadeddata = done;
            video.onerror = () => failed(video.error);
          });
          return [video.videoWidth, video.duration];
        }""",
        base64.b64encode(path.read_bytes()).decode(),
    )
    assert width == frames_of(path).shape[2]
    assert duration == pytest.approx(12 * 0.08 + 2, abs=0.01)


def test_a_thousand_steps_are_a_thousand_and_one_frames(led, tmp_path):
    visitor = led("?n=1&steps=2")
    visitor.wait("film")
    visitor.page.get_by_role("tab", name="Forward process").click()
    visitor.wait_for_kept("GIF · 1,001 frames", "forward")
    for form in ("GIF", "WebP", "MP4"):
        if form != "GIF":
            choose(visitor, "forward", form=form)
        path, said = take(visitor, tmp_path, f"{form} · 1,001 frames", "forward")
        assert said == in_words(form.lower(), 1001, path.stat().st_size)
        frames = frames_of(path)
        assert len(frames) == 1001, form
        assert frames.shape[2] > 2 * frames.shape[1]  # both panes


def test_the_picture_can_be_taken_while_another_format_is_made(led, tmp_path):
    visitor = led(SHORT)
    path, _ = take(visitor, tmp_path, "PNG", button="png")
    expected = path.read_bytes()
    with visitor.page.expect_download() as download:
        state, disabled = visitor.page.evaluate(
            """() => {
              const row = document.querySelector("#sample-take .take");
              const png = row.querySelector(".take-png");
              row.querySelector("input[value=mp4]").click();
              const found = [row.dataset.state, png.disabled];
              png.click();
              return found;
            }"""
        )
    assert (state, disabled) == ("asked", False)
    download.value.save_as(tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == expected


def test_a_picture_of_other_panes_is_not_offered_as_the_one_chosen(visit):
    visitor = visit("?tab=reverse&view=break&steps=4&n=1")
    row = "#race-break-take .take"
    visitor.page.wait_for_selector(f"{row}[data-state=ready]", timeout=60_000)
    disabled = visitor.page.evaluate(
        """(row) => {
          const panes = document.querySelector(`${row} .take-panes`);
          panes.value = "eps";
          panes.dispatchEvent(new Event("change", { bubbles: true }));
          return document.querySelector(`${row} .take-png`).disabled;
        }""",
        row,
    )
    assert disabled
    visitor.page.wait_for_selector(f"{row}[data-state=ready] .take-png:enabled", timeout=60_000)


def test_a_tile_that_was_opened_leaves_in_other_formats_too(led, tmp_path):
    visitor = led("?steps=15&n=4&seed=4")
    visitor.wait_for_kept("16 frames")
    visitor.page.locator("#sample-stage [data-tile='2']").first.click()
    visitor.wait_for_kept("16 frames", "reverse")
    choose(visitor, "reverse", form="MP4", panes=("x",))
    path, _ = take(visitor, tmp_path, "MP4 · 16 frames", "reverse")
    about = json.loads(read_note(path))
    assert (about["first"], about["n"], about["tab"]) == (2, 1, "reverse")


def test_strip_and_atlas_leave_as_films(led, tmp_path):
    visitor = led("?tab=guidance&label=3&guidance=cfg&guidance_scale=2&n=1&steps=6")
    visitor.wait_for_kept("7 frames", "guidance")
    visitor.page.get_by_role("tab", name="Film strip").click()
    path, _ = take(visitor, tmp_path, "GIF · 7 frames", "guidance-strip")
    frames = frames_of(path)
    assert frames.shape[:3] == (7, 24 + 2 * 28, 2 * (11 * 29 - 1))
    assert json.loads(read_note(path))["guidance_scale"] == 2.0
    visitor.page.get_by_role("tab", name="Atlas").click()
    visitor.click("guidance-draw")
    visitor.page.locator("#guidance-atlas-gif", has_text="GIF · 7 frames").wait_for(timeout=60_000)
    choose(visitor, "guidance-atlas", form="WebP", stride=2)
    path, said = take(visitor, tmp_path, "WebP · 4 frames", "guidance-atlas")
    assert said == in_words("webp", 4, path.stat().st_size)
    picture, _ = take(visitor, tmp_path, "PNG", "guidance-atlas", "png")
    last = np.asarray(Image.open(picture).convert("RGB"))
    np.testing.assert_array_equal(frames_of(path)[-1], last)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_row_is_calm(visit, scheme):
    visitor = visit(f"{SHORT}&__theme={scheme}", color_scheme=scheme)
    visitor.wait_for_kept("13 frames")
    row = visitor.page.locator("#sample-take .take")
    for width, height in ((1440, 40), (390, 84)):
        visitor.page.set_viewport_size({"width": width, "height": 844})
        choose(visitor, form="GIF")
        visitor.page.locator("#sample-gif", has_text="GIF · 13 frames").wait_for()
        visitor.page.locator("#sample-take").get_by_role("radio", name="GIF", exact=True).focus()
        before = at_rest(row)
        assert before["height"] <= height
        assert visitor.page.evaluate("() => document.documentElement.scrollWidth") <= width
        visitor.page.keyboard.press("ArrowRight")
        visitor.page.locator("#sample-gif", has_text="WebP · 13 frames").wait_for()
        assert row.bounding_box() == before
