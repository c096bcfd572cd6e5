"""A file that was made here, dropped onto the page, restores its run in place, unsent."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect

from ddpm_core import Request, Run, film, load, save_animation, save_film
from tests.support.visitor import choose_file, download

MODEL = "mnist-conditional"
ELSEWHERE = "?tab=reverse&label=1&steps=2&sampler=ddim"
RUN = "?n=4&label=5&steps=8&seed=3&sampler=ddim&eta=0.5"


def drop_note(visitor, state="told") -> str:
    visitor.page.locator(f".file-drop[data-state={state}]").wait_for()
    return visitor.page.locator(".file-drop-note").inner_text()


def be_ready(visitor):
    """Reset the note: whatever is told next is new."""
    visitor.page.evaluate("() => { document.querySelector('.file-drop').dataset.state = 'ready'; }")


def last_picture(visitor, tab="sample"):
    visitor.press("End", tab=tab)
    return visitor.picture(tab=tab)


@pytest.fixture(scope="module")
def files(follow, tmp_path_factory):
    """One run's pixels on the stage, and its files."""
    folder, visitor = tmp_path_factory.mktemp("files"), follow(RUN)
    paths = {}
    for form in ("WebP", "MP4"):
        choose_file(visitor, form=form, stride=1)
        paths[form.lower()] = download(visitor, folder, f"{form} · 9 frames")[0]
    return last_picture(visitor), paths


@pytest.mark.parametrize("kind", ["webp", "mp4"])
def test_a_file_restores_its_run_where_it_came_from(follow, files, kind):
    pixels, paths = files
    visitor = follow(ELSEWHERE)
    page, before = visitor.page, len(visitor.requests)
    page.evaluate("() => { window.stays = true; }")
    path = paths[kind]
    if kind == "webp":
        button = page.get_by_role("button", name="Open a file")
        with page.expect_file_chooser() as chooser:
            button.press("Enter")  # focused at that moment: what the page restores may take it
        chooser.value.set_files(path)
    else:
        assert visitor.drop(path), "the page offered itself"
    visitor.wait_for_link(eta="0.5", tab="sample", label="5", n="4", seed="3")
    visitor.wait_for_file("9 frames")
    visitor.wait("film")
    assert last_picture(visitor) == pixels
    assert visitor.chosen("sample-label") == "5"
    expect(visitor.field("sample-n")).to_have_value("4")
    assert page.evaluate("() => window.stays"), "in place, without a reload"
    assert not any("upload" in url for url in visitor.requests[before:])
    assert path.name in drop_note(visitor)


def test_files_of_python_go_to_the_tab_that_can_show_them_and_its_parts_follow(follow, tmp_path):
    model = load(MODEL)
    one = Request(n=1, label=4, steps=5, seed=8)
    rows = [Request(n=2, label=c, steps=5, guidance="cfg", guidance_scale=3.0) for c in (3, 8)]
    save_film(film(model, one), tmp_path / "one.webp", note=Run(model, one, images=[]).describe())
    note = Run(model, rows, images=[]).describe(branch_at=2)
    save_film(film(model, rows), tmp_path / "rows.mp4", note=note)
    visitor = follow("?tab=guidance&n=1&label=1&steps=4&sampler=ddim&guidance=cfg&guidance_scale=2")
    strip = "#guidance-strip .image-grid[data-pending=false]"
    grid = visitor.go_to("Film strip").page.locator(f"{strip}[data-run$=cfg]")
    grid.wait_for()
    before = grid.get_attribute("data-run")
    visitor.drop(tmp_path / "one.webp")
    visitor.wait_for_file("6 frames", "reverse")
    last_picture(visitor, "reverse")
    visitor.drop(tmp_path / "rows.mp4")
    visitor.wait_for_link(branch_at="2", tab="guidance")
    expect(visitor.field("guidance-s")).to_have_value("3")
    expect(visitor.page.locator(".block.rows")).to_contain_text("from step 2 on, class 8")
    visitor.page.wait_for_selector(f"{strip}[data-run$=cfg]:not([data-run='{before}'])")


def test_a_file_of_the_forward_process_brings_its_picture_along(visit, tmp_path):
    visitor = visit("?tab=forward&digit=8")
    visitor.wait_for_file("1,001 frames", "forward")
    picture, _ = download(visitor, tmp_path, "PNG", "forward", "png")
    pixels = last_picture(visitor, "forward")
    visitor.open("?n=1&steps=2").wait("film")
    visitor.drop(picture)
    visitor.wait_for_file("1,001 frames", "forward")
    assert last_picture(visitor, "forward") == pixels
    # On the sheet a picture is a picture, whatever made it.
    run = visitor.run("forward")
    be_ready(visitor)
    assert not visitor.drop(picture, "#forward-sheet .sketch-sheet")
    visitor.wait_for_another(run, "forward")
    assert visitor.page.locator(".file-drop").get_attribute("data-state") == "ready"


def test_what_cannot_be_restored_is_said_and_the_page_stays(follow, tmp_path):
    visitor = follow("?n=4&steps=2")
    before = visitor.page.url, last_picture(visitor)
    plain, large, notes = (tmp_path / name for name in ("plain.gif", "large.gif", "notes.txt"))
    save_animation([np.zeros((8, 8, 1), np.uint8)], plain)
    note = json.dumps({"model": MODEL, "n": 64, "steps": 1000})
    save_animation([np.zeros((8, 8, 1), np.uint8)], large, note=note)
    notes.write_bytes(b"GIF89a")
    for path, message in ((plain, "no settings"), (large, "64,000 denoisings"), (notes, "")):
        be_ready(visitor)
        visitor.drop(path)
        text = drop_note(visitor, "refused")
        assert path.name in text and message in text
    assert (visitor.page.url, last_picture(visitor)) == before
