"""Samplers against a reference library, against the solvable Gaussian case, and resumed."""

import math
from functools import partial

import pytest
import torch
from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
)
from diffusers.schedulers import scheduling_ddpm

from ddpm_core.denoiser import Prediction
from ddpm_core.errors import InvalidInput
from ddpm_core.samplers import SAMPLERS, ddim, ddim_inverse, ddpm, dpm_solver_pp, heun
from ddpm_core.schedules import SCHEDULES, NoiseSchedule, spaced_timesteps
from tests.core.test_schedules import REFERENCE_NAME
from tests.support.toys import GaussianDenoiser, toy_denoiser

SHAPE = (2, 1, 6, 6)
VARIANTS = {
    "ddpm-beta": partial(ddpm, variance="beta"),
    "ddpm-posterior": partial(ddpm, variance="posterior"),
    "ddim-0": partial(ddim, eta=0.0),
    "ddim-1": partial(ddim, eta=1.0),
    "dpm_solver_pp": dpm_solver_pp,
    "heun": heun,
}
every_variant = pytest.mark.parametrize("sampler", VARIANTS.values(), ids=VARIANTS)
every_kind = pytest.mark.parametrize("kind", REFERENCE_NAME)
every_walk = pytest.mark.parametrize(
    ("kind", "steps"), [("linear", 10), ("cosine", 50), ("cosine", 1000), ("scaled_linear", 50)]
)


def noise_at(t):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(t), dtype=torch.float64)


def start():
    return noise_at(10**6)


# --- against the reference library, on its own timesteps, along the whole trajectory ---

# Its tables are float32, and 1 - beta loses 6e-5 of the cosine schedule's last 1 - 0.999.
CLOSE = {"rtol": 2e-4, "atol": 2e-4}


def toy_eps(x, t):
    return toy_denoiser(x, t).eps


def assert_same_trajectory(walk, scheduler, steps, network=toy_eps, **options):
    """Step the reference beside our sampler: ``walk``, over its timesteps."""
    scheduler.set_timesteps(steps)
    timesteps, x = scheduler.timesteps.tolist(), start()
    for step, t in zip(walk(timesteps), timesteps, strict=True):
        assert step.t == t
        if options.get("eta"):
            options["variance_noise"] = noise_at(t)
        x = scheduler.step(network(x, t), t, x, **options).prev_sample.double()
        torch.testing.assert_close(step.x, x, **CLOSE)


def learned(x, t):
    """The toy, with a learned variance as well."""
    return Prediction(toy_denoiser(x, t).eps, {"variance": torch.sigmoid(3 * x)})


def learned_output(x, t):
    """A network's output for ``learned``: the noise, and the share from -1 to 1."""
    prediction = learned(x, t)
    return torch.cat([prediction.eps, 2 * prediction.extras["variance"] - 1], dim=1)


@every_walk
@pytest.mark.parametrize(
    ("variance", "name"),
    [("beta", "fixed_large"), ("posterior", "fixed_small"), ("learned", "learned_range")],
)
def test_ddpm_equals_the_reference(monkeypatch, kind, steps, variance, name):
    scheduler = DDPMScheduler(
        beta_schedule=REFERENCE_NAME[kind], variance_type=name, clip_sample=True
    )
    scheduler.set_timesteps(steps)
    # The reference draws noise once a step, in order, except at t = 0.
    times = iter(scheduler.timesteps.tolist())
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *a, **k: noise_at(next(times)))
    schedule = NoiseSchedule.make(kind)
    denoisers = (learned, learned_output) if variance == "learned" else (toy_denoiser, toy_eps)
    walk = partial(ddpm, denoisers[0], schedule, start(), noise=noise_at, variance=variance)
    assert_same_trajectory(walk, scheduler, steps, denoisers[1])


@every_walk
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_ddim_equals_the_reference(kind, steps, eta):
    scheduler = DDIMScheduler(beta_schedule=REFERENCE_NAME[kind], clip_sample=True)
    schedule = NoiseSchedule.make(kind)
    walk = partial(ddim, toy_denoiser, schedule, start(), noise=noise_at, eta=eta)
    assert_same_trajectory(walk, scheduler, steps, eta=eta, use_clipped_model_output=True)


@every_walk
def test_ddim_inversion_equals_the_reference(kind, steps):
    scheduler = DDIMInverseScheduler(beta_schedule=REFERENCE_NAME[kind], clip_sample=False)
    walk = partial(ddim_inverse, toy_denoiser, NoiseSchedule.make(kind), start())
    assert_same_trajectory(walk, scheduler, steps)


@every_kind
@pytest.mark.parametrize("steps", [2, 5, 50])
def test_dpm_solver_equals_the_reference(kind, steps):
    schedule = NoiseSchedule.make(kind)
    for clip in (True, False):
        # Dynamic thresholding with a largest value of 1 is our clipping.
        scheduler = DPMSolverMultistepScheduler(
            beta_schedule=REFERENCE_NAME[kind],
            algorithm_type="dpmsolver++",
            solver_order=2,
            thresholding=clip,
            sample_max_value=1.0,
        )
        walk = partial(dpm_solver_pp, toy_denoiser, schedule, start(), clip=clip)
        assert_same_trajectory(walk, scheduler, steps)


# --- against Gaussian data: Heun's method, and ddim of first order, follow their flow exactly ---

MU, S = 0.3, 0.5


def error_at_0(sampler, schedule: NoiseSchedule, steps: int, spacing: str = "logsnr") -> float:
    """The error of the state at t = 0 against the exact flow, for a noise of 1."""

    def exact(t):
        return schedule.alpha(t) * MU + math.hypot(schedule.alpha(t) * S, schedule.sigma(t))

    timesteps = spaced_timesteps(schedule, steps, spacing)
    x = torch.tensor([[exact(timesteps[0])]], dtype=torch.float64)
    oracle = GaussianDenoiser(schedule, MU, S)
    *_, step, _ = sampler(oracle, schedule, x, timesteps, clip=False)
    assert step.t_next == 0
    return abs(float(step.x) - exact(0))


@pytest.mark.parametrize("kind", SCHEDULES)
def test_by_heun_twice_the_steps_leave_a_quarter_of_the_error(kind):
    schedule = NoiseSchedule.make(kind)
    coarse, fine = (error_at_0(heun, schedule, steps) for steps in (40, 80))
    assert coarse / fine == pytest.approx(4, rel=0.2)
    assert fine < error_at_0(ddim, schedule, 160) / 5


def test_heuns_first_step_is_not_too_long_where_hardly_any_image_is_left():
    """sigma / alpha of the cosine schedule is 20,000 at T - 1: in sigma, 10 steps go wrong."""
    schedule = NoiseSchedule.make("cosine")
    assert error_at_0(heun, schedule, 10) < 0.7 * error_at_0(ddim, schedule, 10)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("steps", [6, 20, 50])
def test_dpm_solver_does_not_overshoot_in_its_long_step_to_0(kind, steps):
    """Evenly in t; by the paper's rule 20 steps with the cosine schedule are worse than DDIM's."""
    schedule = NoiseSchedule.make(kind)
    errors = [error_at_0(sampler, schedule, steps, "linear") for sampler in (dpm_solver_pp, ddim)]
    assert errors[0] < 0.7 * errors[1]


# --- the contract of every step ---


def short_walk(kind="linear"):
    schedule = NoiseSchedule.make(kind, 100)
    return schedule, spaced_timesteps(schedule, 9)


def test_extras_of_the_denoiser_are_passed_on_and_noise_is_asked_for_where_it_is_needed():
    def denoiser(x, t):
        return Prediction(toy_denoiser(x, t).eps, {"seen": x})

    schedule, timesteps = short_walk()
    steps = list(ddim(denoiser, schedule, start(), timesteps))
    assert torch.equal(steps[1].extras["seen"], steps[0].x)
    with pytest.raises(InvalidInput, match="noise"):
        ddim(toy_denoiser, schedule, start(), timesteps, eta=0.5)


@every_variant
@every_kind
@pytest.mark.parametrize("clip", [True, False])
def test_eps_and_x0_stay_consistent_with_the_state_that_was_denoised(sampler, kind, clip):
    schedule, timesteps = short_walk(kind)
    x = start()
    clipped = False
    for step in sampler(toy_denoiser, schedule, x, timesteps, noise_at, clip=clip):
        abar = schedule.abar(step.t)
        implied = math.sqrt(abar) * step.x0 + math.sqrt(1 - abar) * step.eps
        torch.testing.assert_close(implied, x, rtol=1e-9, atol=1e-9)
        if clip:
            assert step.x0.abs().max() <= 1
        clipped |= not torch.allclose(step.eps, toy_denoiser(x, step.t).eps)
        x = step.x
    assert clipped == clip


@every_variant
def test_steps_tell_where_they_are_and_leave_what_was_there_alone(sampler):
    schedule, timesteps = short_walk()
    x_start, steps, copies = start().float().requires_grad_(), [], []
    for step in sampler(toy_denoiser, schedule, x_start, timesteps, noise_at):
        steps.append(step)
        copies.append((step.x.clone(), step.x0.clone()))
        assert step.x.dtype == step.x0.dtype == step.eps.dtype == torch.float32
        assert torch.is_grad_enabled() and not step.x.requires_grad
    assert torch.equal(x_start, start().float())
    assert [s.index for s in steps] == list(range(1, 10))
    assert [s.t for s in steps] == timesteps
    assert [s.t_next for s in steps] == [*timesteps[1:], -1]
    torch.testing.assert_close(steps[-1].x, steps[-1].x0, rtol=0, atol=1e-6)
    for step, (x, x0) in zip(steps, copies, strict=True):
        assert torch.equal(step.x, x) and torch.equal(step.x0, x0)


@pytest.mark.parametrize("timesteps", [[], [1, 2], [100, 3], [9.7, 3.2]], ids=str)
@pytest.mark.parametrize("name", SAMPLERS)
def test_timesteps_that_are_no_walk_are_refused_before_the_first_step(name, timesteps):
    with pytest.raises(InvalidInput, match="timestep"):
        SAMPLERS[name](toy_denoiser, short_walk()[0], start(), timesteps, noise_at)
    with pytest.raises(InvalidInput, match="strictly increasing"):
        ddim_inverse(toy_denoiser, short_walk()[0], start(), [2, 1])


# --- inversion ---


def test_inversion_keeps_to_equation_4_before_and_after_every_step():
    """From the clean image, which needs no prediction, up; x̂0 is never clipped."""
    schedule, timesteps = short_walk()
    levels = [-1, *timesteps[::-1]]
    x, largest = start(), 0.0
    for step in ddim_inverse(toy_denoiser, schedule, x, timesteps[::-1]):
        before, t = levels[step.index - 1 : step.index + 1]
        assert (step.t, step.t_next) == (t, t)
        torch.testing.assert_close(step.eps, toy_denoiser(x, t).eps, rtol=0, atol=0)
        for level, state in ((before, x), (t, step.x)):
            abar = schedule.abar(level)
            implied = math.sqrt(abar) * step.x0 + math.sqrt(1 - abar) * step.eps
            torch.testing.assert_close(implied, state, rtol=1e-9, atol=1e-9)
        x, largest = step.x, max(largest, step.x0.abs().max())
    assert step.index == len(timesteps) and largest > 1


def test_ddim_with_all_of_its_noise_bears_rounding():
    schedule = NoiseSchedule.make("scaled_linear", 4000, start=1e-4, end=0.02)
    walk = ddim(toy_eps, schedule, start(), [3999, 0], eta=1, noise=noise_at)
    assert all(torch.isfinite(step.x).all() for step in walk)
