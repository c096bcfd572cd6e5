"""The anatomy's value: shapes, signs, and what the judge decides."""

import base64
from types import SimpleNamespace

import numpy as np
import pytest

from ddpm_core import Request
from ui.widgets.anatomy import anatomy


def test_a_signed_map_is_scaled_step_by_step_and_tile_by_tile():
    field = np.random.default_rng(1).normal(size=(2, 2, 40, 40))
    field *= np.array([[1, 10], [0.1, 0]])[..., None, None]
    grey, scale = anatomy.signed(field)
    assert scale == pytest.approx(np.percentile(np.abs(field), 99.5, axis=(2, 3)))
    assert (grey[1, 1] == 128).all()
    restored = (grey[..., 0].astype(float) - 128) / 127 * scale[..., None, None]
    inside = np.abs(field) <= scale[..., None, None]
    assert np.abs(restored - field)[inside].max() <= scale.max() / 254 + 1e-9


def test_the_push_is_shown_as_the_picture_feels_it_and_verdicts_name_when_a_class_is_decided():
    gradient = np.random.default_rng(0).normal(size=(4, 4, 6, 6))
    numbers = ("strength", "eps_norm", "push_norm", "cosine")
    parts = {name: np.ones((4, 4)) for name in numbers}
    parts |= {name: np.zeros((4, 4, 6, 6, 1), np.uint8) for name in ("uncond", "guided")}
    parts |= {"gradient": gradient, "push": -2 * gradient, "abar": np.linspace(0.1, 0.9, 4)}
    p = np.tile([0.1, 0.8, 0.1], (4, 4, 1))
    p[2:, 0] = [0.7, 0.2, 0.1]
    p[3, 2] = [0.3, 0.3, 0.4]
    value = anatomy.anatomy(
        "a",
        range(1009, 968, -1),
        SimpleNamespace(indices=[10, 20, 30, 40], t=[998, 988, 978, 968], p=p, **parts),
        Request(n=4, guidance="classifier-noisy"),
        ["3", "8", "cat"],
        [[0], [0], [2], [0, 2]],
        total=40,
    )
    # eps less the gradient makes the picture lighter where the gradient is positive.
    assert value["sheets"]["push"] == value["sheets"]["gradient"]
    push, pull = (
        np.frombuffer(base64.b64decode(value["numbers"][f"{name}_scale"]), "<f4")
        for name in ("push", "gradient")
    )
    assert push == pytest.approx(2 * pull)
    assert value["decided"] == [30, None, None, None]
    assert value["verdicts"] == [
        "decided at t = 979, says the judge",
        "never decided for a 3: the judge sees an 8",
        "never decided for a cat: the judge wavers to the end",
        "never decided for a 3 or a cat: the judge sees an 8",
    ]


def test_thinned_steps_decide_as_all_of_them_do():
    p = np.random.default_rng(0).dirichlet(np.ones(3) / 3, (700, 16))
    for tile in range(12):  # four waver to the end
        p[30 * tile + 11 :, tile] = [0.9, 0.05, 0.05]
    classes = [[0]] * 16
    steps = anatomy.telling(p, classes)
    assert len(steps) < 100
    decided = [None if k is None else steps[k] for k in anatomy.decided(p[steps], classes)]
    assert decided == anatomy.decided(p, classes)
    assert len(set(decided)) > 8
