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
        name: a key of ``DATASETS``, or that of a folder or a zip of pictures below the data root;
            see ``from_pictures``. A dataset whose own files are not there is read from such a
            folder of its name.
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
                f"unknown dataset {str(name)[:60]!r}; known: {', '.join(DATASETS)}, or a folder or "
                f"zip of class folders of pictures in {root}"
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
        folder: holds ``train`` and ``test``, each a folder or a zip of class folders; or the class
            folders themselves; or is the name, without its ending, of a zip of class folders.
        split: ``"train"``, ``"validation"`` (a tenth of the training pictures, 5,000 at most, by
            a fixed seed) or ``"test"``; without a ``test`` as many pictures again are held out
            for it.

    Raises:
        DataError: naming the file that is missing, damaged or does not match the others.
    """
    parts = {part: pictures.place(folder, part) for part in ("train", "test")}
    if parts["test"] and not parts["train"]:
        raise DataError(f"{folder} has pictures to test with, but none to train on")
    if whole := parts["train"] or pictures.place(folder):
        everything = pictures.read(whole)
    else:
        raise DataError(f"no pictures in {folder}")
    classes, formats = everything.classes, everything.formats
    if split == "test" and parts["test"]:
        found = pictures.read(parts["test"])
        strangers = sorted(set(found.classes) - set(classes))
        if strangers:
            raise DataError(f"{parts['test']} has classes unknown to {whole}: {strangers[0]}")
        if found.pixels.shape[1:] != everything.pixels.shape[1:]:
            raise DataError(
                f"pictures in {parts['test']} are of {tuple(found.pixels.shape[1:])}, those in "
                f"{whole} of {tuple(everything.pixels.shape[1:])}"
            )
        labels = torch.tensor([classes.index(name) for name in found.classes])[found.labels]
        pixels, formats = found.pixels, found.formats
    else:
        count = len(everything.pixels)
        held_out = min(VALIDATION_IMAGES, count // 10)
        if not held_out:
            raise DataError(f"{whole} holds {count} pictures; at least 10 are needed")
        chosen = _chosen(count, held_out, 0 if parts["test"] else held_out)[split]
        pixels, labels = everything.pixels[chosen], everything.labels[chosen]
    return Images(pixels, labels, classes, f"pictures ({', '.join(formats)})")


def _chosen(count: int, held_out: int, tested: int = 0) -> dict[str, Tensor]:
    """Which images each split has, in rising order: the same ones for ever."""
    order = torch.from_numpy(np.random.RandomState(VALIDATION_SEED).permutation(count))
    parts = order.split([held_out, tested, count - held_out - tested])
    return {
        name: part.sort()[0]
        for name, part in zip(("validation", "test", "train"), parts, strict=True)
    }


def _has_pictures(folder: Path) -> bool:
    return any(pictures.place(folder, part) for part in ("train", "test", ""))


def _in_order(images: Images, classes: tuple[str, ...], folder: Path) -> Images:
    """Pictures in class folders, labelled as the dataset that they stand for labels them."""
    if sorted(images.classes) != sorted(classes):
        raise DataError(
            f"{folder} has other classes than {folder.name} ({', '.join(classes)}): "
            f"{', '.join(images.classes)[:200]}"
        )
    labels = torch.tensor([classes.index(name) for name in images.classes])[images.labels]
    return replace(images, labels=labels, classes=classes)


def _read_mnist_like(name: str, root: Path, train: bool) -> tuple[Tensor, Tensor]:
    folder = root / name / "raw"
    stem = "train" if train else "t10k"
    for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
        _check_idx(folder / f"{stem}-{kind}-ubyte", header)
    content = _open(name, root, train)
    if len(content.data) != len(content.targets):
        raise DataError(
            f"{folder} is damaged: {len(content.data):,} images but "
            f"{len(content.targets):,} labels ({stem}-*); delete both and retry"
        )
    return content.data.unsqueeze(1), content.targets.long()


def _read_cifar10(root: Path, train: bool) -> tuple[Tensor, Tensor]:
    from torchvision import datasets as tv
    from torchvision.datasets.utils import check_integrity

    folder = root / tv.CIFAR10.base_folder
    parts = tv.CIFAR10.train_list if train else tv.CIFAR10.test_list
    for name, md5 in parts:
        if (folder / name).exists() and not check_integrity(str(folder / name), md5):
            raise DataError(f"{folder / name} is damaged (its MD5 differs); delete it and retry")
    content = _open("CIFAR10", root, train)
    pixels = torch.from_numpy(content.data).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(content.targets)


def _open(name: str, root: Path, train: bool):
    from torchvision import datasets as tv  # a second of import that sampling can do without

    dataset = getattr(tv, name)
    try:
        return dataset(root, train=train, download=True)
    except (
        Exception
    ) as error:  # whatever torchvision, urllib or the disk raise, the user acts alike
        folder = root / getattr(dataset, "base_folder", name)
        raise DataError(
            f"{name} is neither in {folder} nor could it be downloaded ({error}). "
            "Give its folder with --data-root or DDPM_DATA."
        ) from error


def _check_idx(path: Path, header: int) -> None:
    """Compare a file's size with what its own header announces."""
    if not path.exists():
        return  # the download takes care of it
    with path.open("rb") as file:
        beginning = file.read(header)
    head = np.frombuffer(beginning.ljust(header, b"\0"), dtype=">u4")
    if len(beginning) < header or head[0] != (0x803 if header == 16 else 0x801):
        raise DataError(f"{path} is damaged: it does not begin as an idx file; delete it and retry")
    expected = header + int(np.prod(head[1:].astype(np.int64)))
    if path.stat().st_size != expected:
        raise DataError(
            f"{path} is damaged: {path.stat().st_size:,} bytes where its header announces "
            f"{expected:,}; delete it and retry"
        )


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
