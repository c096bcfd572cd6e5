"""bfloat16 is the default where it is native: it must not be seen in what the models draw."""

import numpy as np
import pytest
import torch

from ddpm_core import Request, Run, load, sample
from ddpm_core.diffusion import q_sample

# For each dataset one that predicts the velocity and one the noise, on the cosine schedule.
MODELS = ["mnist-conditional", "cifar10-conditional", "mnist-cosine", "cifar10-cosine-attn"]


# Measured over 50 steps: at least 42 dB in grey, where a single picture may tip over, and 41 in
# colour; with no step in float32 five models fell below these bounds.
@pytest.mark.parametrize("name", MODELS)
def test_eps_and_pictures_differ_little_where_bfloat16_is_used(name):
    model = load(name)
    few = {"n": 4, "sampler": "ddim", "steps": 20}
    exact, short = (sample(model, Request(dtype=dtype, **few)) for dtype in ("float32", "bfloat16"))
    difference = exact.astype(float) - short.astype(float)
    grey = model.shape[0] == 1
    assert 10 * np.log10(255**2 / (difference**2).mean()) > (34 if grey else 40)
    # Of 255. Most of a digit is black or white in both; no pixel of a photograph is.
    assert np.abs(difference).mean() < (1 if grey else 2)
    run = Run(model, Request(n=4, dtype="float32"))
    labels = run.labels if model.classes else None
    x0 = torch.from_numpy(exact).permute(0, 3, 1, 2) / 127.5 - 1
    for t, bound in ((30, 0.07), (100, 0.03), (500, 0.01), (900, 0.002)):
        x = q_sample(model.schedule, x0, t, run.noise(t))
        expected = model.denoiser(labels, "float32")(x, t).eps
        result = model.denoiser(labels, "bfloat16")(x, t).eps
        if model.config.prediction_type == "epsilon" and t == 900:
            assert torch.equal(result, expected)  # an error there would grow twentyfold in x̂0
        else:
            assert 0 < (result - expected).norm() / expected.norm() < bound
