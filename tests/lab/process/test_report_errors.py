"""The report's errors: each walks as its own formula says, and nothing else changes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_core.errors import InvalidInput
from ddpm_core.faults import FAULTS
from ddpm_core.request import Request
from ddpm_core.sampling import Run
from ddpm_core.schedules import NoiseSchedule
from lab.process.report_errors import ALMOST_ONE

ALL = {"n": 2, "steps": 50, "sampler": "ddpm", "label": "none", "dtype": "float32"}


def states(model, **changes):
    run = Run(model, Request(**ALL | changes))
    return run, [run.start, *(step.x for step in run.steps())]


def test_faults_of_the_schedule_are_those_of_the_report():
    sound = NoiseSchedule.make("linear", 1000)
    wrong = FAULTS["off-by-one"].schedule(sound)
    for t in (1, 2, 500, 999):
        assert wrong.abar(t) == pytest.approx(np.prod(1 - sound.betas[:t]), rel=1e-12)
    assert wrong.abar(0) == ALMOST_ONE
    np.testing.assert_array_equal(wrong.betas, sound.betas)
    wrong = FAULTS["first-beta"].schedule(sound)
    np.testing.assert_allclose(wrong.betas, np.linspace(1e-3, 0.02, 1000), rtol=1e-12)
    assert FAULTS["none"].schedule(sound) is sound


@pytest.mark.parametrize("steps", [50, 7])
def test_a_missing_root_adds_beta_times_the_noise(plain, steps):
    """By hand: the mean of DDPM's step and beta times the noise, from the plain's own answers."""
    run, xs = states(plain, fault="missing-root", steps=steps)
    schedule, noise = plain.schedule, plain.noise(0, [0, 1])
    denoiser = plain.denoiser([None, None], "float32")
    for i, t in enumerate(run.timesteps[:-1]):
        x, below = xs[i], run.timesteps[i + 1]
        abar, abar_next = schedule.abar(t), schedule.abar(below)
        with torch.no_grad():
            eps = denoiser(x, t).eps
        x0 = ((x - math.sqrt(1 - abar) * eps) / math.sqrt(abar)).clamp(-1, 1)
        beta = 1 - abar / abar_next
        mean = math.sqrt(abar_next) * beta / (1 - abar) * x0
        mean = mean + math.sqrt(1 - beta) * (1 - abar_next) / (1 - abar) * x
        torch.testing.assert_close(xs[i + 1], mean + beta * noise(t), rtol=1e-4, atol=1e-5)


def test_off_by_one_acts_in_a_run_at_its_first_step(plain):
    """DDIM from x_T: the whole run goes by the shifted table, from its last row but one."""
    run, xs = states(plain, fault="off-by-one", sampler="ddim", steps=2, clip=False)
    assert run.timesteps == [49, 0]
    abar = math.prod(1 - beta for beta in plain.schedule.betas[:49])
    with torch.no_grad():
        eps = plain.denoiser([None, None], "float32")(xs[0], 49).eps
    x0 = (xs[0] - math.sqrt(1 - abar) * eps) / math.sqrt(abar)
    # Below t = 0 there is nothing left to leave out: no noise but the little that stands for none.
    expected = math.sqrt(1 - 1e-8) * x0 + 1e-4 * eps
    torch.testing.assert_close(xs[1], expected, rtol=1e-4, atol=1e-5, check_dtype=False)


@pytest.mark.usefixtures("classifiers")
def test_batch_scale_divides_lambda_by_the_images_of_the_batch(plain):
    guided = {"label": 3, "guidance": "classifier-noisy", "form": "plain"}
    _, wrong = states(plain, fault="batch-scale", guidance_scale=8, **guided)
    _, fair = states(plain, guidance_scale=4, **guided)
    torch.testing.assert_close(wrong[-1], fair[-1], rtol=0, atol=0)
    assert FAULTS["none"].scale(200.0, 12) == 200.0
    # By the images that were asked for, however they are batched.
    request = Request(**ALL | guided | {"fault": "batch-scale", "guidance_scale": 8, "n": 4})
    for images in (None, [0, 1], [3], []):
        assert all(scale == 2 for scale in Run(plain, request, images).scales)
    with pytest.raises(InvalidInput, match="more than one"):
        Run(plain, replace(request, n=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fault": "missing-root", "sampler": "ddim"}, "ddpm with variance beta"),
        ({"fault": "batch-scale"}, "classifier guidance"),
        ({"fault": "first-beta"}, "begins with 1e-3 itself"),
        ({"fault": "gremlin"}, "missing-root"),
    ],
)
def test_a_fault_that_could_not_act_is_refused(plain, changes, message):
    with pytest.raises(InvalidInput, match=message):
        Run(plain, Request(**ALL | changes))
