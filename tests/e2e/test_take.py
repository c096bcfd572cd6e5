"""The stage is downloaded as GIF, WebP or MP4; its frames and size are told beforehand."""

import base64
import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from ddpm_core import Request, film, load, read_note
from ddpm_core.recorder import grid
from tests.support.films import frames_of
from tests.support.visitor import choose_file, download
from ui.widgets.download.download import in_words

MODEL = "mnist-conditional"
SHORT = "?n=4&label=8&steps=12&seed=2&dtype=float32"
PLAY = """async (data) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const video = document.createElement("video");
  video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  await new Promise((done, failed) => {
    video.onloadeddata = done;
    video.onerror = () => failed(video.error);
  });
  return [video.videoWidth, video.duration];
}"""


def test_every_step_leaves_and_the_button_told_its_true_size(follow, tmp_path):
    visitor = follow(SHORT)
    expected = film(load(MODEL), Request(n=4, label=8, steps=12, seed=2, dtype="float32"))
    for form, most in {"GIF": 10, "WebP": 2, "MP4": 40}.items():
        choose_file(visitor, form=form, stride=1)
        path, label = download(visitor, tmp_path, f"{form} · 13 frames")
        assert path.name == f"{MODEL}-8-seed2-ddim-12steps.{form.lower()}"
        assert label == in_words(form.lower(), 13, path.stat().st_size)
        frames = frames_of(path)
        assert len(frames) == 13
        note = json.loads(read_note(path))
        assert (note["model"], note["steps"], note["tab"]) == (MODEL, 12, "sample")
        scale = frames.shape[1] // 57
        for frame, images in zip(frames, expected.x, strict=True):
            pixels = frame[scale // 2 :: scale, scale // 2 :: scale, 0][:57, :57]
            assert np.abs(pixels.astype(int) - grid(images)[..., 0]).max() <= most, form
    # The video plays in the browser and holds its last frame.
    video = base64.b64encode(path.read_bytes()).decode()
    width, duration = visitor.page.evaluate(PLAY, video)
    assert width == frames.shape[2]
    assert duration == pytest.approx(12 * 0.08 + 2, abs=0.01)


def test_stride_and_panes_are_chosen_and_stay_chosen(follow, tmp_path):
    visitor = follow(SHORT)
    choose_file(visitor, form="WebP", stride=5, panes=("x", "x0"))
    path, label = download(visitor, tmp_path, "WebP · 4 frames")
    with Image.open(path) as picture:
        assert (picture.n_frames, label) == (4, in_words("webp", 4, path.stat().st_size))
        assert picture.width > 2 * picture.height
    before = len(visitor.requests)
    visitor.set_number("sample-steps", 7)
    path, _ = download(visitor, tmp_path, "WebP · 3 frames")
    assert json.loads(read_note(path))["steps"] == 7
    assert not any("upload" in url for url in visitor.requests[before:])
    choose_file(visitor, form="GIF", stride=1, panes=("x",))
    # A tile that is opened is downloaded alone.
    visitor.open_tile(2)
    visitor.wait_for_file("8 frames", "reverse")
    choose_file(visitor, "reverse", form="MP4", panes=("x",))
    path, _ = download(visitor, tmp_path, "MP4 · 8 frames", "reverse")
    note = json.loads(read_note(path))
    assert (note["first"], note["n"], note["tab"]) == (2, 1, "reverse")


def test_link_and_picture_are_of_the_step_under_the_cursor(visit, tmp_path):
    visitor = visit("?n=1&steps=2")
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.wait_for_file("frames")
    visitor.press("End")
    button = visitor.page.locator("#sample-copy")
    button.click()
    expect(button).to_have_text("Copied")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == visitor.page.url
    expect(button).to_have_text("Copy link")
    visitor.press("ArrowLeft")
    visitor.stands_at(1)
    button.click()
    expect(button).to_have_text("Copied, at this step")
    assert download(visitor, tmp_path, "PNG", button="png")[0].name.endswith("-frame1.png")
    for key, step in (("ArrowLeft", 0), ("ArrowRight", 1)):  # on to the next, from the button
        visitor.page.keyboard.press(key)
        visitor.stands_at(step)
    link = visitor.page.evaluate("navigator.clipboard.readText()")
    visitor.open(link.removeprefix(visitor.url)).wait_for_file("frames")
    visitor.has_frames(3)
    visitor.stands_at(1)


def test_strip_and_atlas_leave_as_films(follow, tmp_path):
    visitor = follow("?tab=guidance&label=3&guidance=cfg&guidance_scale=2&n=1&steps=6")
    visitor.go_to("Film strip")
    path, _ = download(visitor, tmp_path, "GIF · 7 frames", "guidance-strip")
    frames = frames_of(path)
    assert frames.shape[:3] == (7, 24 + 2 * 28, 2 * (11 * 29 - 1))
    assert json.loads(read_note(path))["guidance_scale"] == 2.0
    visitor.go_to("Atlas").click("guidance-draw")
    button = visitor.page.locator("#guidance-atlas-gif")
    expect(button).to_contain_text("GIF · 7 frames", timeout=60_000)
    choose_file(visitor, "guidance-atlas", form="WebP", stride=2)
    path, label = download(visitor, tmp_path, "WebP · 4 frames", "guidance-atlas")
    assert label == in_words("webp", 4, path.stat().st_size)
    picture, _ = download(visitor, tmp_path, "PNG", "guidance-atlas", "png")
    last = np.asarray(Image.open(picture).convert("RGB"))
    np.testing.assert_array_equal(frames_of(path)[-1], last)
