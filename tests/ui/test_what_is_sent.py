"""What components accept of what a browser, or a stranger, sends."""

import base64
import math

import numpy as np
import pytest

from ddpm_core import Film, InvalidInput
from ui.runs import frames
from ui.sharing import share_panel
from ui.widgets.download import download
from ui.widgets.file_drop.file_drop import Dropped, FileDrop
from ui.widgets.interval.interval import Interval
from ui.widgets.sketch.sketch import Sketch, sized

SHEET = Sketch("Your picture", player="stage")
DRAWN = {"side": 4, "channels": 3, "pixels": base64.b64encode(bytes(range(48))).decode()}
ASKED = {"kind": "asked", "format": "webp", "stride": 5, "panes": "x,x0", "order": 7, "run": "a"}
ROW = download.Download("t", panes=share_panel.BOTH)
DROPPED = {"kind": "dropped", "name": "n" * 500, "note": "{}", "asked": 2}


def test_pixels_arrive_row_by_row_and_before_anything_is_drawn_there_are_none():
    picture = SHEET.preprocess(DRAWN)
    assert picture.shape == (4, 4, 3) and picture.dtype == np.uint8
    assert picture.flatten().tolist() == list(range(48))
    assert SHEET.preprocess(sized(28, 1)) is None


def test_a_file_is_asked_for_and_a_note_dropped():
    assert ROW.preprocess(ASKED) == download.Choice("webp", 5, ("x", "x0"), 7, "a")
    assert ROW.preprocess(download.due(3)) is None  # what the server said itself
    assert FileDrop().preprocess(DROPPED) == Dropped("n" * 100, "{}", 2)
    assert FileDrop().preprocess({"kind": "told"}) is None


@pytest.mark.parametrize(
    ("component", "value"),
    [
        *(
            (SHEET, DRAWN | change)
            for change in ({"pixels": "YQ=="}, {"pixels": None}, {"side": 1e9})
        ),
        *((ROW, ASKED | {"format": "exe"}), (ROW, ASKED | {"stride": 0})),
        *((ROW, ASKED | {"panes": panes}) for panes in ("__dict__", ["x"])),
        *((Interval("Acts"), {"low": low, "high": 5}) for low in (None, 6, -1, math.nan, "0")),
        (FileDrop(), DROPPED | {"note": "x" * (2**20 + 1)}),
    ],
)
def test_what_is_out_of_bounds_is_refused(component, value):
    with pytest.raises(InvalidInput):
        component.preprocess(value)


def test_frames_that_there_are_not_are_not_sent():
    x = np.zeros((11, 1, 8, 8, 1), np.uint8)
    film = Film.of(x, x, list(range(10, -1, -1)))
    for frame in (-1, 11, 1.5, "3", None, True, [3]):
        assert frames.some_frames({"source": frames.name_of(film), "frame": frame}) is None
    for request in (None, [], {}, {"source": ["x"], "frame": 3}, {"source": "x", "frame": 3}):
        assert frames.some_frames(request) is None
