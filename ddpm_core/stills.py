"""Reads pictures with Pillow: imageio's reader mirrors grey photographs along the wrong axis."""

from __future__ import annotations

from contextlib import suppress

from PIL import Image, ImageOps

GREY, COLOUR = ("1", "L", "LA"), ("P", "RGB", "RGBA", "CMYK", "YCbCr")


def upright(picture: Image.Image, background: int) -> Image.Image:
    """An opened picture, turned as its camera noted, as 8-bit grey ("L") or colour ("RGB").

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
