"""The forward process, step by step and at once; images led there and back."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from ddpm_core import checkpoints, load
from ddpm_core.diffusion import q_sample
from ddpm_core.errors import InvalidInput
from ddpm_core.noise import Noise
from ddpm_core.request import Request
from ddpm_core.sampling import Run
from ddpm_core.schedules import NoiseSchedule
from lab.process.forward import (
    closed_form,
    forward_film,
    from_picture,
    histogram,
    inversion_plan,
    inverting,
    noising,
    reconstruct,
    return_request,
    return_times,
    return_work,
    returns,
    round_trip,
    stepwise,
    there_and_back,
    to_picture,
)
from tests.support.toys import GaussianDenoiser, toy_denoiser

both_kinds = pytest.mark.parametrize("kind", ["linear", "cosine"])
SHAPE = (1, 8, 8)
MU, S = 0.3, 0.5


def images(n=2):
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(5)) * 2 - 1


def noise(n=2, seed=0) -> Noise:
    return Noise(seed, range(n), SHAPE)


# --- the forward process ---


@both_kinds
def test_all_timesteps_at_once_equal_the_reference_library(kind):
    name = {"linear": "linear", "cosine": "squaredcos_cap_v2"}[kind]
    theirs = DDPMScheduler(1000, beta_schedule=name)
    x0, z = images(1), noise(1)(1000)
    wanted = theirs.add_noise(x0, z, torch.arange(1000))
    film = list(closed_form(NoiseSchedule.make(kind), x0, range(1000), z))
    assert [state.t for state in film] == list(range(1000))
    got = torch.cat([state.x for state in film])
    # Its tables are float32: next to the image 1 - abar = 4e-5 keeps four digits.
    torch.testing.assert_close(got, wanted, rtol=0, atol=2e-5)


@both_kinds
def test_step_by_step_is_the_closed_form_of_the_noises_combined(kind):
    """What is added at s has shrunk by sqrt(abar_t / abar_s) at t."""
    schedule = NoiseSchedule.make(kind, 60)
    x0, asked, drawn = images().double(), noise(), []

    def listening(address):
        drawn.append(asked(address).double())
        return drawn[-1]

    for t, x in ((state.t, state.x) for state in stepwise(schedule, x0, listening)):
        abar = schedule.alphas_cumprod[: t + 1]
        weights = np.sqrt(schedule.betas[: t + 1] * abar[-1] / abar / (1 - abar[-1]))
        combined = sum(w * z for w, z in zip(weights, drawn, strict=True))
        (wanted,) = closed_form(schedule, x0, [t], combined)
        torch.testing.assert_close(x, wanted.x, rtol=0, atol=1e-12)
    assert t == 59


def test_states_are_computed_one_at_a_time_of_noise_that_no_sampler_asks_for():
    schedule, x0, asked, z = NoiseSchedule.make("linear", 10), images(), [], noise()
    states = stepwise(schedule, x0, lambda t: asked.append(t) or z(t))
    first = next(states)
    kept = first.x.clone()
    assert asked == [11]
    assert len(list(states)) == 9 and asked == list(range(11, 21))
    assert torch.equal(first.x, kept) and torch.equal(x0, images())


BAD_IMAGES = {
    "float32 or float64": [images().to(torch.uint8), images().half(), images().numpy()],
    "do not fit": [images(3), images()[0], images()[..., :4]],
    "finite": [images() * torch.nan],
}


@pytest.mark.parametrize(
    ("named", "bad"), [(name, bad) for name, several in BAD_IMAGES.items() for bad in several]
)
def test_images_that_cannot_be_noised_are_refused(model, named, bad):
    schedule = NoiseSchedule.make("linear", 10)
    with pytest.raises(InvalidInput, match=named):
        closed_form(schedule, bad, [0], noise()(10))
    with pytest.raises(InvalidInput, match=named):
        next(stepwise(schedule, bad, noise()))
    with pytest.raises(InvalidInput, match=named):
        there_and_back(model, bad, 3, Request(n=2))


@pytest.mark.parametrize("t", [-1, 10, 2.5, math.nan, True, "3", None])
def test_timesteps_outside_the_schedule_are_refused_at_once(t):
    with pytest.raises(InvalidInput, match="timestep"):
        closed_form(NoiseSchedule.make("linear", 10), images(), [0, t], noise()(10))


# --- there and back ---


@pytest.fixture
def model(unconditional_checkpoint):
    return checkpoints.load(unconditional_checkpoint)


def ask(**changes) -> Request:
    return Request(**{"n": 2, "steps": 6, "dtype": "float32"} | changes)


def last(steps):
    return list(steps)[-1].x


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm_solver_pp"])
def test_from_the_top_it_is_the_run_started_from_the_noised_images(model, sampler):
    run = Run(model, ask(sampler=sampler))
    (top,) = closed_form(model.schedule, images(), [49], run.start)
    back = list(there_and_back(model, images(), 49, ask(sampler=sampler)))
    for step, wanted in zip(back, run.steps(top.x), strict=True):
        assert (step.index, step.t, step.t_next) == (wanted.index, wanted.t, wanted.t_next)
        assert torch.equal(step.x, wanted.x)


@pytest.mark.parametrize("t", [-1, 50, 2.5, math.nan, True, "3"])
def test_a_turning_point_outside_the_schedule_is_refused(model, t):
    with pytest.raises(InvalidInput, match="^t must be"):
        there_and_back(model, images(), t, ask())
    with pytest.raises(InvalidInput, match="^top must be"):
        next(round_trip(toy_denoiser, model.schedule, images(), 5, t))


# --- inversion and reconstruction ---


@both_kinds
def test_a_reconstruction_converges_to_the_image(kind):
    schedule = NoiseSchedule.make(kind)
    oracle = GaussianDenoiser(schedule, MU, S)
    errors = [
        reconstruct(oracle, schedule, images().double(), steps, 900).rmse.max()
        for steps in (50, 100, 200, 400)
    ]
    for coarse, fine in zip(errors, errors[1:], strict=False):
        assert fine < coarse / 1.8
    assert errors[-1] < 0.01


@both_kinds
def test_the_noise_of_gaussian_pixels_is_their_standard_score(kind):
    """The exact flow of Gaussian data is affine; x_t stays as many spreads from its mean."""
    schedule = NoiseSchedule.make(kind)
    x0 = images().double()
    found = reconstruct(GaussianDenoiser(schedule, MU, S), schedule, x0, 901, 900)
    abar = schedule.abar(900)
    spread = math.sqrt(abar * S**2 + 1 - abar)
    score = (found.up[-1].x - math.sqrt(abar) * MU) / spread
    torch.testing.assert_close(score, (x0 - MU) / S, rtol=0, atol=0.02)


def test_a_reconstruction_tells_both_ways_and_its_error():
    schedule, x0 = NoiseSchedule.make("linear", 100), images()
    found = reconstruct(toy_denoiser, schedule, x0, 4, 90)
    assert [(s.t, s.t_next) for s in found.up] == [(0, 0), (30, 30), (60, 60), (90, 90)]
    assert [(s.t, s.t_next) for s in found.down] == [(90, 60), (60, 30), (30, 0), (0, -1)]
    assert [s.index for s in found.up + found.down] == list(range(1, 9))
    for k, rmse in enumerate(found.rmse):
        wanted = (found.down[-1].x[k] - x0[k]).square().mean().sqrt()
        assert rmse == pytest.approx(wanted.item())
        assert found.psnr[k] == pytest.approx(10 * math.log10(4 / wanted.item() ** 2), rel=1e-5)


@pytest.mark.parametrize("steps", [0, 92, 2.5, "4"])
def test_more_steps_than_there_are_timesteps_are_refused(steps):
    schedule = NoiseSchedule.make("linear", 100)
    with pytest.raises(InvalidInput, match="steps"):
        reconstruct(toy_denoiser, schedule, images(), steps, 90)
    with pytest.raises(InvalidInput, match="float32 or float64"):
        reconstruct(toy_denoiser, schedule, images().half(), 4, 90)


# --- the histogram ---


def test_the_histogram_of_noise_is_the_standard_normal():
    x = Noise(0, [0], (1, 300, 400))(0)
    edges, density, normal = histogram(x)
    assert (edges[0], edges[-1], len(edges)) == (-4, 4, 82)
    width = 8 / 81
    assert (normal * width).sum() == pytest.approx(math.erf(4 / math.sqrt(2)), abs=1e-6)
    # Counts are binomial: five standard errors, and one count where hardly any is expected.
    error = np.sqrt(normal / (x.numel() * width))
    assert (np.abs(density - normal) < 5 * error + 1 / (x.numel() * width)).all()
    assert normal[40] == pytest.approx(1 / math.sqrt(2 * math.pi))


def test_values_beyond_the_range_count_in_the_total():
    edges, density, _ = histogram(np.array([-1, -1, 1, 7.0]), bins=9)
    assert (density * np.diff(edges)).sum() == pytest.approx(0.75)
    assert density[3] * 8 / 9 == pytest.approx(0.5)
    # The commonest values of pixels lie within the default bins.
    edges = histogram(torch.zeros(1))[0]
    assert np.abs(edges[:, None] - [-1, 0, 1]).min() > 0.1 * (edges[1] - edges[0])


def test_the_film_is_made_in_parts_none_of_them_long_and_not_too_large(checkpoint, monkeypatch):
    monkeypatch.setattr("lab.process.forward.VALUES_AT_A_TIME", 64 * 7)
    model = load(checkpoint)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 1), np.uint8)
    *parts, film = noising(model, picture, 3, 21)
    assert parts == [None] * 7  # 51 states
    assert film.film.finished and film.film.frames == 51
    monkeypatch.setattr("lab.process.forward.MAX_VALUES", 50 * 64 - 1)
    with pytest.raises(InvalidInput, match="50 states of 64 values are 3,200, more than the 3,199"):
        forward_film(model, picture)


@pytest.mark.parametrize(
    ("x", "bins", "named"),
    [
        (torch.zeros(0), 81, "values"),
        (torch.tensor([math.nan]), 81, "finite"),
        (torch.zeros(3), 0, "bins"),
        (torch.zeros(3), 2.5, "bins"),
    ],
)
def test_a_histogram_of_nothing_is_refused(x, bins, named):
    with pytest.raises(InvalidInput, match=named):
        histogram(x, bins)


# --- a film of one picture ---


def test_the_film_goes_from_noise_to_the_picture_both_ways(checkpoint):
    model = load(checkpoint)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 1), np.uint8)
    found = forward_film(model, picture, seed=3, bins=21)
    steps = model.schedule.num_timesteps
    assert found.film.t == list(range(steps, -1, -1)) and found.film.finished
    for pane in (found.film.x, found.film.x0):
        assert pane.shape == (steps + 1, 1, 8, 8, 1)
        np.testing.assert_array_equal(pane[-1, 0], picture)
    noise = model.noise(3, [0])(steps)
    x = q_sample(model.schedule, from_picture(picture, model.shape), 10, noise)
    np.testing.assert_array_equal(found.film.x[steps - 11, 0], to_picture(x))
    assert found.density.shape == (steps + 1, 21) and found.normal.shape == (21,)
    assert found.mean[11] == pytest.approx(float(x.mean()), abs=1e-6)
    assert found.alphas_cumprod[11] == model.schedule.alphas_cumprod[10]
    assert (found.alphas_cumprod[0], found.betas[0]) == (1, 0)


def test_a_picture_goes_there_and_back_unchanged():
    picture = np.random.default_rng(1).integers(0, 256, (5, 4, 3), np.uint8)
    x = from_picture(picture, (3, 5, 4))
    assert x.shape == (1, 3, 5, 4) and x.min() >= -1 and x.max() <= 1
    np.testing.assert_array_equal(to_picture(x), picture)


@pytest.mark.parametrize(
    "picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 1)), np.zeros((9, 8, 1), np.uint8)]
)
def test_other_pictures_are_refused(picture):
    with pytest.raises(InvalidInput, match="a picture of 8 x 8 pixels"):
        from_picture(picture, (1, 8, 8))


# --- returns ---


def test_a_picture_returns_from_every_time_in_turn(checkpoint):
    model = load(checkpoint)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 1), np.uint8)
    request = return_request(model, label=3, seed=2, steps=4)
    found = list(returns(model, picture, [2, 50, 30], request))
    assert len(found) == return_work([2, 50, 30], 4) == 2 + 4 + 4
    arrived = [f for f in found if f.arrived]
    assert [f.time for f in arrived] == [2, 50, 30]
    x0 = from_picture(picture, model.shape)
    for moment in arrived:
        (at_once,) = closed_form(model.schedule, x0, [moment.time - 1], model.noise(2, [0])(50))
        np.testing.assert_array_equal(moment.noised, to_picture(at_once.x))
        walk = list(there_and_back(model, x0, moment.time - 1, request))
        np.testing.assert_array_equal(moment.state, to_picture(walk[-1].x))
    assert not found[0].arrived and found[1].arrived
    # It is brought back as the model is meant to be sampled.
    model.config.sampling.update(clip=False)
    assert return_request(model).clip is False
    assert return_request(model, clip=True).clip is True


@pytest.mark.parametrize("steps", [1, 3, 30, 1000])
def test_short_schedules_have_times_and_plans_too(steps):
    schedule = NoiseSchedule.make("linear", steps)
    times = return_times(schedule)
    assert times == sorted(set(times)) and times[0] >= 1 and times[-1] == steps
    each, top = inversion_plan(schedule)
    assert 1 <= each <= top <= steps
    assert steps < 1000 or (times, each, top) == (
        [50, 100, 200, 300, 400, 500, 600, 700, 800, 1000],
        100,
        900,
    )


def test_an_inversion_is_the_round_trip_with_its_account(checkpoint):
    model = load(checkpoint)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 1), np.uint8)
    *steps, found = inverting(model, picture, 3, 6, 40)
    assert len(steps) == 12
    x0 = from_picture(picture, model.shape)
    wanted = reconstruct(model.denoiser([3], "float32"), model.schedule, x0, 6, 39)
    assert (found.steps, found.time) == (6, 40)
    assert found.rmse == pytest.approx(float(wanted.rmse[0]))
    assert found.psnr == pytest.approx(float(wanted.psnr[0]))
    np.testing.assert_array_equal(found.pictures[1], to_picture(wanted.up[-1].x))
    np.testing.assert_array_equal(found.pictures[2], to_picture(wanted.down[-1].x))
    for shown, step in zip(steps, wanted.up + wanted.down, strict=True):
        np.testing.assert_array_equal(shown, to_picture(step.x))
