"""Frames that a browser does not hold, asked for one by one."""

from __future__ import annotations

import numpy as np

from ddpm_core import Film
from ui.runs import frames

FRAMES = 11


def test_what_a_stranger_sends_is_not_answered():
    x = np.zeros((FRAMES, 1, 8, 8, 1), np.uint8)
    film = Film.of(x, x, list(range(10, -1, -1)))
    for frame in (-1, FRAMES, 1.5, "3", None, True, [3]):
        assert frames.some_frames({"source": frames.name_of(film), "frame": frame}) is None
    for request in (None, [], {}, {"source": ["x"], "frame": 3}, {"source": "x", "frame": 3}):
        assert frames.some_frames(request) is None
