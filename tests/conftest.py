"""Shared fixtures: a tiny random checkpoint and a made-up MNIST, so that no test downloads."""

import pytest
import torch
from hypothesis import settings

from ddpm_core import checkpoints, guides
from ddpm_core.errors import CheckpointError
from tests.support.fake_hub import FakeHub, plain_client
from tests.support.toys import save_tiny_checkpoint, small_mnist, tiny_classifier

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
    """8 x 8 pixels: 6,000 random images to train on, 5,000 of them held out; 60 to test with."""
    root = tmp_path_factory.mktemp("data-root")
    small_mnist(root, 6_000, 60, seed=0)
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
    """Tiny random classifiers by name; they stand in for the shipped ones of every role."""
    roles = {"classifier": "conv", "classifier-noisy": "encoder", "judge": "residual"}
    toys = {f"mnist-{role}": tiny_classifier(kind) for role, kind in roles.items()}

    def load(name, device):
        if name not in toys:
            raise CheckpointError(f"no checkpoint {name!r}")
        return toys[name]

    monkeypatch.setattr(guides, "_load", load)
    return toys


@pytest.fixture
def hub(monkeypatch):
    """A running Hub, for a client without xet, telemetry and a stored token."""
    plain_client(monkeypatch)
    with FakeHub() as server:
        yield server
