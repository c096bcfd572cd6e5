"""Datasets in, tensors in [-1, 1] out."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .errors import DataError, InvalidInput, check_choice, check_int

SPLITS = ("train", "validation", "test")
VALIDATION_IMAGES = 5_000
# Which images are held out must never change: figures would cease to be comparable. Nor in which
# order pictures are kept.
VALIDATION_SEED = ORDER_SEED = 0
SPLIT_FOLDERS = ("train", "test", "validation", "valid", "val")
SPLIT_NAMES = {*SPLIT_FOLDERS, "training", "testing"}
TO_ONE_SIZE = "--size 32 resizes and crops all of them to 32 x 32"

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
BACKGROUND = 255  # white, behind what is transparent
GREY, COLOUR = ("1", "L", "LA"), ("P", "RGB", "RGBA", "CMYK", "YCbCr")  # modes of 8 bits or less

DIGITS = tuple("0123456789")
CLOTHES = tuple("t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle-boot".split())
KUZUSHIJI = tuple("o ki su tsu na ha ma ya re wo".split())
THINGS = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
# What a dataset of pictures may be called: a name below the data root, never a path.
NAME = re.compile(r"\w[^/\\:\x00-\x1f]{0,63}")


@dataclass(frozen=True)
class Images:
    """A split of a dataset, in memory.

    Attributes:
        pixels: (N, C, H, W), uint8; or float32 in [-1, 1].
        labels: (N,), int64.
        classes: one name per label; empty if there are none.
        source: what was read in place of the dataset's own files, such as lossy pictures.
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

    def checksum(self) -> int:
        """Of the pixels and labels."""
        pixels = zlib.crc32(self.pixels.cpu().contiguous().numpy())
        return zlib.crc32(self.labels.cpu().contiguous().numpy(), pixels)

    def subset(self, indices) -> Images:
        """The images at these indices, or in this slice, in this order."""
        return replace(self, pixels=self.pixels[indices], labels=self.labels[indices])

    def relabelled(self, classes: tuple[str, ...]) -> Images:
        """The same images with labels for ``classes``, which include these."""
        if classes == self.classes:
            return self
        labels = torch.tensor([classes.index(name) for name in self.classes])[self.labels]
        return replace(self, labels=labels, classes=classes)


class Batches:
    """A data loader in the place of ``Images``. Its order is its own: a run that is resumed meets
    other batches. ``pixels`` and ``labels`` are those of its first batch.

    ``classes`` are ``loader.dataset.classes`` if there are any, else the numbers up to the largest
    label of the first batch.
    """

    source = "a data loader"

    def __init__(self, loader: Iterable):
        self.loader, self._left, self.classes = loader, iter(()), ()
        try:
            self._count = len(loader)
        except TypeError:
            raise InvalidInput("a data loader must tell how many batches it has") from None
        images = _checked(*self._next())
        self.pixels, self.labels, self.batch_size = images.pixels, images.labels, len(images)
        named = getattr(getattr(loader, "dataset", None), "classes", None)
        self.classes = tuple(named or images.classes)

    def __len__(self) -> int:
        return self._count * self.batch_size

    def batch(self, indices) -> tuple[Tensor, Tensor]:
        """The next batch, whatever ``indices`` are."""
        pixels, *labels = self._next()
        labels = labels[0].long() if labels else torch.zeros(len(pixels), dtype=torch.long)
        return to_unit(pixels), labels

    def _next(self) -> Sequence[Tensor]:
        batch = next(self._left, None)
        if batch is None:
            self._left = iter(self.loader)
            batch = next(self._left, None)
        if batch is None:
            raise DataError("the data loader gives no batches")
        return batch if isinstance(batch, list | tuple) else [batch]


def given(images) -> tuple[Images | Batches, Images]:
    """Split images of one's own into those to learn from and those held out.

    Args:
        images: ``Images``; a tensor (N, C, S, S), uint8 or floats in [-1, 1]; it and its labels
            (N,); of these a tenth is held out, 5,000 at most. Or a data loader of such batches:
            the loss is measured on its first one.
    """
    if isinstance(images, Tensor):
        images = (images,)
    is_pair = isinstance(images, list) and len(images) == 2 and getattr(images[1], "ndim", 0) == 1
    if is_pair or isinstance(images, tuple):
        images = _checked(*images)
    elif isinstance(images, Images):
        checked = _checked(images.pixels, images.labels)
        images = replace(images, pixels=checked.pixels, labels=checked.labels)
    else:
        batches = Batches(images)
        return batches, Images(batches.pixels, batches.labels, batches.classes)
    parts = _chosen(len(images), _tenth(len(images), "what is given"))
    held_out = parts["validation"]
    # They may lie class by class, and the loss is measured on the first few.
    order = torch.from_numpy(np.random.RandomState(ORDER_SEED).permutation(len(held_out)))
    return images.subset(parts["train"]), images.subset(held_out[order])


def _checked(pixels: Tensor, labels: Tensor | None = None) -> Images:
    """Images that a model can learn from; without labels they have no classes."""
    if not isinstance(pixels, Tensor) or pixels.ndim != 4 or pixels.shape[2] != pixels.shape[3]:
        raise InvalidInput("images must be a tensor (N, C, S, S)")
    if pixels.dtype != torch.uint8:
        low, high = (float(value) for value in pixels.aminmax())
        if not (-1.001 <= low < 0 and high <= 1.001):
            raise InvalidInput(
                f"images must be uint8 or floats in [-1, 1]; these go from {low:g} to {high:g}"
                + "; of floats in [0, 1] take 2 * x - 1" * (low >= 0 and high <= 1)
            )
        pixels = pixels.float()
    pixels = pixels.cpu()
    if labels is None:
        return Images(pixels, torch.zeros(len(pixels), dtype=torch.long), ())
    read = torch.as_tensor(labels)
    labels = read.long().cpu()
    if labels.shape != (len(pixels),):
        raise InvalidInput(f"{len(pixels)} images need as many labels")
    if read.is_floating_point() and (labels != read.cpu()).any():
        raise InvalidInput("labels must be whole numbers, the class of each image")
    if len(labels) and labels.min() < 0:
        raise InvalidInput(f"labels count from 0; there is one of {labels.min()}")
    return Images(pixels, labels, tuple(map(str, range(int(labels.max()) + 1))))


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1]; floats are in [-1, 1] already."""
    return pixels.float() if pixels.is_floating_point() else pixels.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """Floats in [-1, 1], clamped, to uint8 in [0, 255], rounded to nearest."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def to_pictures(x: Tensor) -> np.ndarray:
    """Floats in [-1, 1], (n, C, H, W), as pictures: uint8, (n, H, W, C)."""
    return to_uint8(x).permute(0, 2, 3, 1).cpu().numpy()


def data_root(root: str | Path | None = None) -> Path:
    """Where datasets live: the argument, else ``$DDPM_DATA``, else ``./data``."""
    return Path(root or os.environ.get("DDPM_DATA") or "data")


def located(dataset: str | Path, root: str | Path | None = None) -> tuple[str, Path]:
    """The name and the data root of a dataset that may be given as the path of a folder.

    Raises:
        DataError: for the path of no folder.
    """
    dataset = str(dataset)
    root, folder = data_root(root), Path(dataset).expanduser()
    known = dataset in DATASETS or NAME.fullmatch(dataset) and (root / dataset).is_dir()
    if not known and dataset != folder.name and not folder.is_dir():
        raise DataError(f"there is no folder {dataset}")
    if known or not dataset or not folder.is_dir():
        return dataset, root
    folder = folder.resolve()
    if not NAME.fullmatch(folder.name):
        raise DataError(f"{folder} needs a name of 64 characters at most, a letter or digit first")
    return folder.name, folder.parent


def load(
    name: str, split: str = "train", root: str | Path | None = None, size: int | None = None
) -> Images:
    """Load a dataset, downloading it where it is missing and there is a network.

    Args:
        name: a key of ``DATASETS``, or that of a folder of pictures below the data root; see
            ``from_pictures``. A dataset whose own files are not there is read from such a folder
            of its name.
        split: ``"train"`` (the training set less the images held out: 5,000 of those named in
            ``DATASETS``, a tenth of small ones), ``"validation"`` (those held out) or ``"test"``
            (for final figures only).
        root: see ``data_root``; the layout below it is torchvision's.
        size: pixels a side to which every picture is resized, its middle square kept.

    Raises:
        InvalidInput: for a name that is none of these.
        DataError: naming the missing or damaged file.
    """
    check_choice("split", split, SPLITS)
    root = data_root(root)
    if size is not None:
        check_int("size", size, 1, 4096)
    if name not in DATASETS:
        if not isinstance(name, str) or not NAME.fullmatch(name) or not (root / name).is_dir():
            raise InvalidInput(
                f"unknown dataset {str(name)[:60]!r}; known: {', '.join(DATASETS)}, and the names "
                f"of folders of pictures in {root}, the data root"
            )
        return from_pictures(root / name, split, size)
    dataset = DATASETS[name]
    if not _has_files(root / dataset.folder) and _has_pictures(root / name):
        images = from_pictures(root / name, split, size)
        if {*images.classes} != {*dataset.classes}:
            raise DataError(
                f"{root / name} has other classes than {name} ({', '.join(dataset.classes)}): "
                f"{', '.join(images.classes)[:200]}"
            )
        return images.relabelled(dataset.classes)
    images = Images(*dataset.read(root, split != "test"), dataset.classes)
    if size not in (None, images.pixels.shape[-1]):
        images = replace(images, pixels=_all_fitted(images.pixels, size), source=_resized(size))
    if split == "test":
        return images
    few = len(images) <= VALIDATION_IMAGES
    held_out = _tenth(len(images), name) if few else VALIDATION_IMAGES
    return images.subset(_chosen(len(images), held_out)[split])


def from_pictures(folder: str | Path, split: str = "train", size: int | None = None) -> Images:
    """A dataset of pictures, turned upright, and on white where they are transparent.

    Args:
        folder: holds pictures, which then have no classes, or class folders of them; or ``train``
            and perhaps ``test`` and ``validation`` (or ``val``), which hold them.
        split: ``"train"``, ``"validation"`` or ``"test"``; for each of the latter two that has no
            folder a tenth of the pictures is held out, 5,000 at most, by a fixed seed.
        size: see ``load``; without it all must be squares of one size.
    """
    folder = Path(folder)
    whole = folder / "train" if (folder / "train").is_dir() else folder
    others = [path for path in folder.glob("*") if path.is_dir() and path.name not in SPLIT_FOLDERS]
    if whole != folder and any(_is_picture(file) for path in others for file in path.glob("*")):
        raise DataError(
            f"{folder} holds train beside {', '.join(sorted(path.name for path in others))[:200]}: "
            "call a class otherwise, or move the others away"
        )
    names = sorted(path.name for path in folder.glob("*") if path.is_dir())
    if whole == folder and len(names) > 1 and {name.lower() for name in names} <= SPLIT_NAMES:
        raise DataError(f"{folder} holds {', '.join(names)}: call them train and test")
    apart = {}
    for kind, names in (("test", SPLIT_FOLDERS[1:2]), ("validation", SPLIT_FOLDERS[2:])):
        there = [name for name in names if whole != folder and (folder / name).is_dir()]
        if len(there) > 1:
            raise DataError(f"{folder} holds {', '.join(there)}: keep one of them")
        if there:
            apart[kind] = folder / there[0]
    everything = _read_folder(whole, size)
    if split in apart:
        images, verb = _read_folder(apart[split], size), "test" if split == "test" else "validate"
        if not set(images.classes) <= set(everything.classes):
            raise DataError(f"{folder} has classes to {verb} with that it has none to train on")
        if everything.classes and not images.classes:
            raise DataError(f"{folder} has classes to train on and none to {verb} with")
        if images.pixels.shape[1:] != everything.pixels.shape[1:]:
            raise DataError(f"{folder} has pictures of another size or colour to {verb} with")
        return images.relabelled(everything.classes)
    count = len(everything)
    share = _tenth(count, whole) if len(apart) < 2 else 0
    counts = (0 if kind in apart else share for kind in ("validation", "test"))
    return everything.subset(_chosen(count, *counts)[split])


def _tenth(count: int, where) -> int:
    held_out = min(VALIDATION_IMAGES, count // 10)
    if not held_out:
        raise DataError(f"{where} holds {count} pictures; at least 10 are needed")
    return held_out


def _chosen(count: int, held_out: int, tested: int = 0) -> dict[str, Tensor]:
    """Which images each split has, in rising order: the same ones for ever."""
    order = torch.from_numpy(np.random.RandomState(VALIDATION_SEED).permutation(count))
    parts = order.split([held_out, tested, count - held_out - tested])
    names = ("validation", "test", "train")
    return {name: part.sort()[0] for name, part in zip(names, parts, strict=True)}


def _has_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.rglob("*"))  # a failed download leaves folders


def _has_pictures(folder: Path) -> bool:
    return any(path.is_dir() or _is_picture(path) for path in folder.glob("*"))


def _is_picture(path: str | Path) -> bool:
    return Path(path).suffix.lower() in ENDINGS and not Path(path).name.startswith(".")


def _read_folder(folder: Path, size: int | None) -> Images:
    """All pictures of a folder, in a fixed random order: the first few are a fair sample.

    Other files are passed over, and class folders that are hidden or hold no picture.
    """
    from torchvision.datasets import ImageFolder  # a second of import that sampling can do without

    class Classes(ImageFolder):
        def find_classes(self, directory):
            names, _ = super().find_classes(directory)
            names = [name for name in names if any(map(is_shown, (folder / name).rglob("*")))]
            if all(map(str.isdecimal, names)):
                names.sort(key=int)  # not 0, 1, 10, 2
            return names, {name: number for number, name in enumerate(names)}

    def is_shown(path) -> bool:
        names = Path(path).relative_to(folder).parts
        return _is_picture(path) and not any(name.startswith(".") for name in names)

    if any(map(_is_picture, folder.glob("*"))):
        paths = sorted(str(path) for path in folder.rglob("*") if is_shown(path))
        return _decoded(tuple((path, 0) for path in paths), (), size, _stamps(paths))
    try:
        listed = Classes(folder, is_valid_file=is_shown)
    except (FileNotFoundError, ValueError) as error:  # no folders in it, none with pictures
        raise DataError(
            f"{folder} holds no pictures, nor class folders of them; known endings: "
            f"{', '.join(ENDINGS)}"
        ) from error
    samples = tuple(sorted(listed.samples))
    stamps = _stamps(path for path, _ in samples)
    return _decoded(samples, tuple(listed.classes), size, stamps)


def _stamps(paths: Iterable[str]) -> tuple:
    return tuple((about.st_mtime_ns, about.st_size) for about in map(os.stat, paths))


@lru_cache(maxsize=2)  # for as long as the folder holds the same files
def _decoded(
    samples: tuple[tuple[str, int], ...], classes: tuple[str, ...], size: int | None, stamps: tuple
) -> Images:
    samples = [samples[i] for i in np.random.RandomState(ORDER_SEED).permutation(len(samples))]
    rows, formats = zip(*(_pixels(path, size) for path, _ in samples), strict=True)
    side = rows[0].shape[0]
    for (path, _), row in zip(samples, rows, strict=True):
        if row.shape[0] != side:
            first = f"{samples[0][0]} is {side} x {side} pixels"
            other = f"{path} is {row.shape[0]} x {row.shape[0]}"
            raise DataError(f"pictures differ in size: {first}, but {other}; {TO_ONE_SIZE}")
    channels = max(row.shape[2] for row in rows)
    pixels = np.stack([np.broadcast_to(row, (side, side, channels)) for row in rows])
    pixels = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    labels, kinds = torch.tensor([label for _, label in samples]), ", ".join(sorted({*formats}))
    source = f"pictures ({kinds})" + (f", {_resized(size)}" if size else "")
    return Images(pixels, labels, classes, source)


def _resized(size: int) -> str:
    return f"resized and cropped to {size} x {size}"


def _fitted(picture: Image.Image, size: int) -> Image.Image:
    """The middle square of a picture, resized to (size, size)."""
    return ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)


def _all_fitted(pixels: Tensor, size: int) -> Tensor:
    """(N, C, H, W) uint8, resized to (N, C, size, size)."""
    from torchvision.transforms.functional import to_pil_image

    rows = [np.atleast_3d(_fitted(to_pil_image(row), size)) for row in pixels]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)


def _pixels(path: str, size: int | None) -> tuple[np.ndarray, str]:
    """A picture, (S, S, 1) if it is grey, else (S, S, 3), and the kind of its file."""
    try:
        with Image.open(path) as file:
            picture = upright(file, BACKGROUND)
            kind = file.format + " on white" * file.has_transparency_data
    except Exception as error:  # whatever Pillow raises of a damaged file
        raise DataError(f"{path} cannot be read as a picture ({error})") from error
    if size:
        picture = _fitted(picture, size)
    if picture.width != picture.height:
        width, height = picture.size
        raise DataError(f"{path} is {width} x {height} pixels, no square; {TO_ONE_SIZE}")
    return np.atleast_3d(picture), kind


def upright(picture: Image.Image, background: int) -> Image.Image:
    """An opened picture, turned as its camera noted, as 8-bit grey ("L") or colour ("RGB").

    By Pillow: imageio's reader mirrors grey photographs along the wrong axis.

    Args:
        background: a level of grey, 0 to 255, behind what is transparent.

    Raises:
        ValueError: if its pixels have more than 8 bits.
        Exception: whatever Pillow raises of a damaged file.
    """
    if picture.mode not in GREY + COLOUR:
        raise ValueError(f"its pixels are of kind {picture.mode}, not of 8 bits")
    picture.load()
    mode, transparent = "L" if picture.mode in GREY else "RGB", picture.has_transparency_data
    # A camera turns no pixels: it notes how it was held, and browsers respect the note.
    with suppress(Exception):  # whatever Pillow raises of a damaged note
        picture = ImageOps.exif_transpose(picture)
    if transparent:
        picture = picture.convert("RGBA")
        behind = Image.new("RGBA", picture.size, (background, background, background, 255))
        picture = Image.alpha_composite(behind, picture)
    return picture.convert(mode)


def _read(name: str, folder: str, root: Path, train: bool) -> tuple[Tensor, Tensor]:
    from torchvision import datasets  # a second of import that sampling can do without

    try:
        content = getattr(datasets, name)(root, train=train, download=True)
    except Exception as error:  # whatever torchvision, urllib or the disk raise
        raise DataError(
            f"{name} is missing from {root / folder} or damaged, and could not be downloaded "
            f"({error}). Give its folder with --data-root or DDPM_DATA; delete what is damaged."
        ) from error
    pixels = torch.as_tensor(content.data)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous()
    return pixels, torch.as_tensor(content.targets)


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


def _of_torchvision(name: str, classes: tuple[str, ...], hub: str, folder: str = "") -> Dataset:
    """What torchvision calls ``name``, in a folder of that name unless another is given."""
    folder = folder or name
    return Dataset(partial(_read, name, folder), folder, classes, hub)


DATASETS = {
    "mnist": _of_torchvision("MNIST", DIGITS, "ylecun/mnist"),
    "fashion-mnist": _of_torchvision("FashionMNIST", CLOTHES, "zalando-datasets/fashion_mnist"),
    "kmnist": _of_torchvision("KMNIST", KUZUSHIJI, "randall-lab/kmnist"),
    "cifar10": _of_torchvision("CIFAR10", THINGS, "uoft-cs/cifar10", "cifar-10-batches-py"),
}
