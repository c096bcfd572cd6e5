"""Classifiers: what they answer, and noise levels of any schedule."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_core.classifier_nets import NETS
from ddpm_core.errors import InvalidInput
from ddpm_core.schedules import NoiseSchedule
from tests.support.toys import tiny_classifier, tiny_classifier_config


@pytest.fixture(params=sorted(NETS))
def classifier(request):
    return tiny_classifier(request.param)


@pytest.fixture(scope="module")
def aware():
    return tiny_classifier("encoder")


def test_probabilities_sum_to_one_and_an_image_is_answered_alike_alone(classifier):
    x = torch.randn(3, 1, 8, 8)
    log_probs = classifier.log_probs(x, 0.5)
    assert (log_probs.shape, log_probs.dtype) == ((3, 10), torch.float32)
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(3))
    alone = torch.cat([classifier.log_probs(image[None], 0.5) for image in x])
    torch.testing.assert_close(alone, log_probs)
    noisy = classifier.log_probs(x, 0.1)  # the level says something to those that know noise
    assert torch.equal(noisy, log_probs) != classifier.noise_aware
    assert not any(p.requires_grad for p in classifier.net.parameters())


def test_its_own_levels_are_its_own_timesteps(aware):
    t = torch.arange(50)
    abar = torch.from_numpy(aware.schedule.alphas_cumprod.copy())
    assert torch.equal(aware.timesteps(abar, 50).float(), t.float())
    x = torch.randn(50, 1, 8, 8)
    assert torch.equal(aware.log_probs(x, abar), aware.net(x, t).log_softmax(1))
    # A level beyond its schedule is that of the end.
    assert [float(aware.timesteps(a, 1)) for a in (None, 1, 0.9999, 1e-9, 0)] == [0, 0, 0, 49, 49]


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_a_level_of_another_schedule_is_found_at_the_same_log_snr(aware, kind):
    other = NoiseSchedule.make(kind, 1000)
    t = aware.timesteps(torch.from_numpy(other.alphas_cumprod.copy()), 1000).numpy()
    assert (np.diff(t) >= 0).all()
    log_snr = np.interp(t, np.arange(50), aware.schedule.log_snr)
    expected = other.log_snr.clip(aware.schedule.log_snr[-1], aware.schedule.log_snr[0])
    np.testing.assert_allclose(log_snr, expected, rtol=1e-9, atol=1e-9)


def test_images_of_another_shape_and_levels_that_are_none_are_refused(aware):
    with pytest.raises(InvalidInput, match=r"of shape \(B, 1, 8, 8\), not"):
        aware.log_probs(torch.zeros(2, 3, 8, 8))
    with pytest.raises(InvalidInput, match="abar must be between 0 and 1"):
        aware.log_probs(torch.zeros(2, 1, 8, 8), torch.tensor([0.5, float("nan")]))


def test_a_config_whose_parts_do_not_fit_is_refused():
    config = tiny_classifier_config("conv")
    with pytest.raises(InvalidInput, match="unknown kind of classifier 'forest'; known: conv"):
        replace(config, classifier={"kind": "forest"}).build()
    with pytest.raises(InvalidInput, match="needs a schedule"):
        replace(config, classifier=config.classifier | {"kind": "encoder"}).build()


def test_a_complete_config_names_what_a_default_could_change():
    config = replace(tiny_classifier_config("encoder"), schedule={"kind": "cosine"})
    complete = config.complete()
    assert complete.schedule == NoiseSchedule.make("cosine").config
    assert complete.classifier.keys() > {"kind", "channels"}
    assert complete.build()[1].config == config.build()[1].config
