"""The race's values: what is refused, and what the sheets hold."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ui import race

FRAMES, N, SIDE = 5, 2, 6
T = [1000, 750, 500, 250, 0]
LEVELS = [-10.0, -4.0, 0.0, 4.0, 10.0]


def pictures(seed=0, frames=FRAMES, channels=1):
    shape = (frames, N, SIDE, SIDE, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def given(**more):
    panes = {"x": pictures(0), "x0": pictures(1)}
    return {"name": "a", "t": T, "panes": panes, "log_snr": LEVELS} | more


def tiles_of(sheet, count):
    page = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet.partition(",")[2]))))
    rows, columns = page.shape[0] // SIDE, page.shape[1] // SIDE
    cells = page.reshape(rows, SIDE, columns, SIDE, -1).swapaxes(1, 2)
    return cells.reshape(rows * columns, SIDE, SIDE, -1)[:count]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_lane_holds_every_tile_of_every_pane_in_order(channels):
    x, x0 = pictures(0, channels=channels), pictures(1, channels=channels)
    lane = race.lane(**given(panes={"x": x, "x0": x0}))
    assert lane["shape"] == [N, SIDE, SIDE, channels]
    assert np.array_equal(tiles_of(lane["sheets"]["x"], FRAMES * N), x.reshape(-1, *x.shape[2:]))
    # Nothing is predicted at the opening noise.
    later = x0[1:].reshape(-1, *x.shape[2:])
    assert np.array_equal(tiles_of(lane["sheets"]["x0"], (FRAMES - 1) * N), later)
    without = race.lane(**given(panes={"x": x, "x0": x0[1:]}))
    assert without["sheets"] == lane["sheets"]


def test_a_lane_of_the_opening_noise_alone_has_x_alone():
    panes = {"x": pictures(0, 1), "eps": pictures(1, 1)}
    lane = race.lane("a", [1000], panes, log_snr=[-10])
    assert list(lane["sheets"]) == ["x"] and lane["total"] == 0


def test_numbers_without_a_value_are_none():
    numbers = {"beta": [None, 0.123456789, np.nan, np.inf, 0.5]}
    lane = race.lane(**given(numbers=numbers))
    assert lane["numbers"]["beta"] == [None, 0.123457, None, None, 0.5]
    json.dumps(lane, allow_nan=False)


def test_a_live_frame_is_its_bytes():
    frame = {pane: pictures(i)[1] for i, pane in enumerate(race.PANES)}
    lane = race.live_lane("a", 3, 700, -2.5, frame, columns=2, calls=3, numbers={"beta": np.nan})
    for pane, picture in frame.items():
        assert base64.b64decode(lane["frame"][pane]) == picture.tobytes()
    assert lane["numbers"] == {"beta": None} and lane["columns"] == 2
    opening = race.live_lane("a", 0, 1000, -10, frame)
    assert list(opening["frame"]) == ["x"]


def test_sheets_leave_the_value_as_files():
    made = race.Race(label="Race", lanes=["a", "b"], render=False)
    film = race.film("r", [race.lane(**given()), race.lane(**given(name="b"))], order=4)
    sent = made.postprocess(film)
    assert sent["order"] == 4 and len(json.dumps(sent)) < 3000
    for before, after in zip(film["lanes"], sent["lanes"], strict=True):
        assert list(after["sheets"]) == ["x", "x0"]
        for pane, sheet in before["sheets"].items():
            png = Path(after["sheets"][pane]["path"]).read_bytes()
            assert base64.b64decode(sheet.partition(",")[2]) == png
    # What is a file already, as in a recording that ships with the page, stays one.
    assert made.postprocess(sent) == sent
    for plain in (race.idle(), race.error("No."), race.live("r", [])):
        assert made.postprocess(plain) == plain
