"""The anatomy's value: shapes, signs, and what the judge decides."""

from __future__ import annotations

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ddpm_core import Request
from ui.widgets.anatomy import anatomy

N, TILES, SIDE = 4, 2, 6


def arguments(method="cfg", n=N, tiles=TILES):
    rng = np.random.default_rng(0)
    cells = (n, tiles)
    pictures = {
        name: rng.integers(0, 256, (*cells, SIDE, SIDE, 1), np.uint8)
        for name in anatomy.PICTURES[method]
    }
    fields = {name: rng.normal(size=(*cells, SIDE, SIDE)) for name in anatomy.FIELDS[method]}
    trace = SimpleNamespace(
        indices=list(range(1, n + 1)),
        t=list(range(1008, 1008 - 10 * n, -10)),
        p=np.full((*cells, 3), 1 / 3),
        strength=np.full(cells, 3.0),
        eps_norm=np.full(cells, 28.0),
        push_norm=np.full(cells, 1.4),
        cosine=np.full(cells, np.nan),
        abar=np.linspace(0.1, 0.9, n),
        **pictures | fields,
    )
    guidance = "cfg" if method == "cfg" else "classifier-noisy"
    return {
        "run": "a",
        "times": list(range(1009, 999 - 10 * n, -10)),
        "trace": trace,
        "request": Request(n=tiles, guidance=guidance),
        "classes": ["3", "8", "cat"],
        "wanted": [[i % 3] for i in range(tiles)],
        "total": n,
    }


def unpacked(value, name):
    return np.frombuffer(base64.b64decode(value["numbers"][name]), "<f4")


def tiles_of(sheet):
    page = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet.partition(",")[2]))))
    rows, columns = (side // SIDE for side in page.shape)
    cells = page.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2)
    return cells.reshape(-1, SIDE, SIDE)[: N * TILES].reshape(N, TILES, SIDE, SIDE)


def test_a_signed_map_is_scaled_step_by_step_and_tile_by_tile():
    field = np.random.default_rng(1).normal(size=(2, 2, 40, 40))
    field *= np.array([[1, 10], [0.1, 0]])[..., None, None]
    grey, scale = anatomy.signed(field)
    assert grey.dtype == np.uint8 and grey.shape == (2, 2, 40, 40, 1)
    assert scale == pytest.approx(np.percentile(np.abs(field), 99.5, axis=(2, 3)))
    assert (grey[1, 1] == 128).all()
    back = (grey[..., 0].astype(float) - 128) / 127 * scale[..., None, None]
    inside = np.abs(field) <= scale[..., None, None]
    assert np.abs(back - field)[inside].max() <= scale.max() / 254 + 1e-9
    assert {int(grey[0, 0].min()), int(grey[0, 0].max())} == {1, 255}


def test_the_push_is_shown_as_the_picture_feels_it():
    given = arguments("classifier")
    given["trace"].push = given["trace"].gradient * -2
    value = anatomy.anatomy(**given)
    # eps less the gradient makes the picture lighter where the gradient is positive.
    push, gradient = (tiles_of(value["sheets"][name]) for name in ("push", "gradient"))
    assert np.array_equal(push, gradient)
    assert unpacked(value, "push_scale") == pytest.approx(2 * unpacked(value, "gradient_scale"))


def test_verdicts_name_the_timestep_or_what_the_judge_sees():
    given = arguments(tiles=4) | {"wanted": [[0], [0], [2], [0, 2]], "total": 40}
    given |= {"times": range(1009, 968, -1)}
    given["trace"].indices, p = [10, 20, 30, 40], given["trace"].p
    p[:] = [0.1, 0.8, 0.1]
    p[2:, 0] = [0.7, 0.2, 0.1]
    p[3, 2] = [0.3, 0.3, 0.4]
    value = anatomy.anatomy(**given)
    assert value["decided"] == [30, None, None, None]
    assert value["verdicts"] == [
        "decided at t = 979, says the judge",
        "never decided for a 3: the judge sees an 8",
        "never decided for a cat: the judge wavers to the end",
        "never decided for a 3 or a cat: the judge sees an 8",
    ]
    assert value["asked"][3] == "3 or cat"


def test_thinned_steps_decide_as_all_of_them_do():
    p = np.random.default_rng(0).dirichlet(np.ones(3) / 3, (700, 16))
    for tile in range(12):  # four waver to the end
        p[30 * tile + 11 :, tile] = [0.9, 0.05, 0.05]
    wanted = [[0]] * 16
    kept = anatomy.telling(p, wanted)
    assert len(kept) < 100
    found = [None if k is None else kept[k] for k in anatomy.decided(p[kept], wanted)]
    assert found == anatomy.decided(p, wanted)
    assert len(set(found)) > 8
    kept = anatomy.telling(np.full((250, 16, 3), 1 / 3), wanted)
    assert kept[0] == 0 and kept[-1] == 249 and len(kept) * 16 <= anatomy.CELLS
