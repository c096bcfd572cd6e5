"""Holes filled in pictures, and the steps that are gone back over."""

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import SAMPLERS
from ddpm_core.denoiser import PartlyKnown
from ddpm_core.diffusion import q_between, q_sample
from ddpm_core.errors import InvalidInput
from ddpm_core.sampling import Run
from lab.__main__ import main
from lab.process.filling import fill_request, fill_run, filling
from lab.process.forward import from_picture, to_picture
from lab.process.packed import pack
from tests.support.toys import GaussianDenoiser

PICTURE = np.random.default_rng(3).integers(0, 256, (8, 8, 1), np.uint8)
HOLE = np.zeros((8, 8), bool)
HOLE[2:6, 3:7] = True


@pytest.mark.parametrize("resample", [1, 3])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_known_stays_and_the_rest_is_eight_proposals(model, sampler, resample):
    request = fill_request(model, 3, seed=2, steps=5, sampler=sampler)
    run = fill_run(model, PICTURE, HOLE, request)
    steps = list(filling(run, resample))
    assert len(steps) == 5 * resample
    kept = [step for step, is_kept in steps if is_kept]
    assert [step.t for step in kept] == run.timesteps and kept[-1].t_next == -1
    assert [step.index for step in kept] == list(range(1, 6))
    pictures = [to_picture(x[None]) for x in kept[-1].x]
    for picture in pictures:
        np.testing.assert_array_equal(picture[~HOLE], PICTURE[~HOLE])
    assert len({picture.tobytes() for picture in pictures}) == 8
    repeated = [step for step, is_kept in filling(run, resample) if is_kept]
    assert torch.equal(repeated[-1].x, kept[-1].x)


def test_the_network_sees_the_known_part_with_the_runs_own_noise(model):
    """Without added noise, that of x_T all the way."""
    request = fill_request(model, 3, steps=10, eta=0.0)
    run, x0 = fill_run(model, PICTURE, HOLE, request), from_picture(PICTURE, model.shape)
    start = run.start
    assert torch.equal(start, Run(model, request).start), "nothing of the hole is in it"
    top, known = run.timesteps[0], torch.from_numpy(~HOLE)[None, None].expand_as(start)
    noise = (start - model.schedule.alpha(top) * x0) / model.schedule.sigma(top)
    for step in run.steps():
        if step.t_next >= 0:
            expected = q_sample(model.schedule, x0, step.t_next, noise)
            torch.testing.assert_close(step.x[known], expected[known], rtol=0, atol=1e-4)


def test_where_pixels_say_nothing_of_each_other_a_hole_is_filled_as_if_all_were_one(model):
    oracle, x = GaussianDenoiser(model.schedule, 0.3, 0.5), torch.randn(2, 1, 8, 8)
    known, x0 = torch.from_numpy(~HOLE)[None, None], from_picture(PICTURE, model.shape)
    partly, times = PartlyKnown(oracle, model.schedule, x0, known), range(45, -1, -5)
    walks = (SAMPLERS["ddim"](denoiser, model.schedule, x, times) for denoiser in (oracle, partly))
    (*_, free), (*_, filled) = walks
    hole = ~known.expand_as(x)
    assert torch.equal(filled.x[hole], free.x[hole])
    assert not torch.equal(filled.x, free.x)


def test_going_back_adds_the_noise_that_the_forward_process_would(model):
    x, noise, schedule = torch.randn(1, 1, 8, 8), torch.randn(2, 1, 1, 8, 8), model.schedule
    assert torch.equal(
        q_between(schedule, x, -1, 30, noise[0]), q_sample(schedule, x, 30, noise[0])
    )
    # In two steps the signal is as large, and the noises add up to as much.
    twice = q_between(schedule, q_between(schedule, x, -1, 12, noise[0]), 12, 30, noise[1])
    spread = twice - schedule.alpha(30) * x
    a = (spread * noise[0]).mean() / noise[0].square().mean()
    assert float(a) ** 2 < schedule.sigma(30) ** 2
    old = schedule.alpha(30) / schedule.alpha(12) * schedule.sigma(12)
    new = (schedule.sigma(30) ** 2 - old**2) ** 0.5
    torch.testing.assert_close(spread, old * noise[0] + new * noise[1], rtol=0, atol=1e-5)


def test_what_cannot_be_filled_is_refused(model):
    request = fill_request(model, steps=4)
    for hole, message in ((HOLE[:4], "a hole of"), (np.zeros((8, 8), bool), "no hole")):
        with pytest.raises(InvalidInput, match=message):
            fill_run(model, PICTURE, hole, request)
    with pytest.raises(InvalidInput, match="give x0, and no t"):
        Run(model, request, known=torch.from_numpy(~HOLE))


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_the_command_fills_what_is_white_in_another_picture(checkpoint, tmp_path, kind):
    hole, out = tmp_path / "hole.png", tmp_path / f"filled.{kind}"
    Image.fromarray(np.uint8(255 * HOLE)).save(hole)
    options = ["--model", str(checkpoint), "--packed", pack(PICTURE), "--fill", str(hole)]
    options += ["--label", "3", "--steps", "6", "--resample", "2", "--scale", "1"]
    assert main(["forward", *options, "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.size == (8 * 9 - 1, 8) and getattr(image, "n_frames", 1) in (1, 7)
        row = np.asarray(image.convert("L"))
    if kind == "png":
        for i in range(8):
            np.testing.assert_array_equal(row[:, 9 * i : 9 * i + 8][~HOLE], PICTURE[~HOLE, 0])
    assert main(["forward", *options[:4], "--resample", "2", "--out", str(out)]) == 2
