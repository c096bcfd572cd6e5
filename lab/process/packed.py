"""A visitor's picture: from a file, and as a text short enough for a link."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ddpm_core.data import upright
from ddpm_core.errors import InvalidInput

# It holds 32 x 32 pixels in colour even if they do not compress. Some servers refuse longer
# addresses.
MAX_TEXT = 4_200
DARK = 64  # a picture with nothing lighter shows nothing on black


def pack(picture: np.ndarray) -> str:
    """A picture, uint8 (H, W, C), as text: its bytes, deflated, in URL-safe base64."""
    packed = zlib.compress(np.ascontiguousarray(picture, np.uint8).tobytes(), 9)
    text = base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            f"this picture takes {len(text):,} characters, more than the {MAX_TEXT:,} that a link "
            "carries"
        )
    return text


def unpack(text: str, shape: Sequence[int]) -> np.ndarray:
    """The picture that was packed, uint8 (H, W, C), for a model of ``shape``, (C, H, W)."""
    c, h, w = shape
    size = h * w * c
    try:
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise ValueError
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        stream = zlib.decompressobj()
        raw = stream.decompress(packed, size + 1)  # never more, whatever the text says
        damaged = len(raw) <= size and not stream.eof
    except (ValueError, zlib.error):
        damaged = True
    if damaged:
        raise InvalidInput("the packed picture is damaged: it cannot be read")
    if len(raw) != size or stream.unused_data:
        raise InvalidInput(
            f"the packed picture is not one of {h} x {w} pixels and {c} "
            f"{'channel' if c == 1 else 'channels'}, as the model needs"
        )
    return np.frombuffer(raw, np.uint8).reshape(h, w, c)


def open_picture(path: str | Path, shape: Sequence[int]) -> np.ndarray:
    """The middle square of a file's picture, uint8 (H, W, C), for a model of ``shape``, (C, H, W).

    A picture of the right size keeps its pixels. Transparent pixels become black, and white where
    on black nothing could be seen.
    """
    c, h, w = shape
    try:
        with Path(path).open("rb") as file, Image.open(file) as picture:
            image = upright(picture, 0)
            if np.max(image) < DARK:
                image = upright(picture, 255)
            image = image.convert("L" if c == 1 else "RGB")
    except FileNotFoundError:
        raise InvalidInput(f"there is no file {path}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{path} is not a picture that can be read: {error}") from error
    image = ImageOps.fit(image, (w, h), Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(h, w, c)
