"""What colour images ask of training: crops, mirror images, hidden squares, one cycle, origin."""

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import checkpoints, data
from ddpm_core.classifier_trainer import crop_and_flip
from ddpm_core.errors import InvalidInput
from ddpm_core.recipes import CLASSIFIERS, RECIPES
from ddpm_core.trainer import Recipe, Trainer
from ddpm_core.training import Cadence, learning_rate
from lab.measure.judge_trainer import JudgeRecipe, JudgeTrainer, cut_out
from tests.support.tiny_run import RECIPE
from tests.support.toys import TINY_NETS


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A data root with ``cifar10``, 20 pictures of each class, JPEG; no originals."""
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 2)):
        for name in data.THINGS:
            folder = root / "cifar10" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.jpg")
    return root


# --- crops and mirror images ---


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


def test_a_square_of_each_image_is_grey_wherever_it_falls(numbered):
    found = cut_out(numbered + 1, 3)  # no pixel of it is grey before
    seen = set()
    for image, before in zip(found, numbered + 1, strict=True):
        grey = image[0] == 0
        assert torch.equal(grey, image[1] == 0)
        assert torch.equal(image[:, ~grey], before[:, ~grey])
        rows, columns = grey.any(1).nonzero().ravel(), grey.any(0).nonzero().ravel()
        assert len(rows) == len(columns) == 3
        assert grey.sum() == 9
        seen.add((int(rows[0]), int(columns[0])))
    assert len(seen) == 16
    assert (cut_out(numbered + 1, 9) == 0).all()


def test_recipes_without_them_leave_images_alone_and_draw_no_random_number(numbered):
    """So that a run of an older recipe resumes with the same bits."""
    before = torch.get_rng_state()
    assert torch.equal(crop_and_flip(numbered, 0, False), numbered)
    assert torch.equal(cut_out(numbered, 0), numbered)
    assert torch.equal(before, torch.get_rng_state())


def test_a_step_sees_them_and_smooths_its_labels(photos, tmp_path):
    net = {"kind": "residual"} | TINY_NETS["residual"]
    recipe = JudgeRecipe(
        dataset="cifar10", classifier=net, shift=0, rotate=0, zoom=0, crop=4, flip=True,
        cutout=5, label_smoothing=0.3, batch_size=20, epochs=1, warmup=1,
    )  # fmt: skip
    run = JudgeTrainer(recipe, tmp_path, data_root=photos, bf16=False, quiet=True)
    assert run.config.preprocessing == {
        "range": [-1, 1], "shift": 0, "rotate": 0, "zoom": 0, "crop": 4, "flip": True,
        "cutout": 5,
    }  # fmt: skip
    seen = []
    run.model.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    torch.manual_seed(5)
    loss = run._batch_loss()
    x, labels = run.images.batch(run._indices())
    torch.manual_seed(5)
    assert torch.equal(seen[0][0], cut_out(crop_and_flip(x, 4, True), 5))
    log_probs = seen[0][1].log_softmax(1)
    target = torch.full((20, 10), 0.03)
    target[torch.arange(20), labels] += 0.7
    assert float(loss.detach()) == pytest.approx(
        float(-(target * log_probs).sum(1).mean().detach()), rel=1e-5
    )


# --- one cycle ---


def test_one_cycle_rises_evenly_and_falls_evenly_to_nothing():
    recipe = Recipe(lr=0.4, warmup=20, decay="one-cycle")
    rates = [learning_rate(recipe, step, 100) for step in (0, 9, 19, 20, 60, 99, 100)]
    assert rates == pytest.approx([0.02, 0.2, 0.4, 0.4, 0.2, 0.005, 0.0])
    with pytest.raises(InvalidInput, match="unknown decay 'linear'; known: none, cosine"):
        Recipe(decay="linear")


# --- networks and recipes ---


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("cifar10-conditional", 2e6, 4e6),
        ("cifar10-linear", 1.6e6, 1.9e6),
        ("cifar10-cosine-attn", 1.6e6, 1.9e6),
        ("cifar10-judge", 1e6, 4.99e6),  # of two bytes each: under 10 MB
        ("cifar10-classifier", 1e6, 2.4e6),
        ("cifar10-classifier-noisy", 1e6, 2.4e6),
    ],
)
def test_recipes_of_colour_images_fit_them_and_are_as_large_as_they_should_be(
    photos, name, low, high
):
    images = data.load("cifar10", "train", photos)
    config = (RECIPES | CLASSIFIERS)[name].config(images)
    network, _ = config.build()
    assert low <= sum(p.numel() for p in network.parameters()) <= high
    assert config.dataset == "cifar10"
    assert config.preprocessing["flip"] is True


# --- provenance ---


def test_a_model_of_lossy_pictures_says_so(photos, tmp_path):
    recipe = Recipe(**RECIPE | {"dataset": "cifar10", "epochs": 1 / 9})
    cadence = Cadence(validate=1, sample=10**9, save=1)
    run = Trainer(
        recipe, tmp_path / "run", data_root=photos, bf16=False, cadence=cadence, quiet=True
    )
    run.run()
    model = checkpoints.load(tmp_path / "run" / "checkpoint")
    assert model.shape == (3, 32, 32)
    assert model.training["source"] == "pictures (JPEG)"
    assert model.config.preprocessing["flip"] is True
    card = (tmp_path / "run" / "checkpoint" / "README.md").read_text()
    assert "| data | pictures (JPEG) |" in card
    assert str(photos) not in card
