"""What comes from the sheet is a picture, or refused in words."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from ddpm_core import InvalidInput
from ui.widgets.sketch.sketch import Sketch, sized


@pytest.fixture(scope="module")
def sheet():
    return Sketch("Your picture", player="stage")


def sent(side=4, channels=1, raw=None):
    raw = bytes(range(side * side * channels)) if raw is None else raw
    return {"side": side, "channels": channels, "pixels": base64.b64encode(raw).decode()}


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_arrive_row_by_row(sheet, channels):
    picture = sheet.preprocess(sent(4, channels))
    assert picture.shape == (4, 4, channels) and picture.dtype == np.uint8
    assert picture.flatten().tolist() == list(range(16 * channels))


@pytest.mark.parametrize("value", [None, {}, sized(28, 1), "text"])
def test_before_anything_is_drawn_there_is_none(sheet, value):
    assert sheet.preprocess(value) is None


@pytest.mark.parametrize(
    "value, told",
    [
        (sent(raw=b"123"), "other pixels"),
        (sent() | {"pixels": None}, "cannot be read"),
        (sent() | {"side": 10**9}, "side of the picture"),
        (sent() | {"channels": [1]}, "number of channels"),
    ],
)
def test_what_is_no_picture_is_refused(sheet, value, told):
    with pytest.raises(InvalidInput, match=told):
        sheet.preprocess(value)
