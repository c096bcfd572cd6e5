"""The sigmoid schedule is that of its paper, and a model is trained with it by its name alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ddpm_core import load
from ddpm_core.__main__ import main
from ddpm_core.schedules import NoiseSchedule


def test_the_sigmoid_schedule_is_that_of_its_paper():
    """Jabri et al. 2022, Algorithm 1, from t = 0 to 1; beta is clipped at the very end."""

    def sigmoid(value):
        return 1 / (1 + math.exp(-value))

    start, end, tau, total = -3, 3, 0.9, 400
    schedule = NoiseSchedule.make("sigmoid", total, start=start, end=end, tau=tau)
    low, high = sigmoid(start / tau), sigmoid(end / tau)
    for step in (1, 100, 200, total - 1):
        there = sigmoid((step / total * (end - start) + start) / tau)
        assert schedule.abar(step - 1) == pytest.approx((high - there) / (high - low), rel=1e-9)
    assert schedule.betas[-1] == 0.999


def test_a_model_is_trained_with_it_and_its_folder_brings_it_back(mnist_root, tmp_path):
    words = ["train", "--data-root", mnist_root, "--out", tmp_path / "run", "--schedule", "sigmoid"]
    words += ["--channels", 4, 8, "--epochs", 0.1, "--timesteps", 50, "--batch-size", 100]
    assert main([*map(str, words), "--no-bf16"]) == 0
    schedule = load(tmp_path / "run" / "checkpoint").schedule
    assert schedule.kind == "sigmoid"
    np.testing.assert_array_equal(schedule.betas, NoiseSchedule.make("sigmoid", 50).betas)
