"""Training classifiers: an exact resume, what a step sees, and what a run leaves behind."""

import math

import pytest
import torch
import torch.nn.functional as F

from ddpm_core import checkpoints, data
from ddpm_core.classifier_trainer import augment, crop_and_flip, predict
from ddpm_core.errors import InvalidInput
from ddpm_core.trainer import Recipe, Trainer
from tests.support.classifier_runs import CLEAN, NOISY, STEPS, trainer
from tests.support.tiny_run import assert_identical, state_of, stopping, without_the_clock
from tests.support.toys import write_mnist


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


# --- augmentation ---


def test_images_move_and_grow_each_on_its_own_and_no_farther_than_asked():
    dots = torch.full((64, 1, 28, 28), -1.0)
    dots[:, :, 12:16, 12:16] = 1  # a white square in the middle of each
    brightness = (augment(dots, 3, 0, 0)[:, 0] + 1).double()
    position, total = torch.arange(28).double() - 13.5, brightness.sum((1, 2))
    moved = torch.stack([brightness.sum(2) @ position, brightness.sum(1) @ position]) / total
    assert 2 < moved.abs().max() <= 3.01
    # In both directions, and not along a diagonal.
    assert moved.min() < -1 and moved.max() > 1 and moved.std(1).min() > 1
    assert abs(torch.corrcoef(moved)[0, 1]) < 0.6
    turned = augment(dots, 5, 30, 0.3)
    assert (turned[:, :, 0] == -1).all()  # what appears is black
    areas = (augment(dots, 0, 0, 0.2) + 1).sum((1, 2, 3)) / (dots + 1).sum((1, 2, 3))
    assert 0.6 < areas.min() < 0.9 and 1.1 < areas.max() < 1.55


@pytest.fixture
def numbered():
    """200 images of 2 x 6 x 6, each pixel with a number of its own."""
    return torch.arange(200 * 2 * 6 * 6).float().view(200, 2, 6, 6)


def test_half_of_the_images_are_mirrored_whole(numbered):
    images = crop_and_flip(numbered, 0, True)
    mirrored = (images == numbered.flip(-1)).flatten(1).all(1)
    unchanged = (images == numbered).flatten(1).all(1)
    assert (mirrored ^ unchanged).all()
    assert 70 < mirrored.sum() < 130


def test_crops_move_each_image_by_whole_pixels_in_every_direction(numbered):
    windows = F.pad(numbered, [2] * 4, mode="reflect").unfold(2, 6, 1).unfold(3, 6, 1)
    crops = crop_and_flip(numbered, 2, False)
    same = (windows == crops[:, :, None, None]).all(1).flatten(3).all(3)  # (200, 5, 5)
    assert (same.sum((1, 2)) == 1).all() and same.any(0).all()


# --- what a run leaves behind ---


def test_it_learns_what_can_be_learned(tmp_path):
    """The bar's position is the class."""
    labels = torch.arange(5_200) % 10
    pixels = torch.zeros(5_200, 28, 28, dtype=torch.uint8)
    for i, label in enumerate(labels.tolist()):
        pixels[i, :, 4 + 2 * label : 6 + 2 * label] = 255
    for stem, count in (("train", 5_200), ("t10k", 200)):
        write_mnist(tmp_path, stem, pixels[:count].numpy(), labels[:count].numpy())
    still = {"shift": 0, "rotate": 0, "zoom": 0, "lr": 1e-2, "epochs": 10, "ema": 0.5}
    run = trainer(tmp_path / "run", tmp_path, CLEAN, **still)
    run.run()
    classifier = checkpoints.load_classifier(tmp_path / "run" / "checkpoint")
    assert classifier.training["test"] == {"images": 200, "accuracy": 1.0}
    assert classifier.training["history"][-1]["accuracy"] == 1.0


def test_the_record_tells_how_it_came_to_be(whole, base):
    classifier = checkpoints.load_classifier(whole / "checkpoint")
    assert classifier.noise_aware == ("schedule" in base)
    augmentation = {"shift": 2, "rotate": 10, "zoom": 0.1}
    assert classifier.config.preprocessing == {"range": [-1, 1]} | augmentation
    assert classifier.training["recipe"].items() >= base.items()
    assert (classifier.training["steps"], classifier.training["images"]) == (STEPS, 200)
    assert classifier.training["test"]["images"] == 60
    curve = [row["t"] for row in classifier.training["test"].get("curve", [])]
    assert curve == ([0, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 39] if classifier.noise_aware else [])
    assert ("t1" in classifier.training["history"][-1]) == classifier.noise_aware


def test_a_prediction_is_told_the_noise_of_its_images(mnist_root, tmp_path):
    model = trainer(tmp_path, mnist_root).averaged()
    images = data.load("mnist", "test", mnist_root)
    t, noise = torch.arange(60) % 40, torch.randn(60, 1, 8, 8)
    abar = torch.from_numpy(model.schedule.alphas_cumprod[t.numpy()])
    x = abar.sqrt().view(-1, 1, 1, 1) * images.batch(torch.arange(60))[0]
    x = (x + (1 - abar).sqrt().view(-1, 1, 1, 1) * noise).float()
    expected = model.net(x, t).log_softmax(1)
    torch.testing.assert_close(predict(model, images, t, noise), expected, rtol=1e-4, atol=1e-5)


def test_a_run_of_the_other_kind_is_not_resumed(whole, mnist_root):
    with pytest.raises(InvalidInput, match="holds a run of another kind"):
        Trainer(Recipe(epochs=0.1), whole, data_root=mnist_root, quiet=True)
