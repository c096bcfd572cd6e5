"""Datasets in, tensors in [-1, 1] out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import pictures
from .errors import DataError, InvalidInput, check_choice

SPLITS = ("train", "validation", "test")
VALIDATION_IMAGES = 5_000
# Which images are held out must never change: figures would cease to be comparable.
VALIDATION_SEED = 0

DIGITS = tuple("0123456789")
CLOTHES = tuple("t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot".split())
KUZUSHIJI = tuple("o ki su tsu na ha ma ya re wo".split())
THINGS = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
# What a dataset of pictures may be called: a name below the data root, never a path.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Images:
    """A split of a dataset, in memory.

    Attributes:
        pixels: (N, C, H, W), uint8.
        labels: (N,), int64.
        classes: one name per label.
        source: what was read, where that is not the dataset's own files: pictures may be lossy.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str = ""

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, indices) -> tuple[Tensor, Tensor]:
        """Images as float32 in [-1, 1], shape (B, C, H, W), and their labels (B,)."""
        return to_unit(self.pixels[indices]), self.labels[indices]

    def subset(self, indices) -> Images:
        """Some of them, in the order given; a slice will do."""
        return replace(self, pixels=self.pixels[indices], labels=self.labels[indices])

    def joined(self, others: Images) -> Images:
        """These, then others of the same dataset."""
        pixels = torch.cat([self.pixels, others.pixels])
        return replace(self, pixels=pixels, labels=torch.cat([self.labels, others.labels]))


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """Floats in [-1, 1], clamped, to uint8 in [0, 255], rounded to nearest."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def data_root(root: str | Path | None = None) -> Path:
    """Where datasets live: the argument, else ``$DDPM_DATA``, else ``./data``."""
    return Path(root or os.environ.get("DDPM_DATA") or "data")


def load(name: str, split: str = "train", root: str | Path | None = None) -> Images:
    """Load a dataset, downloading it where it is missing and there is a network.

    Args:
        name: a key of ``DATASETS``, or that of a folder of pictures below the data root; see
            ``from_pictures``. A dataset whose own files are not there is read from such a folder
            of its name.
        split: ``"train"`` (the training set less the images held out, 5,000 of those named in
            ``DATASETS``), ``"validation"`` (those held out) or ``"test"`` (for final figures only).
        root: see ``data_root``; the layout below it is torchvision's.

    Raises:
        InvalidInput: for a name that is none of these.
        DataError: naming the missing or damaged file.
    """
    check_choice("split", split, SPLITS)
    root = data_root(root)
    if name not in DATASETS:
        if not isinstance(name, str) or not NAME.fullmatch(name) or not _has_pictures(root / name):
            raise InvalidInput(
                f"unknown dataset {str(name)[:60]!r}; known: {', '.join(DATASETS)}, or a folder of "
                f"class folders of pictures in {root}"
            )
        return from_pictures(root / name, split)
    dataset = DATASETS[name]
    if not (root / dataset.folder).exists() and _has_pictures(root / name):
        return _in_order(from_pictures(root / name, split), dataset.classes, root / name)
    pixels, labels = dataset.read(root, split != "test")
    if split != "test":
        chosen = _chosen(len(pixels), VALIDATION_IMAGES)[split]
        pixels, labels = pixels[chosen], labels[chosen]
    return Images(pixels, labels, dataset.classes)


def from_pictures(folder: Path, split: str = "train") -> Images:
    """A dataset of square pictures of one size, in class folders.

    Args:
        folder: holds the class folders, or ``train`` and perhaps ``test``, which hold them.
        split: ``"train"``, ``"validation"`` (a tenth of the training pictures, 5,000 at most, by
            a fixed seed) or ``"test"``; without a ``test`` as many pictures again are held out
            for it.

    Raises:
        DataError: naming the file that is missing, damaged or does not match the others.
    """
    whole = folder / "train" if (folder / "train").is_dir() else folder
    tested = whole != folder and (folder / "test").is_dir()
    found = everything = pictures.read(whole)
    labels = everything.labels
    if split == "test" and tested:
        found = pictures.read(folder / "test")
        if not set(found.classes) <= set(everything.classes):
            raise DataError(f"{folder} has classes to test with that it has none to train on")
        if found.pixels.shape[1:] != everything.pixels.shape[1:]:
            raise DataError(f"{folder} has pictures of another size or colour to test with")
        labels = _relabelled(found.labels, found.classes, everything.classes)
        chosen = slice(None)
    else:
        count = len(labels)
        held_out = min(VALIDATION_IMAGES, count // 10)
        if not held_out:
            raise DataError(f"{whole} holds {count} pictures; at least 10 are needed")
        chosen = _chosen(count, held_out, 0 if tested else held_out)[split]
    source = f"pictures ({', '.join(found.formats)})"
    return Images(found.pixels[chosen], labels[chosen], everything.classes, source)


def _chosen(count: int, held_out: int, tested: int = 0) -> dict[str, Tensor]:
    """Which images each split has, in rising order: the same ones for ever."""
    order = torch.from_numpy(np.random.RandomState(VALIDATION_SEED).permutation(count))
    parts = order.split([held_out, tested, count - held_out - tested])
    return {
        name: part.sort()[0]
        for name, part in zip(("validation", "test", "train"), parts, strict=True)
    }


def _has_pictures(folder: Path) -> bool:
    if any(path.is_dir() for path in folder.glob("*")):
        return True
    for packed in (folder.with_name(f"{folder.name}.zip"), folder / "train.zip"):
        if packed.is_file():
            raise DataError(f"{packed} is not read: unpack it into {packed.with_suffix('')}")
    return False


def _in_order(images: Images, classes: tuple[str, ...], folder: Path) -> Images:
    """Pictures in class folders, labelled as the dataset that they stand for labels them."""
    if sorted(images.classes) != sorted(classes):
        raise DataError(
            f"{folder} has other classes than {folder.name} ({', '.join(classes)}): "
            f"{', '.join(images.classes)[:200]}"
        )
    labels = _relabelled(images.labels, images.classes, classes)
    return replace(images, labels=labels, classes=classes)


def _relabelled(labels: Tensor, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Tensor:
    return torch.tensor([wanted.index(name) for name in classes])[labels]


def _read_mnist_like(name: str, root: Path, train: bool) -> tuple[Tensor, Tensor]:
    content = _open(name, root, train)
    if len(content.data) != len(content.targets):
        raise DataError(
            f"{root / name} is damaged: {len(content.data):,} images but {len(content.targets):,} "
            "labels; delete both files and retry"
        )
    return content.data.unsqueeze(1), content.targets.long()


def _read_cifar10(root: Path, train: bool) -> tuple[Tensor, Tensor]:
    content = _open("CIFAR10", root, train)
    pixels = torch.from_numpy(content.data).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(content.targets)


def _open(name: str, root: Path, train: bool):
    from torchvision import datasets as tv  # a second of import that sampling can do without

    dataset = getattr(tv, name)
    try:
        return dataset(root, train=train, download=True)
    except Exception as error:  # whatever torchvision, urllib or the disk raise
        folder = root / getattr(dataset, "base_folder", name)
        raise DataError(
            f"{name} is missing from {folder} or damaged, and could not be downloaded ({error}). "
            "Give its folder with --data-root or DDPM_DATA; delete what is damaged."
        ) from error


@dataclass(frozen=True)
class Dataset:
    """An entry of ``DATASETS``.

    Attributes:
        read: ``(root, train) -> pixels, labels`` of the training or the test set: (N, C, H, W)
            uint8 and (N,) int64.
        folder: below the data root, where its own files lie.
        classes: one name per label.
        hub: what the Hugging Face Hub calls it, for the cards of models.
    """

    read: Callable[[Path, bool], tuple[Tensor, Tensor]]
    folder: str
    classes: tuple[str, ...]
    hub: str


def _mnist_like(name: str, classes: tuple[str, ...], hub: str) -> Dataset:
    """What torchvision calls ``name``, in the four files of MNIST."""
    return Dataset(partial(_read_mnist_like, name), name, classes, hub)


DATASETS = {
    "mnist": _mnist_like("MNIST", DIGITS, "ylecun/mnist"),
    "fashion-mnist": _mnist_like("FashionMNIST", CLOTHES, "zalando-datasets/fashion_mnist"),
    "kmnist": _mnist_like("KMNIST", KUZUSHIJI, "randall-lab/kmnist"),
    "cifar10": Dataset(_read_cifar10, "cifar-10-batches-py", THINGS, "uoft-cs/cifar10"),
}
