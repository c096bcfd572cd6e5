"""Pictures in class folders, as one array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
GREY, COLOUR = ("1", "L", "LA"), ("P", "RGB", "RGBA", "CMYK", "YCbCr")
# In which order pictures are kept must never change: figures would cease to be comparable.
ORDER_SEED = 0


@dataclass(frozen=True)
class Pictures:
    """All pictures of one folder.

    Attributes:
        pixels: (N, C, S, S), uint8; C is 1 if all of them are grey, else 3.
        labels: (N,), int64, indices into ``classes``.
        classes: the names of the class folders, sorted.
        formats: what the files are, such as ``("JPEG",)``, sorted.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    formats: tuple[str, ...]


def read(folder: Path) -> Pictures:
    """Decode a folder of class folders: ``rose/1.png``, ``rose/2.jpg``, ``tulip/1.png``.

    Other files are passed over. Pictures are square, all of one size; they are kept in a fixed
    random order, so that the first few of them are a fair sample. What was decoded last stays in
    memory for as long as the folder holds the same files.

    Raises:
        DataError: naming the file that cannot be read, or does not match the others.
    """
    from torchvision.datasets import ImageFolder  # a second of import that sampling can do without

    try:
        listed = ImageFolder(folder, is_valid_file=_is_picture)
    except FileNotFoundError as error:
        raise DataError(f"{folder} holds no class folders of pictures: {error}") from error
    return _decoded(tuple(sorted(listed.samples)), tuple(listed.classes))


def _is_picture(path: str) -> bool:
    return Path(path).suffix.lower() in ENDINGS and not Path(path).name.startswith(".")


@lru_cache(maxsize=2)
def _decoded(samples: tuple[tuple[str, int], ...], classes: tuple[str, ...]) -> Pictures:
    order = np.random.RandomState(ORDER_SEED).permutation(len(samples))
    rows, formats = [], set()
    for path, _ in (samples[i] for i in order):
        pixels, kind = _pixels(path)
        rows.append(pixels)
        formats.add(kind)
        if pixels.shape[:2] != rows[0].shape[:2]:
            first = samples[order[0]][0]
            raise DataError(
                f"pictures differ in size: {_sized(first, rows[0])}, but {_sized(path, pixels)}"
            )
    channels = max(row.shape[2] for row in rows)
    everything = np.stack([np.broadcast_to(row, (*row.shape[:2], channels)) for row in rows])
    pixels = torch.from_numpy(np.ascontiguousarray(everything.transpose(0, 3, 1, 2)))
    labels = torch.tensor([samples[i][1] for i in order])
    return Pictures(pixels, labels, classes, tuple(sorted(formats)))


def _pixels(path: str) -> tuple[np.ndarray, str]:
    """A picture, (S, S, 1) if it is grey, else (S, S, 3); and what kind of file it is."""
    from .media import Still

    try:
        with open(path, "rb") as file, Still(file) as picture:
            about = picture.metadata()
            mode = "L" if about["mode"] in GREY else "RGB"
            pixels = np.atleast_3d(picture.read(index=0, mode=mode, writeable_output=False))
    except Exception as error:  # whatever Pillow raises of a damaged file
        raise DataError(f"{path} cannot be read as a picture ({error})") from error
    if about["mode"] not in GREY + COLOUR:
        raise DataError(f"{path} has pixels of kind {about['mode']}, not of 8 bits")
    if pixels.shape[0] != pixels.shape[1]:
        raise DataError(f"only squares are read: {_sized(path, pixels)}")
    return pixels, about["format"]


def _sized(path: str, pixels: np.ndarray) -> str:
    return f"{path} is {pixels.shape[1]} x {pixels.shape[0]} pixels"
