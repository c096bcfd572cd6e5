"""Heun's method: of second order, and of use on every schedule."""

from __future__ import annotations

import math

import pytest
import torch

from ddpm_core.samplers import ddim, heun
from ddpm_core.schedules import SCHEDULES, NoiseSchedule, spaced_timesteps

MU, S = 0.3, 0.5  # of Gaussian data, whose flow is known: the state keeps its place in the crowd


def error_at_0(sampler, schedule: NoiseSchedule, steps: int) -> float:
    """How far from the exact flow the state is that reaches t = 0, the noise being 1."""

    def spread(t):
        return math.hypot(schedule.alpha(t) * S, schedule.sigma(t))

    def denoiser(x, t):
        return schedule.sigma(t) * (x - schedule.alpha(t) * MU) / spread(t) ** 2

    timesteps = spaced_timesteps(schedule, steps, "logsnr")
    last = timesteps[0]
    x = torch.tensor([[schedule.alpha(last) * MU + spread(last)]], dtype=torch.float64)
    *_, before, _ = sampler(denoiser, schedule, x, timesteps, clip=False)
    assert before.t_next == 0
    return abs(float(before.x) - (schedule.alpha(0) * MU + spread(0)))


@pytest.mark.parametrize("kind", SCHEDULES)
def test_twice_the_steps_leave_a_quarter_of_the_error(kind):
    schedule = NoiseSchedule.make(kind)
    coarse, fine = (error_at_0(heun, schedule, steps) for steps in (40, 80))
    assert coarse / fine == pytest.approx(4, rel=0.2)
    assert fine < error_at_0(ddim, schedule, 160) / 5


def test_the_first_step_is_not_too_long_where_hardly_any_image_is_left():
    """sigma / alpha of the cosine schedule is 20,000 at T - 1: in sigma, 10 steps go wrong."""
    schedule = NoiseSchedule.make("cosine")
    assert schedule.sigma(999) / schedule.alpha(999) > 20_000
    assert error_at_0(heun, schedule, 10) < 0.7 * error_at_0(ddim, schedule, 10)
