"""Frames that a browser does not hold, asked for one by one."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from ddpm_core import Film
from ui.runs import frames

FRAMES, SHAPE = 101, (4, 8, 8, 3)


def made(seed=0):
    x, x0 = np.random.default_rng(seed).integers(0, 256, (2, FRAMES, *SHAPE), np.uint8)
    return Film.of(x, x0, list(range(100, -1, -1)))


def test_a_film_that_is_no_longer_kept_is_not_answered_for():
    film = made()
    source = frames.name_of(film)
    assert frames.name_of(film) == source
    assert frames.some_frames({"source": source, "frame": 3})
    del film
    gc.collect()
    assert frames.some_frames({"source": source, "frame": 3}) is None


@pytest.mark.parametrize("frame", [-1, FRAMES, 1.5, "3", None, True, [3], {}])
def test_what_a_stranger_sends_is_not_answered(frame):
    film = made()
    assert frames.some_frames({"source": frames.name_of(film), "frame": frame}) is None
    for asked in (None, [], "x", 7, {}, {"source": ["x"], "frame": 3}, {"source": "x", "frame": 3}):
        assert frames.some_frames(asked) is None
