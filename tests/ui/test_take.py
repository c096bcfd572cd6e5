"""What the row of downloads is told, what it may ask for, and what it says of a file."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpm_core import InvalidInput, Request
from ui.runs.runs import Key, Studio
from ui.runs.ticket import Ticket
from ui.sharing import file_cache, files, share_panel
from ui.widgets.download import download
from ui.widgets.file_drop import file_drop

REQUEST = {"kind": "asked", "format": "webp", "stride": 5, "panes": "x,x0", "order": 7, "run": "a"}


@pytest.mark.parametrize(
    "change", [{"format": "exe"}, {"stride": 0}, {"panes": "__dict__"}, {"panes": ["x"]}], ids=str
)
def test_what_is_not_offered_is_refused(change):
    row = download.Download("t", panes=share_panel.BOTH)
    assert row.preprocess(REQUEST) == download.Choice("webp", 5, ("x", "x0"), 7, "a")
    assert row.preprocess(download.due(3)) is None  # what the server said itself
    with pytest.raises(InvalidInput):
        row.preprocess(REQUEST | change)


def test_a_dropped_note_is_text_of_bounded_length():
    dropped = {"kind": "dropped", "name": "n" * 500, "note": "{}", "asked": 2}
    assert file_drop.FileDrop().preprocess(dropped) == file_drop.Dropped("n" * 100, "{}", 2)
    assert file_drop.FileDrop().preprocess({"kind": "told"}) is None
    with pytest.raises(InvalidInput):
        file_drop.FileDrop().preprocess(dropped | {"note": "x" * (2**20 + 1)})


def test_a_file_that_is_wanted_anew_counts_as_new(tmp_path):
    """Files are cleared away by their age: that of the last visitor who wants them."""
    path = Path(file_cache.put(b"film", "film.gif", str(tmp_path)))
    os.utime(path, (0, 0))
    before = path.stat()
    time.sleep(0.02)
    assert file_cache.put(b"film", "film.gif", str(tmp_path)) == str(path)
    after = path.stat()
    assert after.st_ctime_ns > before.st_ctime_ns and after.st_ino == before.st_ino


def test_the_film_of_a_way_leads_from_one_picture_to_another_and_back(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "get_upload_folder", lambda: str(tmp_path))
    studio = Studio()
    request = Request(n=5, label=3, steps=2, toward=8)
    *_, end = studio.stream(Ticket(), Key("mnist-conditional", request))
    file = files.kept(studio, "sample", share_panel.Choice(panes=("x",), run=end.id))
    assert file.frames == 9
    with Image.open(file.path) as film:
        assert film.n_frames == 9 and film.width == film.height >= 224
        scale = film.width // 28
        assert json.loads(film.info["comment"])["toward"] == 8
        frames = []
        for frame in range(9):
            film.seek(frame)
            frames.append(np.asarray(film.convert("L"))[::scale, ::scale])
    for place, frame in enumerate([0, 1, 2, 3, 4, 3, 2, 1, 0]):
        # A grey GIF has 16 levels.
        difference = frames[place].astype(int) - end.film.images()[frame, ..., 0]
        assert np.abs(difference).max() <= 17
    with Image.open(file.png) as picture:
        assert picture.size[0] > 4 * picture.size[1]  # in a row
