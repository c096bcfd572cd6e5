"""A file that was made here, dropped onto the page, puts its run back; in place, unsent."""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ddpm_core import Request, Run, film, load, read_note, save_animation, save_film, save_png
from ddpm_core.animation import XMP
from tests.e2e.conftest import Visitor
from tests.e2e.test_take import choose, take

MODEL = "mnist-conditional"
ELSEWHERE = "?tab=reverse&label=1&steps=2&sampler=ddim"
RUN = "?n=9&label=5&steps=14&seed=3&sampler=ddim&eta=0.5"


def told(visitor, state="told") -> str:
    visitor.page.locator(f".drop[data-state={state}]").wait_for()
    return visitor.page.locator(".drop-note").inner_text()


def last(visitor, tab="sample"):
    visitor.stage(tab).get_by_role("slider").first.press("End")
    return visitor.picture(tab=tab)


@pytest.fixture(scope="module")
def files(chromium, url, tmp_path_factory):
    """One run's pixels on the stage, and what leaves of it in every format."""
    folder = tmp_path_factory.mktemp("files")
    visitor = Visitor(chromium, url).open(RUN)
    visitor.wait_for_kept("GIF · 15 frames")
    made = {"png": take(visitor, folder, "PNG", button="png")[0]}
    for form in ("GIF", "WebP", "MP4"):
        choose(visitor, form=form)
        made[form.lower()] = take(visitor, folder, f"{form} · 15 frames")[0]
    pixels = last(visitor)
    visitor.leave()
    return pixels, made


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "mp4"])
def test_a_dropped_file_restores_its_run_where_it_came_from(led, files, kind):
    pixels, made = files
    visitor = led(ELSEWHERE)
    visitor.wait_for_kept("3 frames", "reverse")
    visitor.page.evaluate("() => { window.stays = true; }")
    before = len(visitor.requests)
    assert visitor.drop(made[kind])
    visitor.wait_for_kept("15 frames")
    visitor.wait("film")
    assert last(visitor) == pixels
    page = visitor.page
    assert page.locator("#sample-label input[value='5']").is_checked()
    assert page.locator("#sample-sampler input[value='ddim']").is_checked()
    assert page.locator("#sample-steps input[type=number]").input_value() == "14"
    assert page.locator("#sample-n input[type=number]").input_value() == "9"
    assert page.locator("#sample-seed input").input_value() == "3"
    page.wait_for_url("**/*eta=0.5*tab=sample*")
    assert page.evaluate("() => window.stays"), "in place, without a reload"
    assert not any("upload" in url for url in visitor.requests[before:])
    assert made[kind].name in told(visitor)


@pytest.mark.parametrize(
    "more, words",
    [
        ({"sheet": "strip", "scales": [1, 2]}, "the run that it.png shows at several scales"),
        ({"stopped_after": 2}, "the whole run of it.png, which was stopped on its way"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_a_file_shows_beyond_the_run_is_told_apart(led, tmp_path, more, words):
    request = Request(n=1, label=4, steps=5, seed=8, guidance="cfg", guidance_scale=2.0)
    about = Run(load(MODEL), request, images=[]).describe(tab="guidance", **more)
    save_png(np.zeros((28, 28, 1), np.uint8), tmp_path / "it.png", note=about)
    visitor = led("?n=4&steps=2")
    visitor.wait_for_kept("3 frames")
    visitor.drop(tmp_path / "it.png")
    visitor.wait_for_kept("6 frames", "guidance")
    assert words in told(visitor)


def test_it_is_opened_by_the_keyboard_too(led, files):
    visitor = led(ELSEWHERE)
    visitor.wait_for_kept("3 frames", "reverse")
    button = visitor.page.get_by_role("button", name="Open a picture's settings")
    with visitor.page.expect_file_chooser() as chooser:
        button.press("Enter")  # focused at that moment: what the page still restores may take it
    chooser.value.set_files(files[1]["gif"])
    visitor.wait_for_kept("15 frames")
    assert last(visitor) == files[0]


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Files as Python and the command line leave them."""
    folder, model = tmp_path_factory.mktemp("others"), load(MODEL)
    one = Request(n=1, label=4, steps=5, seed=8)
    row = Request(n=2, label=3, steps=5, guidance="cfg", guidance_scale=3.0)
    beside = Request(n=2, label=8, steps=5, guidance="cfg", guidance_scale=3.0)
    found = {"one": folder / "one.webp", "rows": folder / "rows.mp4"}
    save_film(film(model, one), found["one"], note=Run(model, one, images=[]).describe())
    about = Run(model, [row, beside], images=[]).describe(branch_at=2)
    save_film(film(model, [row, beside]), found["rows"], note=about)
    return found


def test_a_file_of_one_image_goes_to_the_reverse_process(visit, others):
    visitor = visit("?n=4&steps=2")
    visitor.wait_for_kept("3 frames")
    visitor.drop(others["one"])
    visitor.wait_for_kept("6 frames", "reverse")
    shown = np.array(last(visitor, "reverse")[2], np.uint8).reshape(28, 28, 4)[..., 0]
    expected = film(load(MODEL), Request(n=1, label=4, steps=5, seed=8)).images()[0, ..., 0]
    assert np.abs(shown.astype(int) - expected).max() <= 2
    # The tab that was not open before does not begin with its own first look afterwards.
    assert "seed=8" in visitor.page.url and "steps=5" in visitor.page.url


def test_rows_and_a_branch_go_to_guidance(visit, others):
    visitor = visit("?n=4&steps=2")
    visitor.wait_for_kept("3 frames")
    visitor.drop(others["rows"])
    visitor.wait_for_kept("6 frames", "guidance")
    visitor.page.wait_for_url("**/*branch_at=2*tab=guidance*")
    assert visitor.page.locator("#guidance-s input[type=number]").input_value() == "3"
    rows = visitor.page.locator(".block.rows").inner_text()
    assert "from step 2 on, class 8" in rows


def test_the_film_strip_follows_a_file(led, others):
    run = "?tab=guidance&n=1&label=1&steps=4&sampler=ddim&guidance=cfg&guidance_scale=2"
    visitor = led(run)
    visitor.wait_for_kept("5 frames", "guidance")
    visitor.page.get_by_role("tab", name="Film strip").click()
    strip = "#guidance-strip .contact[data-pending=false]"
    shown = visitor.page.locator(f"{strip}[data-run$=cfg]")
    shown.wait_for()
    before = shown.get_attribute("data-run")
    visitor.drop(others["rows"])
    visitor.wait_for_kept("6 frames", "guidance")
    visitor.page.wait_for_selector(f"{strip}[data-run$=cfg]:not([data-run='{before}'])")


@pytest.mark.parametrize("form", ["WebP", "PNG"])
def test_a_file_of_the_forward_process_brings_its_picture_along(visit, tmp_path, form):
    visitor = visit("?n=1&steps=2")
    visitor.wait("film")
    visitor.page.get_by_role("tab", name="Forward process").click()
    visitor.wait_for_kept("1,001 frames", "forward")
    before = visitor.stage("forward").get_attribute("data-run")
    visitor.page.locator("#forward-sheet [data-sample='8']").click()
    other_run = f"#forward-stage .player[data-state=film]:not([data-run='{before}'])"
    visitor.page.wait_for_selector(other_run)
    visitor.wait_for_kept("1,001 frames", "forward")
    if form == "PNG":
        path, _ = take(visitor, tmp_path, "PNG", "forward", "png")
        with Image.open(path) as strip:  # eleven times by two equations, and their names
            assert strip.height > 2 * 4 * 28 and strip.width > 11 * 4 * 28
    else:
        choose(visitor, "forward", form=form, stride=50)
        path, _ = take(visitor, tmp_path, f"{form} · 21 frames", "forward")
    pixels = last(visitor, "forward")
    other = visit("?n=1&steps=2")
    other.wait("film")
    other.drop(path)
    other.wait_for_kept("1,001 frames", "forward")
    assert last(other, "forward") == pixels
    again = other.page.locator("#forward-sheet .sketch").get_attribute("data-sent")
    assert again == "1", "the digit of a first look did not come in between"


def test_on_the_sheet_a_picture_stays_a_picture(led, files):
    visitor = led("?n=1&steps=2")
    visitor.wait("film")
    visitor.page.get_by_role("tab", name="Forward process").click()
    visitor.wait_for_kept("1,001 frames", "forward")
    run = visitor.stage("forward").get_attribute("data-run")
    visitor.page.evaluate("() => { document.querySelector('.drop').dataset.state = 'ready'; }")
    assert not visitor.drop(files[1]["png"], "#forward-sheet .sketch-sheet")
    visitor.page.wait_for_function(
        "run => document.querySelector('#forward-stage .player').dataset.run !== run", arg=run
    )
    assert visitor.page.locator(".drop").get_attribute("data-state") == "ready"
    assert visitor.page.locator("#forward-stage").is_visible()


NOTHING = {"n": 4, "steps": 3}


@pytest.fixture(scope="module")
def staying(chromium, url):
    """A page that nothing dropped on it changes."""
    visitor = Visitor(chromium, url).open("?n=4&steps=2")
    visitor.wait_for_kept("3 frames")
    visitor.page.wait_for_url("**/*tab=sample*")
    yield visitor
    visitor.leave()


@pytest.mark.parametrize(
    ("name", "note", "words"),
    [
        ("plain.gif", "", "carries no settings"),
        ("cat.gif", "a cat", "names no run"),
        ("there.gif", {"model": "owner/elsewhere"} | NOTHING, "unknown model 'owner/elsewhere'"),
        ("path.gif", {"model": "../../etc"} | NOTHING, "unknown model"),
        ("large.gif", {"model": MODEL, "n": 64, "steps": 1000}, "64,000 denoisings"),
        ("broken.gif", {"model": MODEL, "steps": "<img src=x onerror=alert(1)>"}, "steps must be"),
    ],
)
def test_what_cannot_be_restored_is_said_and_the_page_stays(staying, tmp_path, name, note, words):
    page = staying.page
    page.evaluate("() => { document.querySelector('.drop').dataset.state = 'ready'; }")
    before = page.url, last(staying)
    note = note if isinstance(note, str) else json.dumps(note)
    save_animation([np.zeros((8, 8, 1), np.uint8)], tmp_path / name, note=note)
    staying.drop(tmp_path / name)
    said = told(staying, "refused")
    assert name in said and words in said
    assert (page.url, last(staying)) == before


def test_a_file_that_is_no_picture_is_said_so(led, tmp_path):
    visitor = led("?n=1&steps=2")
    visitor.wait("film")
    for content in (b"", b"GIF89a", b"RIFF\0\0\0\0WEBPXMP ", b"\0\0\0\x18ftypmp42", b"notes"):
        path = tmp_path / "notes.txt"
        path.write_bytes(content)
        visitor.page.evaluate("() => { document.querySelector('.drop').dataset.state = 'ready'; }")
        visitor.drop(path)
        assert "notes.txt" in told(visitor, "refused")


def text_chunk(kind: str, note: bytes) -> bytes:
    """A file of hardly more than a note, as others might write it."""
    if kind == "png":
        head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        return head + chunk(b"tEXt", b"Description\0" + note) + chunk(b"IEND", b"")
    if kind == "gif":
        pieces = (note[i : i + 255] for i in range(0, len(note), 255))
        comment = b"!\xfe" + b"".join(bytes([len(p)]) + p for p in pieces) + b"\0"
        return b"GIF89a" + struct.pack("<HH3B", 1, 1, 0, 0, 0) + comment + b";"
    if kind == "webp":
        packet = XMP.format(note.decode()).encode()
        return b"RIFF\0\0\0\0WEBP" + b"XMP " + struct.pack("<I", len(packet)) + packet
    box = b"\0" * 8 + note
    for name in (b"data", b"\xa9cmt", b"ilst", b"meta", b"udta", b"moov"):
        version = b"\0" * 4 if name == b"meta" else b""
        box = struct.pack(">I", len(version + box) + 8) + name + version + box
    return struct.pack(">I", 16) + b"ftypmp42\0\0\0\0" + box


def test_a_note_is_read_up_to_the_length_that_is_written(led, tmp_path):
    visitor = led("?n=1&steps=2")
    visitor.wait("film")
    for steps, kind in enumerate(["gif", "png", "webp", "mp4"], start=4):
        about = json.dumps({"model": MODEL, "n": 4, "label": 2, "steps": steps, "more": ""})
        longer, long = tmp_path / f"longer.{kind}", tmp_path / f"long.{kind}"
        longer.write_bytes(text_chunk(kind, b"9" * (2**20 + 2**13)))
        visitor.drop(longer)
        said = told(visitor, "refused")
        assert longer.name in said and "longer than 1,048,576 characters" in said
        long.write_bytes(text_chunk(kind, about.encode().ljust(2**20)))
        visitor.drop(long)
        assert f"the run of {long.name}" in told(visitor)
        visitor.wait_for_kept(f"{steps + 1} frames")


def chunk(name, content):
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def padded(kind: str, data: bytes, more: bytes) -> bytes:
    """The same file with fifty megabytes in front of its note."""
    if kind == "png":
        return data[:33] + chunk(b"juNk", more) + data[33:]
    if kind == "webp":
        at = data.index(b"XMP ")
        return data[:at] + b"JUNK" + struct.pack("<I", len(more)) + more + data[at:]
    at = data.index(b"moov") - 4
    return data[:at] + struct.pack(">I", len(more) + 8) + b"free" + more + data[at:]


@pytest.mark.parametrize("kind", ["png", "webp", "mp4"])
def test_of_a_large_file_only_what_is_needed_is_read(led, files, tmp_path, kind):
    visitor = led(ELSEWHERE)
    visitor.wait_for_kept("3 frames", "reverse")
    path = tmp_path / f"large.{kind}"
    path.write_bytes(padded(kind, files[1][kind].read_bytes(), bytes(50 * 2**20)))
    visitor.page.evaluate(
        """() => {
          window.bytesRead = 0;
          const whole = (window.readWhole ??= Blob.prototype.arrayBuffer);
          Blob.prototype.arrayBuffer = function () {
            window.bytesRead += this.size;
            return whole.call(this);
          };
        }"""
    )
    visitor.page.locator(".drop input").set_input_files(path)
    visitor.wait_for_kept("15 frames")
    assert 0 < visitor.page.evaluate("() => window.bytesRead") < 2**17
    assert last(visitor) == files[0]


def test_a_png_with_a_plain_text_chunk_is_read_too(led, tmp_path):
    save_png(np.zeros((8, 8, 1), np.uint8), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    note = json.dumps({"model": MODEL, "n": 4, "label": 2, "steps": 4})
    text = chunk(b"tEXt", b"Description\0" + note.encode())
    (tmp_path / "a.png").write_bytes(data[:33] + text + data[33:])
    assert read_note(tmp_path / "a.png") == note
    visitor = led(ELSEWHERE)
    visitor.wait_for_kept("3 frames", "reverse")
    visitor.drop(tmp_path / "a.png")
    visitor.wait_for_kept("5 frames")
