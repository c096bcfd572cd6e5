"""What the row of downloads is told, what it may ask for, and what it says of a file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ddpm_core import InvalidInput
from ui import cache, drop, keep, stage, take

ASKED = {"kind": "asked", "format": "webp", "stride": 5, "panes": "x,x0", "order": 7, "run": "a"}


def row(**options):
    return take.Take("t", **({"panes": keep.BOTH} | options))


def test_what_the_browser_asks_for_is_a_choice():
    assert row().preprocess(ASKED) == take.Choice("webp", 5, ("x", "x0"), 7, "a")


@pytest.mark.parametrize("value", [None, "x", take.idle(), take.due(3), take.pending(3)])
def test_what_the_server_said_is_no_choice(value):
    assert row().preprocess(value) is None


def test_without_a_choice_of_panes_there_are_those_it_has():
    assert row(panes=()).preprocess(ASKED | {"panes": ""}).panes == ()
    assert row(panes=[("x",)]).preprocess(ASKED | {"panes": ""}).panes == ("x",)
    assert row(chosen=("x", "x0")).preprocess(ASKED | {"panes": ""}).panes == ("x", "x0")


@pytest.mark.parametrize(
    "wrong",
    [{"format": "exe"}, {"stride": 0}, {"stride": float("nan")}, {"panes": "__dict__"}]
    + [{"panes": ["x"]}, {"order": None}],
    ids=str,
)
def test_what_is_not_offered_is_refused(wrong):
    with pytest.raises(InvalidInput):
        row().preprocess(ASKED | wrong)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("gif", 1001, 2_202_010), "GIF · 1,001 frames · 2.1 MB"),
        (("webp", 2, 3000), "WebP · 2 frames · 2 kB"),
        (("mp4", 1, 10), "MP4 · 1 frame · 1 kB"),
    ],
)
def test_a_button_says_what_it_gives(asked, words):
    assert take.in_words(*asked) == words


@pytest.mark.parametrize("frames", [1, 301, 1001])
@pytest.mark.parametrize("side", [28, 231, 1000])
def test_small_pictures_are_enlarged_as_far_as_a_long_film_can_bear(side, frames):
    scale = stage.enlargement((side, side, 1), frames)
    fits = [s * side <= stage.FILE_SIDE and frames * (s * side) ** 2 <= stage.FILE_PIXELS
            for s in (scale, scale + 1)]  # fmt: skip
    assert (fits[0] or scale == 1) and not fits[1]


def test_a_dropped_note_is_text_of_bounded_length():
    dropped = {"kind": "dropped", "name": "n" * 500, "note": "{}", "asked": 2}
    assert drop.Drop().preprocess(dropped) == drop.Dropped("n" * 100, "{}", 2)
    assert drop.Drop().preprocess({"kind": "told"}) is None
    for wrong in ({"note": 3}, {"note": "x" * (2**20 + 1)}, {"asked": "1"}):
        with pytest.raises(InvalidInput):
            drop.Drop().preprocess(dropped | wrong)


def test_a_file_that_is_wanted_anew_counts_as_new(tmp_path):
    """Files are cleared away by their age: that of the last visitor who wants them."""
    path = Path(cache.put(b"film", "film.gif", str(tmp_path)))
    os.utime(path, (0, 0))
    before = path.stat()
    time.sleep(0.02)
    assert cache.put(b"film", "film.gif", str(tmp_path)) == str(path)
    after = path.stat()
    assert after.st_ctime_ns > before.st_ctime_ns and after.st_ino == before.st_ino
