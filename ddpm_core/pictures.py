"""Pictures in class folders, in a folder or a zip, as one array."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from .errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
GREY, COLOUR = ("1", "L", "LA"), ("P", "RGB", "RGBA", "CMYK", "YCbCr")
# A whole part is decoded into memory: three bytes a pixel at most.
MOST_PIXELS, MOST_SIDE, MOST_BYTES = 2**29, 512, 2**26
READ_AT_ONCE = 2**14
# In which order pictures are kept must never change: figures would cease to be comparable.
ORDER_SEED = 0


@dataclass(frozen=True)
class Pictures:
    """All pictures of one folder or zip.

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


def place(folder: Path, part: str = "") -> Path | None:
    """Where pictures are: ``folder``/``part`` or its zip; without a part ``folder`` or its zip.

    A folder is taken only if it holds something.
    """
    inside = folder / part if part else folder
    if inside.is_dir() and any(inside.iterdir()):
        return inside
    packed = inside.with_name(inside.name + ".zip")
    return packed if packed.is_file() else None


def read(source: Path) -> Pictures:
    """Decode a folder or a zip of class folders: ``rose/1.png``, ``rose/2.jpg``, ``tulip/1.png``.

    The class folders may lie deeper, all in the same folder. Other files are passed over, as is
    whatever begins with a dot. Pictures are square, all of one size; they are kept in a fixed
    random order, so that the first few of them are a fair sample. What was decoded last stays in
    memory for as long as no file changes.

    Raises:
        DataError: naming the file that cannot be read, or does not match the others.
    """
    return _read(source, _listed(source))


def _listed(source: Path) -> tuple[tuple[str, int, object], ...]:
    """(name, size, change mark) of every picture, by name."""
    if source.is_dir():
        paths = {path.relative_to(source).as_posix(): path for path in source.rglob("*")}
        found = [
            (name, path.stat().st_size, path.stat().st_mtime_ns)
            for name, path in paths.items()
            if _is_picture(name) and path.is_file()
        ]
    else:
        with _opened(source) as archive:
            found = [
                (info.filename, info.file_size, info.CRC)
                for info in archive.infolist()
                if _is_picture(info.filename) and not info.is_dir()
            ]
    return tuple(sorted(found))


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in ENDINGS


def _opened(source: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{source} is damaged, or no zip ({error}); delete it and retry") from error


@lru_cache(maxsize=2)
def _read(source: Path, listed: tuple) -> Pictures:
    if not listed:
        raise DataError(f"{source} holds no pictures ({', '.join(ENDINGS)})")
    names = [name for name, _, _ in listed]
    classes = _classes(source, names)
    order = np.random.RandomState(ORDER_SEED).permutation(len(names))
    names = [names[i] for i in order]
    index = {name: i for i, name in enumerate(classes)}
    labels = torch.tensor([index[PurePosixPath(name).parent.name] for name in names])
    large = next((name for name, size, _ in listed if size > MOST_BYTES), None)
    if large is not None:
        raise DataError(f"{large} in {source} is larger than {MOST_BYTES // 2**20} MiB")
    if source.is_dir():
        pixels, formats = _decode(source, names, lambda name: (source / name).read_bytes())
    else:
        with _opened(source) as archive:
            pixels, formats = _decode(source, names, lambda name: _unpack(archive, name))
    return Pictures(pixels, labels, classes, formats)


def _unpack(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of an archive, never more than its header says: read at once, it is all unpacked."""
    # What is packed in another way, zipfile unpacks by more than it is asked for.
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name} in {archive.filename} is neither stored nor deflated, as zips are")
    with archive.open(name) as file:
        return b"".join(iter(lambda: file.read(READ_AT_ONCE), b""))


def _classes(source: Path, names: list[str]) -> tuple[str, ...]:
    folders = {PurePosixPath(name).parent for name in names}
    if PurePosixPath(".") in folders:
        loose = next(name for name in names if "/" not in name)
        raise DataError(f"{loose} in {source} lies in no class folder")
    above = sorted({str(folder.parent) for folder in folders})
    if len(above) > 1:
        raise DataError(
            f"the class folders in {source} do not lie side by side: some in {above[0]!r}, "
            f"some in {above[1]!r}"
        )
    return tuple(sorted(folder.name for folder in folders))


def _decode(source: Path, names: list[str], content: Callable[[str], bytes]):
    """All pictures, (N, C, S, S), and what kinds of file they were."""
    from .stills import Still

    pixels, side, colour, formats = None, 0, False, set()
    for i, name in enumerate(names):
        try:
            with Still(io.BytesIO(content(name))) as picture:
                about = picture.metadata()
                _check(source, name, about["shape"], about["mode"], names[0], side)
                if pixels is None:
                    side = about["shape"][0]
                    _check_total(source, len(names), side)
                    pixels = np.empty((len(names), 3, side, side), np.uint8)
                formats.add(about["format"])
                colour = colour or about["mode"] not in GREY
                mode = "L" if about["mode"] in GREY else "RGB"
                read = picture.read(index=0, mode=mode, writeable_output=False)
                pixels[i] = np.moveaxis(np.atleast_3d(read), -1, 0)  # grey fills all three
        except DataError:
            raise
        except Exception as error:  # whatever Pillow, zipfile or zlib raise of a damaged file
            raise DataError(f"{name} in {source} cannot be read as a picture ({error})") from error
    array = pixels if colour else np.ascontiguousarray(pixels[:, :1])
    return torch.from_numpy(array), tuple(sorted(formats))


def _check(source: Path, name: str, size: tuple, mode: str, first: str, side: int) -> None:
    width, height = size
    if width != height:
        raise DataError(f"{name} in {source} is {width} x {height} pixels; only squares are read")
    if width > MOST_SIDE:
        raise DataError(f"{name} in {source} is {width} pixels wide, more than {MOST_SIDE}")
    if side and width != side:
        raise DataError(
            f"pictures in {source} differ in size: {first} is {side} x {side} pixels, "
            f"{name} {width} x {height}"
        )
    if mode not in GREY + COLOUR:
        raise DataError(f"{name} in {source} has pixels of kind {mode}, not of 8 bits")


def _check_total(source: Path, count: int, side: int) -> None:
    if count * side**2 > MOST_PIXELS:
        raise DataError(
            f"{source} holds {count:,} pictures of {side} x {side}: {count * side**2:,} pixels, "
            f"more than the {MOST_PIXELS:,} that are kept in memory"
        )
