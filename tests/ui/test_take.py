"""What the row of downloads is told, what it may ask for, and what it says of a file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ddpm_core import InvalidInput
from ui.sharing import file_cache, share_panel
from ui.widgets.download import download
from ui.widgets.file_drop import file_drop

ASKED = {"kind": "asked", "format": "webp", "stride": 5, "panes": "x,x0", "order": 7, "run": "a"}


def row(**options):
    return download.Download("t", **({"panes": share_panel.BOTH} | options))


def test_what_the_browser_asks_for_is_a_choice():
    assert row().preprocess(ASKED) == download.Choice("webp", 5, ("x", "x0"), 7, "a")


@pytest.mark.parametrize(
    "value", [None, "x", download.idle(), download.due(3), download.pending(3)]
)
def test_what_the_server_said_is_no_choice(value):
    assert row().preprocess(value) is None


@pytest.mark.parametrize(
    "wrong",
    [{"format": "exe"}, {"stride": 0}, {"stride": float("nan")}, {"panes": "__dict__"}]
    + [{"panes": ["x"]}, {"order": None}],
    ids=str,
)
def test_what_is_not_offered_is_refused(wrong):
    with pytest.raises(InvalidInput):
        row().preprocess(ASKED | wrong)


def test_a_dropped_note_is_text_of_bounded_length():
    dropped = {"kind": "dropped", "name": "n" * 500, "note": "{}", "asked": 2}
    assert file_drop.FileDrop().preprocess(dropped) == file_drop.Dropped("n" * 100, "{}", 2)
    assert file_drop.FileDrop().preprocess({"kind": "told"}) is None
    for wrong in ({"note": 3}, {"note": "x" * (2**20 + 1)}, {"asked": "1"}):
        with pytest.raises(InvalidInput):
            file_drop.FileDrop().preprocess(dropped | wrong)


def test_a_file_that_is_wanted_anew_counts_as_new(tmp_path):
    """Files are cleared away by their age: that of the last visitor who wants them."""
    path = Path(file_cache.put(b"film", "film.gif", str(tmp_path)))
    os.utime(path, (0, 0))
    before = path.stat()
    time.sleep(0.02)
    assert file_cache.put(b"film", "film.gif", str(tmp_path)) == str(path)
    after = path.stat()
    assert after.st_ctime_ns > before.st_ctime_ns and after.st_ino == before.st_ino
