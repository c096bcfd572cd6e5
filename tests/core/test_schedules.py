"""Schedules: their tables against definitions and a reference, and the choice of timesteps."""

import math
from itertools import pairwise

import numpy as np
import pytest
from diffusers import DDPMScheduler

from ddpm_core.errors import InvalidInput
from ddpm_core.schedules import (
    SCHEDULES,
    SPACINGS,
    NoiseSchedule,
    Schedule,
    ScheduleKind,
    spaced_timesteps,
)

REFERENCE_NAME = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "cosine": "squaredcos_cap_v2",
}


@pytest.mark.parametrize("kind", REFERENCE_NAME)
@pytest.mark.parametrize("timesteps", [10, 1000])
def test_tables_equal_the_reference_librarys(kind, timesteps):
    ours = NoiseSchedule.make(kind, timesteps)
    theirs = DDPMScheduler(timesteps, beta_schedule=REFERENCE_NAME[kind])
    np.testing.assert_allclose(ours.betas, theirs.betas.numpy(), rtol=1e-4)
    # Its 1 - beta loses up to 6e-5 of 1 - 0.999 in float32.
    np.testing.assert_allclose(ours.alphas_cumprod, theirs.alphas_cumprod.numpy(), rtol=2e-4)


def test_the_sigmoid_schedule_is_that_of_its_paper():
    """Jabri et al. 2022, Algorithm 1, from t = 0 to 1; beta is clipped at the very end."""

    def sigmoid(value):
        return 1 / (1 + math.exp(-value))

    start, end, tau, total = -3, 3, 0.9, 400
    schedule = NoiseSchedule.make("sigmoid", total, start=start, end=end, tau=tau)
    low, high = sigmoid(start / tau), sigmoid(end / tau)
    for step in (1, 100, 200, total - 1):
        at_step = sigmoid((step / total * (end - start) + start) / tau)
        assert schedule.abar(step - 1) == pytest.approx((high - at_step) / (high - low), rel=1e-9)
    assert schedule.betas[-1] == 0.999


@pytest.mark.parametrize("kind", SCHEDULES)
def test_posterior_variance_is_that_of_a_product_of_gaussians(kind):
    """q(x_{t-1} | x_t, x_0): precisions add, alpha / beta of the step and 1 / sigma_prev²."""
    s = NoiseSchedule.make(kind, 100)
    precision = s.alphas[1:] / s.betas[1:] + 1 / s.sigmas[:-1] ** 2
    np.testing.assert_allclose(s.posterior_variance[1:], 1 / precision, rtol=1e-9)
    assert s.posterior_variance[0] == 0


@pytest.mark.parametrize("betas", [[], [0.0, 0.1], [0.1, 1.0], [math.nan]])
def test_betas_outside_the_open_unit_interval_are_refused(betas):
    with pytest.raises(InvalidInput, match="beta"):
        NoiseSchedule(np.array(betas))


@pytest.mark.parametrize(
    ("signals", "sigmas"),
    [([0.5, 0.0], [0.5, 1.0]), ([0.5, 0.4], [0.5, 0]), ([0.5, 0.4], [0.5, np.inf])],
)
def test_a_schedule_without_image_or_without_noise_is_refused(signals, sigmas):
    with pytest.raises(InvalidInput, match="above 0"):
        Schedule(signals, sigmas)


def test_betas_that_a_number_cannot_tell_from_none_or_all_are_refused():
    with pytest.raises(InvalidInput, match="adds less noise than a number can tell from none"):
        NoiseSchedule.make("linear", 1000, start=1e-17)
    least = NoiseSchedule.make("linear", 1000, start=1e-15)
    assert np.isfinite(least.log_snr).all() and np.isfinite(least.posterior_variance).all()
    with pytest.raises(InvalidInput, match="less of the image than a number can tell from 0"):
        NoiseSchedule.make("linear", 1000, end=0.9)


def test_a_config_spells_out_the_options_that_were_not_given():
    made = NoiseSchedule.make("linear", 1000, end=0.03)
    assert made.config == {"kind": "linear", "num_timesteps": 1000, "start": 1e-4, "end": 0.03}


def test_make_refuses_what_it_cannot_build():
    with pytest.raises(InvalidInput, match="unknown schedule"):
        NoiseSchedule.make("quadratic")
    with pytest.raises(InvalidInput, match="'s'"):
        NoiseSchedule.make("linear", s=0.1)
    with pytest.raises(InvalidInput, match="cosine"):
        NoiseSchedule.make("cosine", s=10**400)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize(
    ("total", "start"), [(1, 0), (2, 1), (3, 2), (10, 9), (1000, 999), (100, 0), (100, 40)]
)
def test_every_number_of_steps_gives_a_valid_walk_from_anywhere(total, start, kind, spacing):
    schedule = NoiseSchedule.make(kind, total)
    for steps in range(1, start + 2):
        timesteps = spaced_timesteps(schedule, steps, spacing, start)
        assert len(timesteps) == steps and all(isinstance(t, int) for t in timesteps)
        assert all(a > b for a, b in pairwise(timesteps))
        assert timesteps[0] == start and timesteps[-1] == (0 if steps > 1 else start)


def test_spacings_are_even_in_what_they_are_named_after():
    schedule = NoiseSchedule.make("linear", 1000)
    linear = np.array(spaced_timesteps(schedule, 10, "linear"))
    np.testing.assert_allclose(np.diff(linear), -111, atol=1)
    quadratic = np.array(spaced_timesteps(schedule, 10, "quadratic"))
    # Half a timestep of rounding moves sqrt(t) most at the second smallest, t = 12.
    np.testing.assert_allclose(np.diff(np.sqrt(quadratic)), -(999**0.5) / 9, atol=0.15)
    logsnr = schedule.log_snr[spaced_timesteps(schedule, 10, "logsnr")]
    # Next to the image one timestep is worth 0.79 nats, so rounding costs up to half of that.
    np.testing.assert_allclose(np.diff(logsnr), np.diff(logsnr).mean(), atol=0.5)


def test_a_walk_of_more_steps_than_there_are_is_refused():
    with pytest.raises(InvalidInput, match="steps must be between 1 and 11, not 12"):
        spaced_timesteps(NoiseSchedule.make(), 12, start=10)


def test_an_entry_with_a_timestep_too_many_is_refused(monkeypatch):
    entry = ScheduleKind(lambda timesteps: np.linspace(1e-4, 0.02, timesteps + 1))
    monkeypatch.setitem(SCHEDULES, "longer", entry)
    with pytest.raises(InvalidInput, match="101 betas for 100 timesteps"):
        NoiseSchedule.make("longer", 100)
