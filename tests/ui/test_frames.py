"""Frames that a browser does not hold, asked for one by one."""

from __future__ import annotations

import base64
import gc

import numpy as np
import pytest

from ddpm_core import Film
from ui import frames, player, stage

FRAMES, SHAPE = 101, (4, 8, 8, 3)
ROOM = 20 * 4 * 8 * 8 * 3  # of twenty frames


def made(seed=0):
    x, x0 = np.random.default_rng(seed).integers(0, 256, (2, FRAMES, *SHAPE), np.uint8)
    return Film.of(x, x0, list(range(100, -1, -1)))


def value(film):
    return stage.film_value("one", film, columns=2, seconds=1, calls=100, total=100)


def pictures(answer, pane):
    read = [np.frombuffer(base64.b64decode(frame[pane]), np.uint8) for frame in answer["frames"]]
    return np.stack(read).reshape(-1, *SHAPE)


def test_of_a_film_too_long_for_one_transfer_every_other_frame_can_be_had(monkeypatch):
    monkeypatch.setattr(stage, "PANE_BYTES", ROOM)
    monkeypatch.setattr(frames, "BYTES", ROOM // 4)
    film = made()
    sent = value(film)
    assert len(sent["chosen"]) == 20
    # The timeline knows of all of them.
    assert sent["indices"] == list(range(FRAMES)) and sent["t"] == film.t
    for frame in range(FRAMES):
        answer = frames.some_frames({"source": sent["source"], "frame": frame})
        first, count = answer["first"], len(answer["frames"])
        assert first <= frame < first + count <= FRAMES and count <= 5
        for pane in player.PANES:
            expected = getattr(film, pane)[first : first + count]
            np.testing.assert_array_equal(pictures(answer, pane), expected)


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
