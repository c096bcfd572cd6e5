"""Datasets in, tensors in [-1, 1] out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .errors import DataError, check_choice

SPLITS = ("train", "validation", "test")
VALIDATION_IMAGES = 5_000
# Which images are held out must never change: figures would cease to be comparable.
VALIDATION_SEED = 0

DIGITS = tuple("0123456789")
CLOTHES = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
]
THINGS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@dataclass(frozen=True)
class Images:
    """A split of a dataset, in memory.

    Attributes:
        pixels: (N, C, H, W), uint8.
        labels: (N,), int64.
        classes: one name per label.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, indices) -> tuple[Tensor, Tensor]:
        """Images as float32 in [-1, 1], shape (B, C, H, W), and their labels (B,)."""
        return to_unit(self.pixels[indices]), self.labels[indices]


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
        name: ``"mnist"``, ``"fashion-mnist"`` or ``"cifar10"``.
        split: ``"train"`` (the training set less the 5,000 images held out),
            ``"validation"`` (those 5,000) or ``"test"`` (for final figures only).
        root: see ``data_root``; the layout below it is torchvision's.

    Raises:
        DataError: naming the missing or damaged file.
    """
    check_choice("dataset", name, DATASETS)
    check_choice("split", split, SPLITS)
    pixels, labels, classes = DATASETS[name](data_root(root), split != "test")
    if split != "test":
        order = torch.from_numpy(np.random.RandomState(VALIDATION_SEED).permutation(len(pixels)))
        held_out, rest = order[:VALIDATION_IMAGES].sort()[0], order[VALIDATION_IMAGES:].sort()[0]
        chosen = held_out if split == "validation" else rest
        pixels, labels = pixels[chosen], labels[chosen]
    return Images(pixels, labels, tuple(classes))


def _mnist_like(dataset: str, classes) -> Callable:
    def read(root: Path, train: bool):
        folder = root / dataset / "raw"
        stem = "train" if train else "t10k"
        for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
            _check_idx(folder / f"{stem}-{kind}-ubyte", header)
        content = _open(dataset, root, train)
        if len(content.data) != len(content.targets):
            raise DataError(
                f"{folder} is damaged: {len(content.data):,} images but "
                f"{len(content.targets):,} labels ({stem}-*); delete both and retry"
            )
        return content.data.unsqueeze(1), content.targets.long(), classes

    return read


def _cifar10(root: Path, train: bool):
    from torchvision import datasets as tv
    from torchvision.datasets.utils import check_integrity

    folder = root / tv.CIFAR10.base_folder
    parts = tv.CIFAR10.train_list if train else tv.CIFAR10.test_list
    for name, md5 in parts:
        if (folder / name).exists() and not check_integrity(str(folder / name), md5):
            raise DataError(f"{folder / name} is damaged (its MD5 differs); delete it and retry")
    content = _open("CIFAR10", root, train)
    pixels = torch.from_numpy(content.data).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(content.targets), THINGS


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


DATASETS: dict[str, Callable] = {
    "mnist": _mnist_like("MNIST", DIGITS),
    "fashion-mnist": _mnist_like("FashionMNIST", CLOTHES),
    "cifar10": _cifar10,
}
