"""Training classifiers: an exact resume, what a step sees, and what a run leaves behind."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from ddpm_core import checkpoints, data
from ddpm_core.classifier_trainer import (
    augment,
    crop_and_flip,
    predict,
    test,
)
from ddpm_core.errors import InvalidInput
from ddpm_core.trainer import Recipe, Trainer
from ddpm_core.training import STATE
from tests.support.classifier_runs import CLEAN, NOISY, STEPS, trainer
from tests.support.tiny_run import assert_identical, state_of, stopping, without_the_clock
from tests.support.toys import write_mnist

test.__test__ = False


@pytest.fixture(scope="module", params=[CLEAN, NOISY])
def base(request):
    return request.param


@pytest.fixture(scope="module")
def whole(base, mnist_root, tmp_path_factory):
    """A run never stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    trainer(folder, mnist_root, base).run()
    return folder


# --- resume ---


def test_a_stopped_and_resumed_run_ends_with_the_same_bits(base, whole, mnist_root, tmp_path):
    stopping(trainer(tmp_path, mnist_root, base), 4).run()
    assert state_of(tmp_path)["step"] == 4
    stopped = checkpoints.load_classifier(tmp_path / "checkpoint")
    assert "test" not in stopped.training
    assert "not complete" in (tmp_path / "checkpoint" / "README.md").read_text()
    trainer(tmp_path, mnist_root, base).run()
    assert_identical(*(without_the_clock(state_of(f)) for f in (tmp_path, whole)))
    resumed, once = (checkpoints.load_classifier(f / "checkpoint") for f in (tmp_path, whole))
    assert_identical(dict(resumed.net.state_dict()), dict(once.net.state_dict()))
    assert resumed.training["test"] == once.training["test"]


# --- what a step sees ---


def test_images_carry_the_noise_of_their_timestep(mnist_root, tmp_path):
    run, noise = trainer(tmp_path, mnist_root, shift=0, rotate=0, zoom=0), []

    def look(module, inputs):
        x, t = inputs
        abar = torch.from_numpy(run.schedule.alphas_cumprod[t.numpy()]).view(-1, 1, 1, 1)
        x0, _ = run.images.batch(run._indices())
        noise.append((x - abar.sqrt() * x0) / (1 - abar).sqrt())

    run.model.register_forward_pre_hook(look)
    for _ in range(30):
        run._train_step()
    noise = torch.stack(noise)
    n = noise.numel()
    assert abs(noise.mean()) < 5 / math.sqrt(n)
    assert abs(noise.var() - 1) < 5 * math.sqrt(2 / n)
    assert not torch.equal(noise[0], noise[1])


# --- augmentation ---


@pytest.fixture
def dots():
    """64 black images with a white square of 4 x 4 in the middle."""
    x = torch.full((64, 1, 28, 28), -1.0)
    x[:, :, 12:16, 12:16] = 1
    return x


def centres(x):
    """(B, 2): the centre of what is bright, in pixels from the middle."""
    weight = (x[:, 0] + 1).double()
    place = torch.arange(28) - 13.5
    total = weight.sum((1, 2))
    rows, columns = weight.sum(2) @ place.double(), weight.sum(1) @ place.double()
    return torch.stack([rows, columns], 1) / total[:, None]


def test_images_move_each_on_its_own_and_no_farther_than_asked(dots):
    moved = centres(augment(dots, 3, 0, 0))
    assert moved.abs().max() <= 3.01
    assert moved.abs().max() > 2
    assert moved.std(0).min() > 1
    # In both directions, and not along a diagonal.
    assert moved.min() < -1 and moved.max() > 1
    assert abs(torch.corrcoef(moved.T)[0, 1]) < 0.6


def test_what_appears_is_black(dots):
    moved = augment(dots, 5, 30, 0.3)
    assert moved.min() >= -1 and moved.max() <= 1
    assert (moved[:, :, 0] == -1).all()


def test_zooming_changes_the_area_by_its_square(dots):
    areas = (augment(dots, 0, 0, 0.2) + 1).sum((1, 2, 3)) / (dots + 1).sum((1, 2, 3))
    assert 0.6 < areas.min() < 0.9 and 1.1 < areas.max() < 1.55


@pytest.fixture
def numbered():
    """200 images of 2 x 6 x 6, each pixel with a number of its own."""
    return torch.arange(200 * 2 * 6 * 6).float().view(200, 2, 6, 6)


def test_half_of_the_images_are_mirrored_whole(numbered):
    found = crop_and_flip(numbered, 0, True)
    mirrored = (found == numbered.flip(-1)).flatten(1).all(1)
    kept = (found == numbered).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert 70 < mirrored.sum() < 130


def test_crops_move_each_image_by_whole_pixels_in_every_direction(numbered):
    found = crop_and_flip(numbered, 2, False)
    seen = set()
    for image, before in zip(found, numbered, strict=True):
        padded = np.pad(before.numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
        places = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if np.array_equal(padded[:, i : i + 6, j : j + 6], image.numpy())
        ]
        assert len(places) == 1
        seen |= set(places)
    assert len(seen) == 25
    # Without either an image is left alone, and no random number is drawn for it.
    before = torch.get_rng_state()
    assert torch.equal(crop_and_flip(numbered, 0, False), numbered)
    assert torch.equal(before, torch.get_rng_state())


# --- what a run leaves behind ---


def test_it_learns_what_can_be_learned(tmp_path):
    """The class is where the bar stands."""
    labels = torch.arange(5_200) % 10
    pixels = torch.zeros(5_200, 28, 28, dtype=torch.uint8)
    for i, label in enumerate(labels.tolist()):
        pixels[i, :, 4 + 2 * label : 6 + 2 * label] = 255
    for stem, count in (("train", 5_200), ("t10k", 200)):
        write_mnist(tmp_path, stem, pixels[:count].numpy(), labels[:count].numpy())
    still = {"shift": 0, "rotate": 0, "zoom": 0, "lr": 1e-2, "epochs": 10, "ema": 0.5}
    run = trainer(tmp_path / "run", tmp_path, CLEAN, validate=100, **still)
    run.run()
    it = checkpoints.load_classifier(tmp_path / "run" / "checkpoint")
    assert it.training["test"] == {"images": 200, "accuracy": 1.0}
    assert it.training["history"][-1]["accuracy"] == 1.0


def test_the_record_tells_how_it_came_to_be(whole, base):
    it = checkpoints.load_classifier(whole / "checkpoint")
    assert it.noise_aware == ("schedule" in base)
    assert it.classes == list("0123456789")
    augmentation = {"shift": 2, "rotate": 10, "zoom": 0.1}
    assert it.config.preprocessing == {"range": [-1, 1]} | augmentation
    assert it.training["recipe"].items() >= base.items()
    assert (it.training["steps"], it.training["images"]) == (STEPS, 200)
    assert it.training["test"]["images"] == 60
    curve = [row["t"] for row in it.training["test"].get("curve", [])]
    assert curve == ([0, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 39] if it.noise_aware else [])
    row = it.training["history"][-1]
    assert ("t1" in row) == it.noise_aware
    assert 0 <= row["accuracy"] <= 1


def test_a_prediction_is_told_the_noise_of_its_images(mnist_root, tmp_path):
    it = trainer(tmp_path, mnist_root).averaged()
    images = data.load("mnist", "test", mnist_root)
    t, noise = torch.arange(60) % 40, torch.randn(60, 1, 8, 8)
    abar = torch.from_numpy(it.schedule.alphas_cumprod[t.numpy()])
    x = abar.sqrt().view(-1, 1, 1, 1) * images.batch(torch.arange(60))[0]
    x = (x + (1 - abar).sqrt().view(-1, 1, 1, 1) * noise).float()
    wanted = it.net(x, t).log_softmax(1)
    torch.testing.assert_close(predict(it, images, t, noise), wanted, rtol=1e-4, atol=1e-5)


def test_a_run_of_the_other_kind_is_not_resumed(whole, base, mnist_root, tmp_path):
    diffusion = Recipe(epochs=0.1)
    with pytest.raises(InvalidInput, match="holds a run of another kind"):
        Trainer(diffusion, whole, data_root=mnist_root, quiet=True)
    torch.save({"recipe": asdict(diffusion)}, tmp_path / STATE)
    with pytest.raises(InvalidInput, match="holds a run of another kind"):
        trainer(tmp_path, mnist_root, base)
