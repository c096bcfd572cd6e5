"""The forward process, step by step and at once; pictures led there and back, by command too."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import load, read_note
from ddpm_core.diffusion import q_sample, q_step
from ddpm_core.errors import InvalidInput
from ddpm_core.noise import Noise
from ddpm_core.request import Request
from ddpm_core.sampling import Run
from ddpm_core.schedules import NoiseSchedule
from lab.__main__ import main
from lab.process.forward import (
    BINS,
    forward_film,
    from_picture,
    histogram,
    inverting,
    noising,
    return_request,
    return_work,
    returns,
    round_trip,
    stepwise,
    to_picture,
)
from lab.process.packed import pack, unpack
from lab.progress import last
from tests.support.toys import GaussianDenoiser, toy_denoiser

both_kinds = pytest.mark.parametrize("kind", ["linear", "cosine"])
MU, S = 0.3, 0.5
PICTURE = np.random.default_rng(3).integers(0, 256, (8, 8, 1), np.uint8)


def images(n=2):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1


# --- there ---


def test_step_by_step_adds_noise_that_no_sampler_asks_for():
    schedule, noise = NoiseSchedule.make("cosine", 60), Noise(0, range(2), (1, 8, 8))
    x = images()
    for t, state in enumerate(stepwise(schedule, x, noise)):
        x = q_step(schedule, x, t, noise(61 + t))
        assert torch.equal(state, x)
    assert t == 59


def test_the_film_goes_from_noise_to_the_picture_both_ways_and_is_made_in_parts(model, monkeypatch):
    monkeypatch.setattr("lab.process.forward.VALUES_AT_A_TIME", 64 * 7)
    *parts, result = noising(model, PICTURE, 3)
    assert parts == [None] * 7  # 51 states
    assert result.film.t == list(range(50, -1, -1)) and result.film.finished
    for pane in (result.film.x, result.film.x0):
        assert pane.shape == (51, 1, 8, 8, 1)
        np.testing.assert_array_equal(pane[-1, 0], PICTURE)
    x0, noise = from_picture(PICTURE, model.shape), model.noise(3, [0])
    x = q_sample(model.schedule, x0, 10, noise(50))
    np.testing.assert_array_equal(result.film.x[39, 0], to_picture(x))
    *_, pair = zip(range(11), stepwise(model.schedule, x0, noise), strict=False)
    np.testing.assert_array_equal(result.film.x0[39, 0], to_picture(pair[1]))
    assert result.density.shape == (51, BINS) and result.normal.shape == (BINS,)
    assert result.mean[11] == pytest.approx(float(x.mean()), abs=1e-6)
    monkeypatch.setattr("lab.process.forward.MAX_VALUES", 50 * 64 - 1)
    with pytest.raises(InvalidInput, match="50 states of 64 values are 3,200, more than the 3,199"):
        forward_film(model, PICTURE)


def test_the_histogram_of_noise_is_the_standard_normal():
    x = Noise(0, [0], (1, 300, 400))(0)
    density, normal = histogram(x)
    width = 8 / BINS
    assert (normal * width).sum() == pytest.approx(math.erf(4 / math.sqrt(2)), abs=1e-6)
    # Counts are binomial: five standard errors, and one count where hardly any is expected.
    error = np.sqrt(normal / (x.numel() * width))
    assert (np.abs(density - normal) < 5 * error + 1 / (x.numel() * width)).all()
    assert normal[BINS // 2] == pytest.approx(1 / math.sqrt(2 * math.pi))


# --- there and back ---


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm_solver_pp"])
def test_a_picture_returns_from_every_time_in_turn(checkpoint, sampler):
    model = load(checkpoint)
    request = return_request(model, label=3, seed=2, steps=4, sampler=sampler)
    moments = list(returns(model, PICTURE, [2, 50, 30], request))
    assert len(moments) == return_work([2, 50, 30], 4) == 2 + 4 + 4
    arrived = [m for m in moments if m.arrived]
    assert [m.time for m in arrived] == [2, 50, 30]
    x0 = from_picture(PICTURE, model.shape)
    for moment in arrived:
        noised = q_sample(model.schedule, x0, moment.time - 1, model.noise(2, [0])(50))
        np.testing.assert_array_equal(moment.noised, to_picture(noised))
        walk = Run(model, request, x0=x0, t=moment.time - 1).steps()
        np.testing.assert_array_equal(moment.state, to_picture(last(walk).x))
    # It is brought back as the model is meant to be sampled.
    model.config.sampling.update(clip=False)
    assert return_request(model).clip is False
    assert return_request(model, clip=True).clip is True


# --- inversion ---


@both_kinds
def test_a_reconstruction_converges_to_the_image(kind):
    schedule, x0 = NoiseSchedule.make(kind), images().double()
    oracle = GaussianDenoiser(schedule, MU, S)
    walks = (round_trip(oracle, schedule, x0, steps, 900) for steps in (50, 100, 200, 400))
    errors = [(last(walk).x - x0).square().mean().sqrt() for walk in walks]
    assert all(fine < coarse / 1.8 for coarse, fine in zip(errors, errors[1:], strict=False))
    assert errors[-1] < 0.01


@both_kinds
def test_the_noise_of_gaussian_pixels_is_their_standard_score(kind):
    """The exact flow of Gaussian data is affine; x_t stays as many spreads from its mean."""
    schedule, x0 = NoiseSchedule.make(kind), images().double()
    walk = round_trip(GaussianDenoiser(schedule, MU, S), schedule, x0, 901, 900)
    top = next(step for step in walk if step.index == 901)
    abar = schedule.abar(900)
    score = (top.x - math.sqrt(abar) * MU) / math.sqrt(abar * S**2 + 1 - abar)
    torch.testing.assert_close(score, (x0 - MU) / S, rtol=0, atol=0.02)


def test_a_round_trip_goes_both_ways_over_the_same_timesteps_and_refuses_what_cannot_be():
    schedule = NoiseSchedule.make("linear", 100)
    walk = list(round_trip(toy_denoiser, schedule, images(), 4, 90))
    assert [(s.t, s.t_next) for s in walk[:4]] == [(0, 0), (30, 30), (60, 60), (90, 90)]
    assert [(s.t, s.t_next) for s in walk[4:]] == [(90, 60), (60, 30), (30, 0), (0, -1)]
    assert [s.index for s in walk] == list(range(1, 9))
    for steps, top, message in ((92, 90, "steps"), (5, 100, "^top must be")):
        with pytest.raises(InvalidInput, match=message):
            next(round_trip(toy_denoiser, schedule, images(), steps, top))


def test_an_inversion_is_the_round_trip_with_its_account(model):
    *steps, result = inverting(model, PICTURE, 3, 6, 40)
    x0 = from_picture(PICTURE, model.shape)
    walk = list(round_trip(model.denoiser([3], "float32"), model.schedule, x0, 6, 39))
    for picture, step in zip(steps, walk, strict=True):
        np.testing.assert_array_equal(picture, to_picture(step.x))
    error = float((walk[-1].x - x0).square().mean())
    assert (result.steps, result.time) == (6, 40)
    assert result.rmse == pytest.approx(math.sqrt(error))
    assert result.psnr == pytest.approx(10 * math.log10(4 / error), rel=1e-5)
    np.testing.assert_array_equal(result.pictures[:3], [PICTURE, steps[5], steps[-1]])
    difference = np.abs(steps[-1].astype(int) - PICTURE)
    np.testing.assert_array_equal(result.pictures[3], (4 * difference).clip(0, 255))


# --- the command ---


@pytest.fixture
def run(checkpoint, tmp_path):
    """Call 'forward' on the tiny checkpoint of T = 50; the exit status and the file's path."""
    file = tmp_path / "picture.png"
    Image.fromarray(PICTURE[..., 0]).save(file)

    def call(name, *options, source=("--picture", file)):
        out = [] if name is None else ["--out", tmp_path / name]
        arguments = ["forward", "--model", checkpoint, *source, *out, "--scale", 1, *options]
        return main([*map(str, arguments)]), tmp_path / (name or "none")

    return call


def tiles(path, rows, columns):
    """The pictures of a labelled sheet of 8 x 8 tiles: (rows, columns, 8, 8)."""
    sheet = np.asarray(Image.open(path))[-(9 * rows - 1) :, -(9 * columns - 1) :]
    return np.array(
        [[sheet[9 * r : 9 * r + 8, 9 * c : 9 * c + 8] for c in range(columns)] for r in range(rows)]
    )


def test_a_strip_shows_both_equations_at_the_times_asked_for(run, model):
    status, out = run("a.png", "--t", 0, 7, 50, "--seed", 4)
    assert status == 0
    pictures, film = tiles(out, 2, 3), forward_film(model, PICTURE, 4).film
    for column, time in enumerate((0, 7, 50)):
        np.testing.assert_array_equal(pictures[0, column], film.x[50 - time, 0, ..., 0])
        np.testing.assert_array_equal(pictures[1, column], film.x0[50 - time, 0, ..., 0])
    fields = json.loads(read_note(out))
    assert (fields["model"], fields["seed"]) == ("tiny", 4)
    np.testing.assert_array_equal(unpack(fields["packed"], (1, 8, 8)), PICTURE)
    _, other = run("b.png", "--t", 0, 7, 50, "--seed", 4, source=("--packed", pack(PICTURE)))
    assert out.read_bytes() == other.read_bytes()
    with Image.open(run("a.gif")[1]) as gif:
        assert gif.n_frames == 51


def test_back_is_what_returns_from_each_time(run, model):
    status, out = run("a.png", "--back", "--label", 3, "--steps", 5, "--seed", 2, "--t", 4, 30)
    assert status == 0
    request = Request(n=1, label=3, steps=5, seed=2, sampler="ddim", eta=1.0)
    arrived = [m for m in returns(model, PICTURE, [4, 30], request) if m.arrived]
    expected = [[m.noised[..., 0] for m in arrived], [m.state[..., 0] for m in arrived]]
    np.testing.assert_array_equal(tiles(out, 2, 2), expected)


def test_invert_tells_the_error_and_writes_no_file_unless_asked(run, model, tmp_path, capsys):
    status, out = run("a.png", "--invert", "--steps", 10, "--top", 40, "--label", 3)
    *_, result = inverting(model, PICTURE, 3, 10, 40)
    printed = capsys.readouterr().out
    assert status == 0 and f"RMSE {result.rmse:.4f}" in printed
    np.testing.assert_array_equal(tiles(out, 1, 4)[0], result.pictures[..., 0])
    before = sorted(tmp_path.iterdir())
    assert run(None, "--invert", "--steps", 4)[0] == 0
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--t 51", "t must be between 0 and 50"),
        ("--invert --t 3", "--t has no meaning for --invert"),
        ("--back --sampler heun --eta 0.5", "--eta is an option of --sampler ddim, not of heun"),
    ],
)
def test_what_cannot_be_is_refused_in_words(run, capsys, options, message):
    status, out = run("a.png", *options.split())
    assert status == 2 and not out.exists()
    assert message in capsys.readouterr().err
