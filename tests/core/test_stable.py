"""Stable targets: the mean of the training images that a noisy one may have come from."""

import pytest
import torch

from ddpm_core import NoiseSchedule
from ddpm_core.data import Images
from ddpm_core.diffusion import q_sample
from ddpm_core.errors import InvalidInput
from ddpm_core.stable import StableTargets
from ddpm_core.trainer import Recipe, Trainer

SCHEDULE = NoiseSchedule.make("cosine")


def images(n=40, classes=4):
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, 1, 3, 3), dtype=torch.uint8, generator=draw)
    labels = torch.randint(0, classes, (n,), generator=draw)
    return Images(pixels, labels, tuple("abcd"))


def batch(known, t, n=6):
    x0, labels = known.batch(torch.arange(n))
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    return x0, torch.full((n,), t), noise, labels


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("told", ["nothing", "class", "no class"])
def test_the_mean_is_that_of_all_images_weighed_by_their_likelihood(told, flip):
    known = images()
    x0, t, noise, labels = batch(known, 600)
    if told == "no class":
        labels = torch.full_like(labels, 4)
    mean, towards = StableTargets(known, told != "nothing", flip)(SCHEDULE, x0, t, noise, labels)
    x = q_sample(SCHEDULE, x0, t, noise)
    torch.testing.assert_close(q_sample(SCHEDULE, mean, t, towards), x, rtol=1e-5, atol=1e-5)
    every, of = known.batch(slice(None))
    every = torch.cat([every, every.flip(-1)]) if flip else every
    of = of.repeat(2) if flip else of
    alpha, sigma = SCHEDULE.alpha(600), SCHEDULE.sigma(600)
    for one, label, found in zip(x, labels, mean, strict=True):
        among = every[of == label] if told == "class" else every
        density = torch.distributions.Normal(alpha * among.double(), sigma)
        weights = density.log_prob(one.double()).flatten(1).sum(1).softmax(0)
        wanted = (weights[:, None, None, None] * among).sum(0).float()
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_with_hardly_any_noise_it_is_the_image_itself():
    known = images()
    x0, t, noise, labels = batch(known, 2)
    mean, towards = StableTargets(known, True, True)(SCHEDULE, x0, t, noise, labels)
    torch.testing.assert_close(mean, x0, atol=1e-4, rtol=0)
    torch.testing.assert_close(towards, noise, atol=2e-2, rtol=0)


def test_what_is_learned_stays_the_same_on_average():
    """Over many noises, the mean of x0 where x_t lies nearby is the mean of the targets there."""
    known = images(n=5)
    many = torch.arange(20_000) % 5
    x0, labels = known.batch(many)
    t = torch.full((len(many),), 500)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(2))
    mean, _ = StableTargets(known, False, False)(SCHEDULE, x0, t, noise, labels)
    bright = q_sample(SCHEDULE, x0, t, noise).mean((1, 2, 3)) > 0.1
    assert 2_000 < bright.sum() < 18_000
    torch.testing.assert_close(mean[bright].mean(0), x0[bright].mean(0), atol=0.02, rtol=0)
    assert mean[bright].var(0).mean() < 0.9 * x0[bright].var(0).mean()


def test_a_training_takes_them_from_the_timestep_that_its_recipe_names(tmp_path):
    seen = []

    def loss(network, schedule, x0, t, noise, labels):
        seen.append((x0, t, noise))
        return network(x0, t, labels).square().mean((1, 2, 3))

    def steps(**options):
        seen.clear()
        model = {"channels": [8], "blocks": 1}
        recipe = Recipe(model=model, steps=1, batch_size=32, **options)
        Trainer(recipe, tmp_path / str(options), images=known, quiet=True, loss=loss).run()
        return seen[0]

    known = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8)
    plain, stable = steps(), steps(stable_from=700)
    late = plain[1] >= 700
    assert 0 < late.sum() < 32
    for a, b in zip(plain[::2], stable[::2], strict=True):
        assert torch.equal(a[~late], b[~late]) and not torch.isclose(a[late], b[late]).all(0).any()
    with pytest.raises(InvalidInput, match="variance"):
        Recipe(stable_from=700, learn_variance=True)
    with pytest.raises(InvalidInput, match="data loader"):
        Trainer(Recipe(stable_from=700), tmp_path / "loader", images=[known[:40], known[40:]])
