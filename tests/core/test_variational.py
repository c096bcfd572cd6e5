"""A network learns its variance, on data for which the best one has a formula."""

import numpy as np
import pytest
import torch

from ddpm_core.checkpoints import Model
from ddpm_core.diffusion import denoising_loss
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from ddpm_core.sampling import sample
from ddpm_core.schedules import NoiseSchedule
from ddpm_core.trainer import Recipe
from ddpm_core.variational import hybrid_loss
from tests.support.tiny_run import RECIPE, trainer
from tests.support.toys import GaussianDenoiser

S = 0.4
SCHEDULE = NoiseSchedule.make("cosine", 40)


def test_the_variance_is_led_to_the_best_one_and_the_noise_is_left_alone():
    ideal, (t,) = GaussianDenoiser(SCHEDULE, 0.0, S), [12]
    generator = torch.Generator().manual_seed(0)
    x0 = S * torch.randn(4000, 1, 2, 2, generator=generator)
    noise, at_t = torch.randn(x0.shape, generator=generator), torch.full((4000,), t)
    shift, level = torch.zeros((), requires_grad=True), torch.zeros((), requires_grad=True)

    def network(x, t, labels):
        return torch.cat([ideal(x, int(t[0])).eps + shift, level.expand(x.shape)], dim=1)

    optimizer = torch.optim.Adam([level], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        hybrid_loss(network, SCHEDULE, x0, at_t, noise).mean().backward()
        optimizer.step()
    # Least divergence: the true variance, and how far what is unknown of x_0 moves the mean.
    signal, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    beta, true2 = SCHEDULE.betas[t], SCHEDULE.posterior_variance[t]
    pull = SCHEDULE.alpha(t - 1) * beta / sigma**2
    best = true2 + pull**2 * S**2 * sigma**2 / (signal**2 * S**2 + sigma**2)
    share = np.log(best / true2) / np.log(beta / true2)
    assert 0.1 < share < 0.9
    assert (level.item() + 1) / 2 == pytest.approx(share, abs=0.03)
    together = torch.autograd.grad(hybrid_loss(network, SCHEDULE, x0, at_t, noise).mean(), shift)
    alone = torch.autograd.grad(denoising_loss(network, SCHEDULE, x0, at_t, noise).mean(), shift)
    torch.testing.assert_close(together, alone)


def test_a_run_that_learns_it_is_sampled_by_it(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, learn_variance=True)
    for _ in range(3):
        run._train_step()
    model = run.averaged()
    assert model.learned_variance and model.config.sampling == {"variance": "learned"}
    request = Request(n=2, label="all", sampler="ddpm", steps=5).as_meant(model)
    pictures = [sample(model, request.with_texts({"variance": v})) for v in ("learned", "beta")]
    assert not np.array_equal(*pictures)
    guided = request.with_texts({"guidance": "cfg", "guidance_scale": "2"})
    assert sample(model, guided).shape == pictures[0].shape
    unet, schedule = Recipe(**RECIPE).config(run.images).build()
    other = Model("plain", Recipe(**RECIPE).config(run.images), unet, schedule, {})
    with pytest.raises(InvalidInput, match="plain learned no variance"):
        sample(other, request)
    assert sample(other, request.with_texts({"sampler": "ddim"})).shape == pictures[0].shape
