"""Pictures that are read, by imageio.

imageio is given open files alone: a name might be an address to it, or the clipboard.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, BinaryIO

from imageio.core.request import Request
from imageio.core.v3_plugin_api import PluginV3
from imageio.plugins.pillow import PillowPlugin
from PIL import Image


class Still(PillowPlugin):
    """The picture in an open file: what Pillow tells of it at once, its pixels when they are read.

    Raises:
        OSError, SyntaxError, ValueError, Image.DecompressionBombError: of a file that is damaged,
            too large, or none of ``formats``, which are Pillow's names of them.
    """

    def __init__(self, file: BinaryIO, formats: tuple[str, ...] | None = None):
        # Not PillowPlugin's: it searches Python's folders for more decoders at every picture, which
        # takes longer than to read a small one, and it hides what Pillow says of a damaged file.
        PluginV3.__init__(self, Request(file, "r"))
        self._image, self.images_to_write = None, []
        self._image = Image.open(self.request.get_file(), formats=formats)

    def metadata(self, index: int | None = None, exclude_applied: bool = True) -> dict[str, Any]:
        camera = {}
        if not exclude_applied:  # as `read` asks; no sooner, since a PNG is decoded to find them
            with suppress(Exception):  # whatever Pillow raises of a camera's damaged notes
                camera = super().metadata(index, exclude_applied)
        image = self._image
        return camera | image.info | dict(format=image.format, mode=image.mode, shape=image.size)
