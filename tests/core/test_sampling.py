"""Runs and batches: from a request to pictures."""

import json
import math
from functools import partial

import numpy as np
import pytest
import torch

from ddpm_core.data import to_uint8
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from ddpm_core.samplers import ddim
from ddpm_core.sampling import Run, film, sample
from ddpm_core.schedules import Schedule

ask = partial(Request, n=8, steps=6, dtype="float32")
SETTINGS = [
    {"sampler": "ddpm", "variance": "beta"},
    {"sampler": "ddpm", "variance": "posterior", "spacing": "quadratic"},
    {"sampler": "ddim"},
    {"sampler": "ddim", "eta": 1.0},
    {"sampler": "dpm_solver_pp", "spacing": "logsnr"},
    {"sampler": "dpm_solver_pp", "clip": False},
    {"sampler": "heun"},
]
every_setting = pytest.mark.parametrize(
    "setting", SETTINGS, ids=lambda s: "-".join(map(str, s.values()))
)


def test_what_a_model_has_not_is_refused_and_so_is_too_much_work(model):
    assert Run(model, ask(steps=50)).timesteps == list(range(49, -1, -1))
    with pytest.raises(InvalidInput, match="steps must be between 1 and 50"):
        ask(steps=51).for_model(model)
    assert ask(n=8, steps=6).for_model(model, max_work=48).n == 8
    with pytest.raises(InvalidInput, match="8 images x 6 steps are 48 denoisings.*47"):
        ask(n=8, steps=6).for_model(model, max_work=47)
    with pytest.raises(InvalidInput, match="fewer images or steps"):
        film(model, ask(n=100_000, steps=50))


# --- runs ---


@every_setting
def test_a_run_may_start_from_images_and_goes_on_after_any_step(model, setting):
    x0 = torch.linspace(-1, 1, 64).view(1, 1, 8, 8)
    run = Run(model, ask(**setting), x0=x0, t=30)
    assert (run.timesteps[0], run.timesteps[-1], len(run.timesteps)) == (30, 0, 6)
    abar, noise = model.schedule.abar(30), Run(model, ask(**setting)).start
    torch.testing.assert_close(run.start, math.sqrt(abar) * x0 + math.sqrt(1 - abar) * noise)
    steps = list(run.steps())
    for count in (1, 3, 5):
        rest = run.steps(previous=steps[count - 1])
        for resumed, original in zip(rest, steps[count:], strict=True):
            assert (resumed.index, resumed.t_next) == (original.index, original.t_next)
            for name in ("x", "x0", "eps"):
                assert torch.equal(getattr(resumed, name), getattr(original, name))
    recorded = run.film().extended(iter(steps))
    assert recorded.finished
    assert recorded.t == [31, *(t + 1 for t in run.timesteps[1:]), 0]


@every_setting
def test_every_setting_reaches_the_sampler(model, setting):
    """Each differs from the same sampler with its defaults, if it has other settings at all."""
    plain_setting = {"sampler": setting["sampler"]}
    same = setting == plain_setting or setting.get("variance") == "beta"
    a, b = (list(Run(model, ask(**s)).steps())[-2].x for s in (setting, plain_setting))
    assert torch.equal(a, b) == same


def test_a_run_describes_everything_that_made_it(model, plain):
    note = json.loads(Run(model, ask(label=3, seed=9, eta=0.5, sampler="ddim")).describe())
    assert note["model"] == "tiny"
    assert (note["n"], note["label"], note["sampler"], note["steps"]) == (8, 3, "ddim", 6)
    assert (note["seed"], note["eta"], note["dtype"]) == (9, 0.5, "float32")
    assert note["torch"] in torch.__version__
    assert json.loads(Run(plain, ask(label="all")).describe())["label"] == "none"
    run = Run(model, Request(n=1, steps=2))
    assert json.loads(run.describe())["dtype"] == run.dtype != "auto"


# --- samples and films ---


@every_setting
def test_the_batch_size_changes_rounding_only(model, setting):
    ticks = []
    request = ask(**setting)
    eight, one = (sample(model, request, batch).astype(int) for batch in (8, 1))
    three = sample(model, request, 3, progress=ticks.append).astype(int)
    assert sum(ticks) == 3 * 6
    assert three.shape == (8, 8, 8, 1)
    assert np.abs(three - eight).max() <= 1
    assert np.abs(one - eight).max() <= 1


def test_what_is_known_is_true_or_false_and_a_batch_has_images(model):
    shape = (1, *model.shape)
    with pytest.raises(InvalidInput, match="does not fit images"):
        Run(model, Request(n=1), x0=torch.zeros(shape), known=torch.ones(2, 3) > 0)
    with pytest.raises(InvalidInput, match="known must be a bool"):
        Run(model, Request(n=1), x0=torch.zeros(shape), known=torch.ones(shape))
    with pytest.raises(InvalidInput, match="not from 0 to 255"):
        Run(model, Request(n=1), x0=torch.full(shape, 255.0), t=3)
    with pytest.raises(InvalidInput, match="batch must be between 1"):
        sample(model, Request(n=1), batch=0)


def test_what_does_not_fit_a_run_is_refused_before_it_is_broadcast(model):
    run = Run(model, ask(n=2, steps=2))
    for start in (torch.zeros(1, *model.shape), run.start.numpy(), run.start[..., 1:]):
        with pytest.raises(InvalidInput, match="x must be"):
            run.steps(start)
    with pytest.raises(InvalidInput, match="x0"):
        Run(model, ask(n=2), t=5)
    with pytest.raises(InvalidInput, match="a request"):
        Run(model, [])
    one_for_all = ddim(lambda x, t: x[:1], model.schedule, run.start, run.timesteps)
    with pytest.raises(InvalidInput, match="of one shape"):
        list(one_for_all)


def test_a_film_is_the_run_frame_by_frame(model):
    request, ticks = ask(), []
    recorded = film(model, request, ticks.append)
    run = Run(model, request)
    # The time of each state: what its noise belongs to, not what led to it.
    assert recorded.t == [50, *(t + 1 for t in run.timesteps[1:]), 0]
    states = [run.start, *(step.x for step in run.steps())]
    for frame, x in zip(recorded.x, states, strict=True):
        np.testing.assert_array_equal(frame, to_uint8(x).permute(0, 2, 3, 1).numpy())
    np.testing.assert_array_equal(recorded.images(), sample(model, request))
    assert ticks == [1] * 6


@pytest.mark.parametrize("guidance", ["none", "cfg"])
@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_a_way_begins_and_ends_with_the_images_of_both_seeds(model, sampler, guidance):
    """Noise that is added on the way there lies on a great circle, too."""
    args = {"sampler": sampler, "guidance": guidance, "first": 5}
    way = sample(model, ask(n=7, seed=1, toward=2, label=3, mix=6, **args), batch=3)
    first, last = (
        sample(model, ask(n=1, seed=seed, label=label, **args)) for seed, label in ((1, 3), (2, 6))
    )
    gaps = [np.abs(a.astype(int) - b).max() for a, b in ((way[0], first[0]), (way[-1], last[0]))]
    assert max(gaps) <= 1
    one = sample(model, ask(n=1, seed=1, toward=2, along=0.5, label=3, mix=6, **args))
    assert np.abs(way[3].astype(int) - one[0]).max() <= 1
    assert len(np.unique(way.reshape(7, -1), axis=0)) == 7


def test_a_run_begins_with_as_much_noise_as_its_schedule_ends_with(model, monkeypatch):
    request = Request(n=64, label="all")
    usual = Run(model, request).start
    monkeypatch.setattr(model, "schedule", Schedule(np.ones(50), np.geomspace(0.01, 50, 50)))
    assert Run(model, request).start.std() == pytest.approx(50 * usual.std().item(), rel=1e-3)
