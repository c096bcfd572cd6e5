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


def images(n=40):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, 1, 3, 3), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 4, (n,), generator=generator)
    return Images(pixels, labels, tuple("abcd"))


@pytest.mark.parametrize("level", [2, 600])  # with hardly any noise it is the image itself
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("condition", ["nothing", "class", "no class"])
def test_the_mean_is_that_of_all_images_weighed_by_their_likelihood(condition, flip, level):
    data, t = images(), torch.full((6,), level)
    x0, labels = data.batch(slice(6))
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    if condition == "no class":
        labels = torch.full_like(labels, 4)
    mean, eps = StableTargets(data, condition != "nothing", flip)(SCHEDULE, x0, t, noise, labels)
    x = q_sample(SCHEDULE, x0, t, noise)
    torch.testing.assert_close(q_sample(SCHEDULE, mean, t, eps), x, rtol=1e-5, atol=1e-5)
    all_x0, all_labels = data.batch(slice(None))
    all_x0 = torch.cat([all_x0, all_x0.flip(-1)]) if flip else all_x0
    all_labels = all_labels.repeat(2) if flip else all_labels
    alpha, sigma = SCHEDULE.alpha(level), SCHEDULE.sigma(level)
    for noisy, label, result in zip(x, labels, mean, strict=True):
        candidates = all_x0[all_labels == label] if condition == "class" else all_x0
        density = torch.distributions.Normal(alpha * candidates.double(), sigma)
        weights = density.log_prob(noisy.double()).flatten(1).sum(1).softmax(0)
        expected = (weights[:, None, None, None] * candidates).sum(0).float()
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


def test_a_training_takes_them_from_the_timestep_that_its_recipe_names(tmp_path):
    batches = []

    def loss(network, schedule, x0, t, noise, labels):
        batches.append((x0, t, noise))
        return network(x0, t, labels).square().mean((1, 2, 3))

    def first_batch(**options):
        batches.clear()
        model = {"channels": [8], "blocks": 1}
        recipe = Recipe(model=model, steps=1, batch_size=32, **options)
        Trainer(recipe, tmp_path / str(options), images=pixels, quiet=True, loss=loss).run()
        return batches[0]

    pixels = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8)
    plain, stable = first_batch(), first_batch(stable_from=700)
    late = plain[1] >= 700
    assert 0 < late.sum() < 32
    for a, b in zip(plain[::2], stable[::2], strict=True):
        assert torch.equal(a[~late], b[~late]) and not torch.isclose(a[late], b[late]).all(0).any()
    with pytest.raises(InvalidInput, match="variance"):
        Recipe(stable_from=700, learn_variance=True)
    with pytest.raises(InvalidInput, match="data loader"):
        Trainer(Recipe(stable_from=700), tmp_path / "loader", images=[pixels[:40], pixels[40:]])
