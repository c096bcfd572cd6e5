"""The classifiers that ship: small, good at it, strangers to each other, and as their cards say."""

from functools import cache

import pytest
import torch

from ddpm_core import Request, available_classifiers, data, load, load_classifier, sample
from ddpm_core.card import render
from ddpm_core.checkpoints import HOME
from ddpm_core.diffusion import q_sample
from ddpm_core.schedules import NoiseSchedule

ACCURACY = {
    "mnist-classifier": 0.993,
    "mnist-classifier-noisy": 0.99,
    "mnist-judge": 0.995,
    "cifar10-classifier": 0.83,
    "cifar10-classifier-noisy": 0.61,
    "cifar10-judge": 0.92,
}
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
CLASSES = {"mnist": data.DIGITS, "cifar10": data.THINGS}
every_classifier = pytest.mark.parametrize("name", available_classifiers())


def dataset_of(name):
    return name.partition("-")[0]


@pytest.fixture(scope="module")
def samples_of():
    """Two samples of each class by a dataset's shipped model, in [-1, 1], and their labels."""

    @cache
    def draw(dataset):
        guided = {"guidance": "cfg", "guidance_scale": 2.0} if dataset == "cifar10" else {}
        request = Request(n=20, steps=10, dtype="float32", **guided)
        pixels = sample(load(f"{dataset}-conditional"), request)
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
        return x, torch.arange(20) % 10

    return draw


@every_classifier
def test_a_shipped_one_is_small_and_good_and_its_card_says_what_its_record_says(name):
    classifier, folder = load_classifier(name), HOME / name
    assert classifier.shape == SHAPES[dataset_of(name)]
    assert classifier.classes == list(CLASSES[dataset_of(name)])
    assert classifier.noise_aware == name.endswith("-classifier-noisy")
    assert all(path.stat().st_size < 10_000_000 for path in folder.iterdir())
    training = classifier.training
    assert training["test"]["images"] == 10_000
    assert training["test"]["accuracy"] >= ACCURACY[name]
    card = render(name, classifier.config, classifier.net.state_dict(), training)
    assert card == (folder / "README.md").read_text()


@every_classifier
def test_it_reads_what_the_shipped_model_draws(name, samples_of):
    x, labels = samples_of(dataset_of(name))
    accuracy = (load_classifier(name).log_probs(x).argmax(1) == labels).float().mean()
    assert accuracy >= {"mnist": 0.9, "cifar10": 0.6}[dataset_of(name)]


def test_the_noisy_one_reads_noisy_digits_of_another_schedule(samples_of):
    x, labels = samples_of("mnist")
    guide, cosine = load_classifier("mnist-classifier-noisy"), NoiseSchedule.make("cosine", 1000)
    noisy = q_sample(cosine, x, 500, torch.randn(x.shape))
    with_abar, without_abar = (
        guide.log_probs(noisy, abar)[torch.arange(20), labels].mean()
        for abar in (cosine.abar(500), None)
    )
    assert (guide.log_probs(noisy, cosine.abar(500)).argmax(1) == labels).float().mean() >= 0.85
    assert with_abar > without_abar


@pytest.mark.parametrize("dataset", SHAPES)
def test_guide_and_judge_are_strangers(dataset):
    models = [load_classifier(name) for name in ACCURACY if dataset_of(name) == dataset]
    assert len({model.config.classifier["kind"] for model in models}) == len(models)
    assert len({model.training["recipe"]["seed"] for model in models}) == len(models)
