"""The values that the interval, the contact sheet and the trade-off plot send and accept."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from ddpm_core import InvalidInput
from ui.widgets.image_grid.image_grid import ImageGrid, contact, pending
from ui.widgets.interval.interval import Interval

TILES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3, 1)


@pytest.mark.parametrize("low", [None, 6, -1, math.nan, "0"])
def test_an_interval_that_is_none_is_refused(low):
    with pytest.raises(InvalidInput):
        Interval("Acts").preprocess({"low": low, "high": 5})


def test_only_a_sheet_that_stays_becomes_a_file():
    part = ImageGrid()
    value = part.postprocess(contact(TILES, 5, range(5)))
    assert value["sheet"]["meta"] == {"_type": "gradio.FileData"}
    assert Image.open(value["sheet"]["path"]).size == (15, 2)
    assert part.postprocess(value)["sheet"] == value["sheet"]
    live = contact(TILES, 5, range(5), live=True)
    assert part.postprocess(live) == live
    assert part.postprocess(pending(order=2)) == {"kind": "pending", "order": 2}
