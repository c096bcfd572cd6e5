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


def component(**more):
    return race.Race(label="Race", lanes=["a", "b"], render=False, **more)


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


@pytest.mark.parametrize(
    "change, told",
    [
        ({"panes": {"x0": pictures()}}, "x at least"),
        ({"panes": {"x": pictures(), "y": pictures()}}, "chosen from"),
        ({"panes": {"x": pictures() / 255}}, "uint8"),
        ({"panes": {"x": pictures(channels=2)}}, "channels"),
        ({"panes": {"x": pictures()[0]}}, "5 dimensions"),
        ({"panes": {"x": pictures()[:0]}}, "one frame"),
        ({"panes": {"x": pictures(), "eps": pictures()[:3]}}, "eps has shape"),
        ({"panes": {"x": pictures(), "eps": pictures()[..., :3, :]}}, "eps has shape"),
        ({"t": T[:-1]}, "4 timesteps for 5"),
        ({"t": [1000, 750, 750, 250, 0]}, "must fall"),
        ({"t": [0, -1, -2, -3, -4]}, "must fall"),
        ({"log_snr": [-10, -4, 0, 4, np.inf]}, "finite"),
        ({"log_snr": LEVELS[::-1]}, "must not fall"),
        ({"numbers": {"beta": [1.0]}}, "1 beta for 5"),
        ({"indices": [0, 1, 3, 2, 4]}, "rise"),
        ({"indices": [1, 2, 3, 4, 5]}, "begin at 0"),
    ],
)
def test_what_does_not_fit_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        race.lane(**given(**change))


def test_lanes_of_one_name_are_refused():
    lane = race.lane(**given())
    with pytest.raises(ValueError, match="told apart"):
        race.film("r", [lane, lane])
    with pytest.raises(ValueError, match="told apart"):
        race.idle(lanes=["a", "a"])
    with pytest.raises(ValueError, match="one lane"):
        race.film("r", [])


def test_a_live_frame_is_its_bytes():
    frame = {pane: pictures(i)[1] for i, pane in enumerate(race.PANES)}
    lane = race.live_lane("a", 3, 700, -2.5, frame, columns=2, calls=3, numbers={"beta": np.nan})
    for pane, picture in frame.items():
        assert base64.b64decode(lane["frame"][pane]) == picture.tobytes()
    assert lane["numbers"] == {"beta": None} and lane["columns"] == 2
    opening = race.live_lane("a", 0, 1000, -10, frame)
    assert list(opening["frame"]) == ["x"]
    with pytest.raises(ValueError, match="finite"):
        race.live_lane("a", 0, 1000, -np.inf, frame)
    with pytest.raises(ValueError, match="x0 has shape"):
        race.live_lane("a", 1, 999, 0, {"x": frame["x"], "x0": frame["x0"][:1]})


@pytest.mark.parametrize(
    "options, told",
    [
        ({"panes": ("x", "y")}, "panes"),
        ({"panes": ("x",), "shown": ("x0",)}, "shown"),
        ({"shown": ()}, "shown"),
        ({"align": ("time",)}, "align"),
        ({"curves": [{"key": "b", "symbol": "b", "text": "b", "scale": "cubic"}]}, "curve"),
        ({"curves": [{"key": "b"}]}, "curve"),
    ],
)
def test_options_out_of_range_are_refused(options, told):
    with pytest.raises(ValueError, match=told):
        component(**options)


def test_sheets_leave_the_value_as_files():
    made = component()
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
