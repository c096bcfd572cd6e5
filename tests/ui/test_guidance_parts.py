"""The values that the interval, the contact sheet and the trade-off plot send and accept."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import pytest
from PIL import Image

from ddpm_core import InvalidInput
from ui import component
from ui.contact import Contact, contact, pending
from ui.interval import Interval
from ui.tradeoff import tradeoff

TILES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3, 1)
POINT = {"scale": 1, "accuracy": 0.9, "distance": 8.5, "n": 64}


def test_options_survive_both_template_languages():
    shell = component.shell("part", label="`${a}` {{b}} \\ \"c\" <d> 'λ'")
    assert not set("`${}\\") & set(shell)


def test_an_interval_is_a_tuple_in_python_and_named_in_the_browser():
    acts = Interval("Acts", low=200, high=900)
    assert acts.postprocess((200, 900)) == {"low": 200, "high": 900, "maximum": 999}
    assert acts.preprocess({"low": 200, "high": 900}) == (200, 900)
    assert acts.preprocess({"low": 5.0, "high": 5, "maximum": 999}) == (5, 5)
    shorter = acts.postprocess({"low": 0, "high": 99, "maximum": 99, "order": 3})
    assert shorter == {"low": 0, "high": 99, "maximum": 99, "order": 3}
    assert Interval("Acts", maximum=99).value == {"low": 0, "high": 99, "maximum": 99}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [0, 5],
        {"low": 0},
        {"low": 6, "high": 5},
        {"low": -1, "high": 5},
        {"low": 0, "high": 1000},
        {"low": math.nan, "high": 5},
        {"low": "0", "high": "5"},
        {"low": True, "high": 5},
    ],
)
def test_an_interval_that_is_none_is_refused(payload):
    with pytest.raises(InvalidInput):
        Interval("Acts").preprocess(payload)


def test_a_sheet_holds_its_tiles_row_by_row():
    value = contact(TILES, 3, [0, 1.0, 2.5], ["a", "b"], chosen=4, run="r", order=7)
    assert (value["rows"], value["columns"], value["n"], value["side"]) == (2, 3, 5, [2, 3])
    assert value["column_labels"] == ["0", "1", "2.5"] and value["row_labels"] == ["a", "b"]
    assert (value["chosen"], value["run"], value["order"]) == (4, "r", 7)
    page = np.asarray(Image.open(io.BytesIO(base64.b64decode(value["sheet"].partition(",")[2]))))
    assert page.shape == (4, 9)
    for i, tile in enumerate(TILES[..., 0]):
        y, x = 2 * (i // 3), 3 * (i % 3)
        assert np.array_equal(page[y : y + 2, x : x + 3], tile)


def test_only_a_sheet_that_stays_becomes_a_file():
    part = Contact()
    kept = part.postprocess(contact(TILES, 5, range(5)))
    assert kept["sheet"]["meta"] == {"_type": "gradio.FileData"}
    assert Image.open(kept["sheet"]["path"]).size == (15, 2)
    assert part.postprocess(kept)["sheet"] == kept["sheet"]
    live = contact(TILES, 5, range(5), live=True)
    assert part.postprocess(live) == live
    assert part.postprocess(pending(order=2)) == {"kind": "pending", "order": 2}


def test_a_plot_knows_where_its_points_stand():
    later = POINT | {"scale": 3, "n": 32}
    value = tradeoff([later, POINT], "λ", [0, 1, 3], 64, True, 5, reference=9.5)
    assert [p["index"] for p in value["points"]] == [1, 2]
    assert value["points"][1] == {"index": 2, **later}
    assert value["scales"] == [0, 1, 3] and value["running"] and value["order"] == 5
    assert value["reference"] == 9.5
    assert "order" not in tradeoff([POINT])
