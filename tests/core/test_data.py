"""Datasets: what is read, what is held out, and how damage is reported."""

import pickle
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets as tv

from ddpm_core import data
from ddpm_core.errors import DataError, InvalidInput
from tests.support.toys import write_mnist


@pytest.fixture
def own_root(tmp_path):
    """A small data root of its own, to be damaged."""
    pixels = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256
    for stem in ("train", "t10k"):
        write_mnist(tmp_path, stem, pixels, np.array([7, 0, 9]))
    return tmp_path


def test_idx_files_are_read_as_they_are(own_root):
    images = data.load("mnist", "test", own_root)
    assert images.pixels.shape == (3, 1, 28, 28)
    assert images.pixels.dtype == torch.uint8
    assert images.pixels.flatten().tolist() == [i % 256 for i in range(3 * 28 * 28)]
    assert images.labels.tolist() == [7, 0, 9]
    assert images.classes == tuple("0123456789")


def test_kmnist_is_read_by_its_name_alone(own_root):
    (own_root / "MNIST").rename(own_root / "KMNIST")
    images = data.load("kmnist", "test", own_root)
    assert [images.classes[i] for i in images.labels] == ["ya", "o", "wo"]


def test_cifar_is_read_in_colour_channels_first(tmp_path, monkeypatch):
    folder = tmp_path / tv.CIFAR10.base_folder
    folder.mkdir()
    red_then_green_then_blue = np.repeat(np.array([[10, 20, 30]], np.uint8), 1024, axis=1)
    content = {"data": red_then_green_then_blue.repeat(2, 0), "labels": [3, 8]}
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["x"] * 10}))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    images = data.load("cifar10", "test", tmp_path)
    assert images.pixels.shape == (2, 3, 32, 32)
    assert images.pixels[1, :, 5, 7].tolist() == [10, 20, 30]
    assert [images.classes[i] for i in images.labels] == ["cat", "ship"]


def test_every_grey_level_survives_the_way_to_floats_and_back():
    levels = torch.arange(256, dtype=torch.uint8)
    x, labels = data.Images(levels.view(-1, 1, 1, 1), torch.arange(256), ()).batch(levels.long())
    assert (x.min(), x.max()) == (-1, 1) and torch.equal(labels, levels.long())
    assert torch.equal(data.to_uint8(x.flatten()), levels)
    assert data.to_uint8(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]  # clamped for display


def test_the_held_out_images_and_the_rest_are_the_training_set(mnist_root):
    train, held_out = (data.load("mnist", split, mnist_root) for split in ("train", "validation"))
    assert (len(train), len(held_out)) == (1000, 5000)
    everything = tv.MNIST(mnist_root, train=True)

    def as_rows(pixels, labels):
        return [(bytes(p.numpy()), int(y)) for p, y in zip(pixels, labels, strict=True)]

    a, b = as_rows(train.pixels, train.labels), as_rows(held_out.pixels, held_out.labels)
    assert not set(a) & set(b)
    assert sorted(a + b) == sorted(as_rows(everything.data, everything.targets))


def test_which_images_are_held_out_never_changes(mnist_root):
    """Written down once: another choice would leak validation images into published models."""
    pixels = tv.MNIST(mnist_root, train=True).data
    index_of = {bytes(image.numpy()): i for i, image in enumerate(pixels)}
    train = data.load("mnist", "train", mnist_root)
    indices = [index_of[bytes(image.numpy())] for image in train.pixels[:8]]
    assert indices == [0, 7, 21, 24, 25, 28, 62, 63]


def test_of_a_small_dataset_a_tenth_is_held_out(monkeypatch):
    pixels, labels = torch.zeros(300, 1, 4, 4, dtype=torch.uint8), torch.zeros(300).long()
    small = data.Dataset(lambda root, train: (pixels, labels), "small", ("a",), "")
    monkeypatch.setitem(data.DATASETS, "small", small)
    assert [len(data.load("small", split)) for split in ("train", "validation")] == [270, 30]


def test_an_unknown_split_is_refused(mnist_root):
    with pytest.raises(InvalidInput, match="unknown split 'valid'"):
        data.load("mnist", "valid", mnist_root)


def test_the_data_root_is_the_argument_then_the_environment_then_data(monkeypatch, tmp_path):
    monkeypatch.setenv("DDPM_DATA", "elsewhere")
    assert str(data.data_root(tmp_path)) == str(tmp_path)
    assert str(data.data_root()) == "elsewhere"
    monkeypatch.delenv("DDPM_DATA")
    assert str(data.data_root()) == "data"


def test_damage_is_told_with_the_folder(own_root):
    path = own_root / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="MNIST or damaged"):
        data.load("mnist", "test", own_root)


def test_missing_data_without_a_network_name_the_folder_and_the_way_out(tmp_path, monkeypatch):
    def unreachable(*args, **kwargs):
        raise URLError("no network")

    target = "torchvision.datasets.cifar.download_and_extract_archive"
    monkeypatch.setattr(target, unreachable)
    with pytest.raises(DataError) as caught:
        data.load("cifar10", "train", tmp_path)
    for words in (str(tmp_path / "cifar-10-batches-py"), "no network", "--data-root", "DDPM_DATA"):
        assert words in str(caught.value)
    (tmp_path / "cifar-10-batches-py" / "raw").mkdir(parents=True)  # all that a download left
    (tmp_path / "cifar10" / "cat").mkdir(parents=True)
    with pytest.raises(DataError, match="no pictures"):  # asked of the pictures now
        data.load("cifar10", "train", tmp_path)
