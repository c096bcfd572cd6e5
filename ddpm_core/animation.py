"""Pictures in; PNG, GIF, WebP and MP4 out, with a note of what made them, which is read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from html import unescape
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from .errors import InvalidInput, check_choice, check_int
from .files import write
from .recorder import Film, Frames, enlarge

KINDS = ("gif", "webp", "mp4")
FILMS = tuple(f".{kind}" for kind in KINDS)  # the endings of their files
# Minutes of one core; and what the formats, or (MP4) the decoders of most devices, can hold.
MAX_PIXELS = 4 * 10**9
MAX_SIDE = {"gif": 65_535, "webp": 16_383, "mp4": 4_096}
MAX_NOTE = 2**20


def save_png(pixels: np.ndarray, path: str | Path, scale: int = 1, note: str = "") -> None:
    """Write (H, W, C) uint8 as PNG, ``note`` in its description."""
    from .media import png

    scale = check_int("scale", scale, 1, 64)
    info = PngImagePlugin.PngInfo()
    if note:
        info.add_itxt("Description", note)
    write(Path(path), png(enlarge(pixels, scale), pnginfo=info))


def save_film(
    film: Film,
    path: str | Path,
    *,
    panes: Sequence[str] = ("x",),
    stride: int = 1,
    scale: int = 1,
    frame_ms: int = 40,
    hold_ms: int = 2000,
    columns: int | None = None,
    note: str = "",
    kind: str | None = None,
) -> int:
    """``save_animation`` of ``recorder.Frames``, with the arguments of both."""
    frames = Frames(film, panes, stride, columns)
    times = {"frame_ms": frame_ms, "hold_ms": hold_ms}
    return save_animation(frames, path, scale=scale, note=note, kind=kind, **times)


save_gif = partial(save_film, kind="gif")  # whatever its path ends in


def save_animation(
    pictures: Iterable[np.ndarray],
    path: str | Path,
    *,
    frame_ms: int = 40,
    hold_ms: int = 2000,
    scale: int = 1,
    note: str = "",
    palette: np.ndarray | None = None,
    kind: str | None = None,
) -> int:
    """Write pictures as a GIF, WebP or MP4 with exactly one frame for each of them.

    Equal neighbours stay frames of their own. GIF and WebP repeat for ever. WebP is lossless; a
    grey GIF has 16 levels of grey, a coloured one 256 colours for all its frames; MP4 is H.264,
    4:2:0, padded with paper to an even width and height.

    Args:
        pictures: (H, W, C) uint8, C = 1 or 3, all of one shape. They are taken one at a time,
            except that an iterator of coloured pictures is gathered to choose a GIF's colours.
        frame_ms: time per frame, 20 to 10,000; GIF counts in tens of milliseconds.
        hold_ms: how long the last frame stays, at most ten minutes.
        scale: whole-number enlargement, 1 to 64.
        note: written into the file; see ``read_note``.
        palette: (n, 3) uint8, n at most 256: the colours of a coloured GIF.
        kind: ``"gif"``, ``"webp"`` or ``"mp4"``; what the path ends in, unless given.

    Returns:
        The number of frames written.

    Raises:
        InvalidInput: also for more than ``MAX_PIXELS`` in all.
    """
    from .media import encoded  # here, because it is slow to import

    kind = check_choice("kind of animation", kind or Path(path).suffix[1:].lower(), KINDS)
    frame_ms = check_int("frame_ms", frame_ms, 20, 10_000)
    hold_ms = check_int("hold_ms", hold_ms, 20, 600_000)
    scale = check_int("scale", scale, 1, 64)
    if len(note.encode("utf-8")) > MAX_NOTE:
        raise InvalidInput(f"a note of more than {MAX_NOTE:,} bytes is no note")
    frames = _checked(pictures, scale, kind)
    if kind == "gif" and palette is None and not isinstance(pictures, Sequence):
        pictures = frames = [*frames]
    count, content = encoded(frames, kind, frame_ms, hold_ms, scale, note, pictures, palette)
    write(Path(path), content)
    return count


def read_note(path: str | Path) -> str:
    """The note in a GIF, PNG, WebP or MP4 file, whatever it is called; empty if there is none.

    Raises:
        InvalidInput: for any other file.
        OSError: if there is no such file.
    """
    path = Path(path)
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
        file.seek(0)
        try:
            return _note_in_mp4(file) if is_mp4 else _note_in_picture(file)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            raise InvalidInput(f"{path.name} is no GIF, PNG, WebP or MP4") from None


def _note_in_mp4(file: BinaryIO) -> str:
    from .media import Video, iio

    with iio.imopen(file, "r", plugin=Video, format="mp4") as film:
        return film.container_metadata.get("comment", "")


def _note_in_picture(file: BinaryIO) -> str:
    with Image.open(file, formats=("GIF", "PNG", "WEBP")) as picture:
        picture.load()  # text may stand after a PNG's pixels
        about, kind = picture.info, picture.format
    if kind == "GIF":
        return about.get("comment", b"").decode("utf-8", "replace")
    if kind == "PNG":
        return str(about.get("Description", ""))
    xmp = about.get("xmp", b"").decode("utf-8", "replace")
    match = re.search(r"<dc:description>.*?<rdf:li[^>]*>(.*?)</rdf:li>", xmp, re.DOTALL)
    return unescape(match[1]) if match else ""


def check_size(pixels: np.ndarray, kind: str, scale: int = 1, frames: int = 1) -> None:
    """Refuse a picture, (H, W, C), that is too large for a kind of animation, or so many of it."""
    side, most = max(pixels.shape[:2]) * scale, MAX_SIDE[kind]
    if not 0 < side <= most:
        raise InvalidInput(
            f"{side:,} pixels are more than the {most:,} of this format; take a smaller scale"
        )
    if frames * pixels.shape[0] * pixels.shape[1] * scale**2 > MAX_PIXELS:
        raise InvalidInput(
            f"more than {MAX_PIXELS:,} pixels in all; take a smaller scale or a larger stride"
        )


def _checked(pictures: Iterable[np.ndarray], scale: int, kind: str) -> Iterator[np.ndarray]:
    shape = None
    for frames, pixels in enumerate(pictures, 1):
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
            raise InvalidInput("pictures must be uint8 of shape (H, W, 1) or (H, W, 3)")
        shape = shape or pixels.shape
        if pixels.shape != shape:
            raise InvalidInput(f"pictures of one shape make a film, not {shape}, {pixels.shape}")
        check_size(pixels, kind, scale, frames)
        yield pixels
    if shape is None:
        raise InvalidInput("an animation needs a picture at least")
