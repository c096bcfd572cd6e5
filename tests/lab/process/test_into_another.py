"""One picture turned into another."""

import numpy as np
import pytest

from ddpm_core.errors import InvalidInput
from lab.process.into_another import turning

RNG = np.random.default_rng(0)
FIRST, LAST = (RNG.integers(0, 256, (8, 8, 1), np.uint8) for _ in range(2))


def test_both_pictures_come_back_at_the_ends_of_the_way(model):
    *up, _ = steps = list(turning(model, (FIRST, LAST), (3, "none"), n=5, steps=45))
    assert len(steps) == 90 and all(len(step) == 2 for step in up[:45]) and len(steps[-1]) == 5
    way = steps[-1].astype(float)
    difference = np.abs(way - np.stack([FIRST, *[LAST] * 4]))
    # In between there is neither, and nothing comes twice.
    assert max(difference[0].mean(), difference[-1].mean()) < difference[2].mean() / 4
    assert len(np.unique(way.reshape(5, -1), axis=0)) == 5


def test_on_the_way_the_model_is_told_both_classes(model, monkeypatch):
    calls, denoiser = [], model.denoiser

    def record(labels, dtype):
        calls.append(labels)
        return denoiser(labels, dtype)

    monkeypatch.setattr(model, "denoiser", record)
    list(turning(model, (FIRST, LAST), (3, "none"), n=3, steps=2))
    assert calls == [[3, None], [3, {3: 0.5, None: 0.5}, None]]


def test_what_is_no_way_is_refused(model):
    with pytest.raises(InvalidInput, match="8 x 8"):
        next(turning(model, (FIRST, np.zeros((9, 8, 1), np.uint8))))
