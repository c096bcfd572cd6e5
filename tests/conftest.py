"""Shared fixtures: a tiny random checkpoint and a made-up MNIST, so that no test downloads."""

import numpy as np
import pytest
import torch
from hypothesis import settings

from ddpm_core import checkpoints, guides
from ddpm_core.errors import CheckpointError
from tests.support.toys import save_tiny_checkpoint, tiny_classifier, write_mnist

# Tests ask what happens, not how soon: a fifth of a second is too little on a busy machine.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums over several threads may round differently; tiny models gain nothing from them."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    """Where a test draws numbers without saying how, it draws the same ones each time."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def mnist_root(tmp_path_factory):
    """A data root with 6,000 random training and 60 test images: 1,000 are left to train on."""
    root = tmp_path_factory.mktemp("data-root")
    generator = np.random.default_rng(0)
    write_mnist(root, "train", *_random_digits(generator, 6_000))
    write_mnist(root, "t10k", *_random_digits(generator, 60))
    return root


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A conditional checkpoint folder (10 classes and the null class) with random weights."""
    return save_tiny_checkpoint(tmp_path_factory.mktemp("shipped") / "tiny", classes=10)


@pytest.fixture(scope="session")
def unconditional_checkpoint(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("shipped") / "plain", classes=0)


@pytest.fixture(scope="module")
def model(checkpoint):
    """The conditional checkpoint, loaded."""
    return checkpoints.load(checkpoint)


@pytest.fixture(scope="module")
def plain(unconditional_checkpoint):
    """The one without classes, loaded."""
    return checkpoints.load(unconditional_checkpoint)


@pytest.fixture
def classifiers(monkeypatch):
    """By name, tiny random classifiers that stand in for the shipped ones of every role."""
    roles = {"classifier": "conv", "classifier-noisy": "encoder", "judge": "residual"}
    toys = {f"mnist-{role}": tiny_classifier(kind) for role, kind in roles.items()}

    def load(name):
        if name not in toys:
            raise CheckpointError(f"no checkpoint {name!r}")
        return toys[name]

    monkeypatch.setattr(guides, "_load", load)
    return toys


def _random_digits(generator, count):
    pixels = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return pixels, generator.integers(0, 10, count, dtype=np.uint8)
