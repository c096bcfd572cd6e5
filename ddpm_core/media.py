"""Pictures and films as files, by imageio.

imageio is given open files and bytes alone: a name might be an address to it, or the clipboard.
"""

from __future__ import annotations

import io
from fractions import Fraction
from html import escape
from itertools import chain, pairwise
from typing import Any

import imageio.v3 as iio
import numpy as np
from av import VideoFrame
from av.codec.context import Flags
from imageio.plugins.pyav import PyAVPlugin
from PIL import Image

from .recorder import PAPER, enlarge

GREY = 17  # from one of a GIF's 16 levels of grey to the next
# Of x264, 0 is exact; at 12 noise comes back at 46 dB, a digit at 57. What would smooth edges, or
# spare bits where an eye is thought not to look, is off: pixels are the point here.
QUALITY = {"crf": "12", "preset": "veryfast", "bf": "0", "g": "50", "threads": "1"}
QUALITY["x264-params"] = "no-deblock=1:aq-mode=0"
# The encoder of each kind, its pixels and its options, and those of the container. These encoders
# keep equal frames apart, which Pillow and libwebp_anim merge. "gifflags": 0: every frame of a GIF
# is whole, not only what changed. To compress a WebP harder takes many times as long, and noise
# becomes no smaller.
ENCODERS = {
    "gif": ("gif", "pal8", {"gifflags": "0"}, {}),
    "webp": (
        "libwebp",
        "bgra",
        {"lossless": "1", "quality": "0", "compression_level": "0"},
        {"loop": "0"},
    ),
    "mp4": ("libx264", "yuv420p", QUALITY, {"movflags": "+faststart"}),
}

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description>'
    '<rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt>'
    "</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def png(pixels: np.ndarray, **options: Any) -> bytes:
    """(H, W, C) uint8, C = 1 or 3, as a file; options are Pillow's."""
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return iio.imwrite("<bytes>", pixels, plugin="pillow", extension=".png", **options)


class Video(PyAVPlugin):
    def close(self) -> None:
        """As PyAVPlugin's, which also collects the garbage of the whole process, twice a film."""
        if self._video_stream is not None and self.request.mode.io_mode == "w":
            self._flush_writer()
        if self._container is not None:
            self._container.close()
        self.request.finish()


def encoded(frames, kind, frame_ms, hold_ms, scale, note, pictures, palette) -> tuple[int, bytes]:
    """How many frames ``save_animation`` writes, one for each picture, and the file with them.

    Args:
        pictures: what the colours of a coloured GIF are chosen from, unless a palette is given.
    """
    codec, pixel_format, options, container = ENCODERS[kind]
    if kind == "gif":
        container = {"final_delay": str(round(hold_ms / 10))}
    file, colours = io.BytesIO(), None
    how = {"extension": f".{kind}", "container": kind, "options": container}
    how["io_open"] = lambda *_: io.BytesIO(file.getvalue())  # "faststart" reads what is written
    with iio.imopen(file, "w", plugin=Video, **how) as film:
        film.container_metadata["comment"] = note
        film.init_video_stream(codec, fps=1000 / frame_ms, pixel_format=pixel_format)
        # imageio's own write_frame has no palettes, no times and no options of an encoder.
        stream, encoder = film._video_stream, film._video_stream.codec_context
        encoder.options, encoder.time_base = options, Fraction(1, 1000)
        encoder.flags |= Flags.frame_duration
        if kind == "mp4":  # as the standard's numbers: BT.601, 16 to 235; else players would guess
            encoder.color_range, encoder.colorspace = 1, 6
            encoder.color_primaries = encoder.color_trc = 6
        for count, (pixels, following) in enumerate(pairwise(chain(frames, [None]))):
            if kind == "gif" and not count:
                colours = _colours(pixels, pictures, palette)
            frame = _frame(pixels, kind, scale, colours)
            if not count:
                stream.width, stream.height = frame.width, frame.height
            frame.time_base, frame.pts = encoder.time_base, count * frame_ms
            frame.duration = hold_ms if following is None else frame_ms
            film._container.mux(stream.encode(frame))
    content = file.getvalue()
    # ffmpeg's writers of GIF and WebP have no place for a note.
    if note and kind == "gif":
        content = _with_comment(content, note)
    if note and kind == "webp":
        content = _with_xmp(content, note, frame)
    return count + 1, content


def _frame(pixels: np.ndarray, kind: str, scale: int, colours: np.ndarray | None) -> VideoFrame:
    if kind == "gif":
        indices = enlarge(_indices(pixels, colours), scale)
        return VideoFrame.from_ndarray((indices[..., 0], colours), "pal8")
    pixels = enlarge(pixels, scale)
    if kind == "mp4":  # 4:2:0 needs an even height and width
        height, width = (side % 2 for side in pixels.shape[:2])
        pixels = np.pad(pixels, ((0, height), (0, width), (0, 0)), constant_values=PAPER)
    if pixels.shape[-1] == 1:
        return VideoFrame.from_ndarray(pixels[..., 0], "gray")
    return VideoFrame.from_ndarray(pixels, "rgb24")


def _colours(first: np.ndarray, pictures, palette: np.ndarray | None) -> np.ndarray:
    """(256, 4): opacity, red, green, blue, for all frames: a palette for each would flicker."""
    if first.shape[-1] == 1:
        chosen = np.arange(16)[:, None] * GREY
    elif palette is not None:
        chosen = np.asarray(palette, np.uint8)
    else:
        # Half of them are the last picture's, which stays: noise would leave it few.
        some = sorted({round(i) for i in np.linspace(0, len(pictures) - 1, 12)})
        samples = pictures[-1], np.concatenate([pictures[i] for i in some])
        chosen = np.concatenate([_colours_of(pixels, 128) for pixels in samples])
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 0], colours[: len(chosen), 1:] = 255, chosen
    return colours


def _colours_of(pixels: np.ndarray, most: int) -> np.ndarray:
    """(n, 3): the colours that stand for those of a picture, (H, W, 3)."""
    quantized = Image.fromarray(pixels).quantize(most, Image.Quantize.MEDIANCUT)
    return np.reshape(quantized.getpalette(), (-1, 3))[:most]


def _indices(pixels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    if pixels.shape[-1] == 1:
        return np.rint(pixels / GREY).astype(np.uint8)
    reference = Image.new("P", (1, 1))
    reference.putpalette(colours[:, 1:].tobytes())
    image = Image.fromarray(pixels).quantize(palette=reference, dither=Image.Dither.NONE)
    return np.asarray(image)[..., None]


def _with_comment(gif: bytes, note: str) -> bytes:
    text = note.encode("utf-8")
    pieces = [text[i : i + 255] for i in range(0, len(text), 255)]
    comment = b"!\xfe" + b"".join(bytes([len(p)]) + p for p in pieces) + b"\0"
    at = 13 + 3 * 256 + 19  # after the head, the colours and "for ever"
    return gif[:at] + comment + gif[at:]


def _with_xmp(webp: bytes, note: str, frame: VideoFrame) -> bytes:
    chunks = bytearray(webp[12:])
    if not chunks.startswith(b"VP8X"):  # of one frame alone
        sides = b"".join((side - 1).to_bytes(3, "little") for side in (frame.width, frame.height))
        chunks[:0] = _chunk(b"VP8X", bytes(4) + sides)
    chunks[8] |= 4  # flags: it has XMP
    chunks += _chunk(b"XMP ", XMP.format(escape(note, quote=False)).encode("utf-8"))
    return _chunk(b"RIFF", b"WEBP" + chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
