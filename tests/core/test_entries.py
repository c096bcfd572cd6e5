"""Every sampler, schedule and guidance does what it states about itself, new ones too."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_core import SAMPLERS, Request, Run, checkpoints, sample
from ddpm_core.guidance import GUIDANCE, Guidance
from ddpm_core.noise import Noise
from ddpm_core.schedules import SCHEDULES, NoiseSchedule, spaced_timesteps

STEPS = 6
ALL = [NoiseSchedule.make(kind, 200) for kind in SCHEDULES]
every_schedule = pytest.mark.parametrize("schedule", ALL, ids=lambda schedule: schedule.kind)
every_sampler = pytest.mark.parametrize("name", SAMPLERS)


def toward(point, schedule, calls=None):
    """The exact denoiser of data that is one point, which answers in a bare eps."""

    def denoiser(x, t):
        if calls is not None:
            calls.append(t)
        return (x - schedule.alpha(t) * point) / schedule.sigma(t)

    return denoiser


@every_sampler
@every_schedule
def test_a_sampler_evaluates_the_denoiser_as_often_as_it_states(name, schedule):
    sampler, calls, point = SAMPLERS[name], [], torch.tensor([0.5, -0.25])
    timesteps = spaced_timesteps(schedule, STEPS)
    noise = Noise(0, range(3), (2,))
    steps = list(sampler(toward(point, schedule, calls), schedule, noise(200), timesteps, noise))
    assert calls == [t for visited in sampler.visits(timesteps) for t in visited]
    assert len(calls) == sampler.calls(STEPS)
    # Points in the plane work as images do; and the walk ends where the data are.
    assert len(steps) == STEPS and steps[-1].x.shape == (3, 2)
    torch.testing.assert_close(steps[-1].x, point.expand(3, 2), atol=1e-3, rtol=0)


@every_sampler
def test_a_sampler_adds_noise_just_where_it_says_so(name):
    schedule, sampler = NoiseSchedule.make("linear", 200), SAMPLERS[name]
    calls = []

    def noise(t):
        calls.append(t)
        return torch.zeros(1, 2)

    for eta in (0.0, 1.0):
        calls.clear()
        request = Request(sampler=name, eta=eta)
        options = {option: getattr(request, option) for option in sampler.options}
        args = toward(torch.zeros(2), schedule), schedule, torch.ones(1, 2), [150, 70, 0], noise
        assert len(list(sampler(*args, **options))) == 3
        assert bool(calls) == sampler.is_noisy(request)


@pytest.mark.parametrize("method", GUIDANCE)
@every_sampler
def test_a_run_calls_the_network_as_often_as_it_tells(name, method, checkpoint, classifiers):
    model = checkpoints.load(checkpoint)
    request = Request(n=9, label=3, sampler=name, steps=STEPS, guidance=method, dtype="float32")
    sizes, run = [], Run(model, request)
    evaluate = model.evaluate

    def counting(net, x, t, labels=None):
        sizes.append(len(x))
        return evaluate(net, x, t, labels)

    model.evaluate = counting
    calls = [0, *(sum(sizes) / 9 for _ in run.steps())]
    assert calls == run.calls()
    assert calls[-1] == SAMPLERS[name].calls(STEPS) * (2 if method == "cfg" else 1)
    assert request.work >= 9 * calls[-1]


def test_a_guidance_of_any_kind_is_one_entry(checkpoint, monkeypatch):
    def bright(aim):
        return lambda x, t: aim.denoiser(aim.labels)(x, t).eps - aim.strength(t).view(-1, 1, 1, 1)

    entry = Guidance("bright", bright, default=0.5, options=("t_low", "t_high", "profile"))
    monkeypatch.setitem(GUIDANCE, "bright", entry)
    model = checkpoints.load(checkpoint)
    request = Request(n=2, label="none", steps=STEPS, guidance="bright")
    plain, pushed = (sample(model, r).mean() for r in (replace(request, guidance="none"), request))
    assert pushed > plain + 10


@pytest.mark.parametrize("num_timesteps", [1000, 50, 4000])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_schedule_survives_its_config_and_leads_to_noise(kind, num_timesteps):
    config = SCHEDULES[kind].config(kind, num_timesteps)
    schedule = NoiseSchedule.make(**json.loads(json.dumps(config)))
    assert (schedule.kind, schedule.num_timesteps) == (kind, num_timesteps)
    np.testing.assert_array_equal(schedule.signals, NoiseSchedule.make(**config).signals)
    assert schedule.abar(num_timesteps - 1) < 0.01 and schedule.abar(0) > 0.98
    assert (schedule.alpha(-1), schedule.sigma(-1), schedule.abar(-1)) == (1, 0, 1)
    for t in (0, num_timesteps - 1):
        ratio = schedule.alpha(t) ** 2 / schedule.sigma(t) ** 2
        assert schedule.log_snr[t] == pytest.approx(np.log(ratio), abs=1e-6)
