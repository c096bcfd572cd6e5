"""What the row of downloads is told, what it may ask for, and what it says of a file."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpm_core import InvalidInput, Request, read_note
from ddpm_core.recorder import Frames
from tests.support.films import frames_of
from ui.runs.runs import Key, Studio
from ui.runs.ticket import Ticket
from ui.sharing import files
from ui.widgets.component import cached
from ui.widgets.download import download


def test_a_file_that_is_wanted_anew_counts_as_new(tmp_path):
    """Files are cleared away by their age: that of the last visitor who wants them."""
    path = Path(cached(b"film", "film.gif", str(tmp_path)))
    os.utime(path, (0, 0))
    before = path.stat()
    time.sleep(0.02)
    assert cached(b"film", "film.gif", str(tmp_path)) == str(path)
    after = path.stat()
    assert after.st_ctime_ns > before.st_ctime_ns and after.st_ino == before.st_ino


def test_a_picture_is_of_the_frame_that_was_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "get_upload_folder", lambda: str(tmp_path))
    studio, panes = Studio(), ("x", "x0")
    key = Key("mnist-conditional", Request(n=4, label=3, steps=2))
    *_, end = studio.stream(Ticket(), key)
    choice = download.Choice(panes=panes, run=end.id, frame=1)
    file = files.kept(studio, "sample", choice)
    expected = Frames(end.film, panes)[1].squeeze(-1)
    with Image.open(file.png) as picture:
        scale = picture.height // len(expected)
        np.testing.assert_array_equal(np.asarray(picture)[::scale, ::scale], expected)
    with pytest.raises(InvalidInput, match="frame"):
        files.kept(studio, "sample", replace(choice, frame=3))


def test_the_film_of_a_way_leads_from_one_picture_to_another_and_back(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "get_upload_folder", lambda: str(tmp_path))
    studio = Studio()
    request = Request(n=5, label=3, steps=2, toward=8, guidance="cfg", guidance_scale=1.5)
    *_, end = studio.stream(Ticket(), Key("mnist-conditional", request))
    file = files.kept(studio, "sample", download.Choice(panes=("x",), run=end.id))
    assert file.frames == 9
    # Two that a visitor saved one after another are told apart.
    assert "mnist-conditional-3-cfg1.5-seed0-to-8" in Path(file.path).name
    assert json.loads(read_note(file.path))["toward"] == 8
    frames = frames_of(Path(file.path))
    scale = frames.shape[1] // 28
    expected = end.film.images()[[0, 1, 2, 3, 4, 3, 2, 1, 0]]
    # A grey GIF has 16 levels.
    assert np.abs(frames[:, ::scale, ::scale, :1].astype(int) - expected).max() <= 17
    with Image.open(file.png) as picture:
        assert picture.size[0] > 4 * picture.size[1]  # in a row
