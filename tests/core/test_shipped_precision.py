"""bfloat16 is the default where it is native: it must not be seen in what the models draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ddpm_core import Request, Run, available, load, sample
from ddpm_core.diffusion import q_sample


@pytest.mark.parametrize("name", available())
def test_eps_differs_little_where_bfloat16_is_used(name):
    model = load(name)
    run = Run(model, Request(n=8, dtype="float32"))
    labels = run.labels if model.classes else None
    x0 = torch.from_numpy(sample(model, run.request)).permute(0, 3, 1, 2) / 127.5 - 1
    for t, bound in ((30, 0.07), (100, 0.03), (500, 0.01), (900, 0.002)):
        x = q_sample(model.schedule, x0, t, run.noise(t))
        exact = model.denoiser(labels, "float32")(x, t).eps
        short = model.denoiser(labels, "bfloat16")(x, t).eps
        if model.config.prediction_type == "epsilon" and t == 900:
            assert torch.equal(short, exact)  # an error there would grow twentyfold in x̂0
        else:
            assert 0 < (short - exact).norm() / exact.norm() < bound


@pytest.mark.parametrize("name", available())
def test_pictures_differ_little(name):
    model = load(name)
    exact = sample(model, Request(n=16, dtype="float32")).astype(float)
    short = sample(model, Request(n=16, dtype="bfloat16")).astype(float)
    psnr = 10 * np.log10(255**2 / ((exact - short) ** 2).mean())
    assert psnr > (35 if model.shape[0] == 1 else 40)
    # Of 255. Most of a digit is black or white in both; no pixel of a photograph is.
    assert np.abs(exact - short).mean() < (1 if model.shape[0] == 1 else 2)
