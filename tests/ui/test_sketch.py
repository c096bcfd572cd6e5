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


def sheet_value(side=4, channels=1, raw=None):
    raw = bytes(range(side * side * channels)) if raw is None else raw
    return {"side": side, "channels": channels, "pixels": base64.b64encode(raw).decode()}


def test_pixels_arrive_row_by_row_and_before_anything_is_drawn_there_are_none(sheet):
    picture = sheet.preprocess(sheet_value(4, 3))
    assert picture.shape == (4, 4, 3) and picture.dtype == np.uint8
    assert picture.flatten().tolist() == list(range(48))
    assert sheet.preprocess(sized(28, 1)) is None


@pytest.mark.parametrize(
    "value, message",
    [
        (sheet_value(raw=b"123"), "other pixels"),
        (sheet_value() | {"pixels": None}, "cannot be read"),
        (sheet_value() | {"side": 10**9}, "side of the picture"),
    ],
)
def test_what_is_no_picture_is_refused(sheet, value, message):
    with pytest.raises(InvalidInput, match=message):
        sheet.preprocess(value)
