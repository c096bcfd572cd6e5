"""Pictures in; GIF, WebP and MP4 out, each with a note of what made it, which can be read back."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from html import escape, unescape
from pathlib import Path

import numpy as np
from PIL import GifImagePlugin, Image

from .errors import InvalidInput, check_choice, check_int
from .files import replacing

KINDS = ("gif", "webp", "mp4")
GREYS = 16
PAPER = 255
# Minutes of one core; and what the formats, or (MP4) the decoders of most devices, can hold.
MAX_PIXELS = 4 * 10**9
MAX_SIDE = {"gif": 65_535, "webp": 16_383, "mp4": 4_096}
MAX_NOTE = 2**20
# Of x264, 0 is exact; at 12 noise comes back at 46 dB, a digit at 57. What would smooth edges, or
# spare bits where an eye is thought not to look, is off: pixels are the point here.
QUALITY = {"crf": "12", "preset": "veryfast", "bf": "0", "g": "50", "threads": "1"}
QUALITY["x264-params"] = "no-deblock=1:aq-mode=0"
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description>'
    '<rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt>'
    "</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
)


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

    Neighbours that are equal stay frames of their own in all three. GIF and WebP repeat for ever.
    WebP is lossless; a grey GIF has 16 levels of grey, a coloured one 256 colours for all its
    frames; MP4 is H.264, 4:2:0, at a constant frame rate, padded with paper to an even width and
    height.

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
        InvalidInput: for settings out of range, pictures that differ in shape, or none, and more
            than four thousand million pixels in all.
    """
    kind = check_choice("kind of animation", kind or Path(path).suffix[1:].lower(), KINDS)
    frame_ms = check_int("frame_ms", frame_ms, 20, 10_000)
    hold_ms = check_int("hold_ms", hold_ms, 20, 600_000)
    scale = check_int("scale", scale, 1, 64)
    if len(note.encode("utf-8")) > MAX_NOTE:
        raise InvalidInput(f"a note of more than {MAX_NOTE:,} bytes is no note")
    frames = _timed(_checked(pictures, scale, MAX_SIDE[kind]), frame_ms, hold_ms)
    with replacing(Path(path)) as part:
        if kind == "gif":
            if palette is None and not isinstance(pictures, Sequence):
                frames = list(frames)
                pictures = [pixels for pixels, _ in frames]
            return _write_gif(frames, part, scale, note, pictures, palette)
        if kind == "webp":
            return _write_webp(frames, part, scale, note)
        return _write_mp4(frames, part, scale, note, frame_ms)


def read_note(path: str | Path) -> str:
    """The note in a GIF, PNG, WebP or MP4 file, empty if there is none.

    It stands in a GIF's comment, a PNG's ``Description``, a WebP's XMP description and an MP4's
    ``comment``, whatever the file is called.

    Raises:
        InvalidInput: for any other file.
        OSError: if there is no such file.
    """
    with Path(path).open("rb") as file:
        start = file.read(16)
    if start[4:8] == b"ftyp":
        return _read_mp4(path)
    try:
        with Image.open(path, formats=("GIF", "PNG", "WEBP")) as image:
            if image.format == "GIF":
                return image.info.get("comment", b"").decode("utf-8", "replace")
            if image.format == "PNG":
                return str(image.text.get("Description", ""))
            found = re.search(
                r"<dc:description>.*?<rdf:li[^>]*>(.*?)</rdf:li>",
                image.info.get("xmp", b"").decode("utf-8", "replace"),
                re.DOTALL,
            )
            return unescape(found[1]) if found else ""
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InvalidInput(f"{Path(path).name} is no GIF, PNG, WebP or MP4") from None


def enlarge(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Repeat every pixel ``scale`` times in both directions of (..., H, W, C)."""
    return pixels.repeat(scale, axis=-3).repeat(scale, axis=-2)


def as_image(pixels: np.ndarray) -> Image.Image:
    """(H, W, C) uint8, C = 1 or 3, as a Pillow image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _checked(pictures: Iterable[np.ndarray], scale: int, most: int) -> Iterator[np.ndarray]:
    shape, total = None, 0
    for pixels in pictures:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
            raise InvalidInput("pictures must be uint8 of shape (H, W, 1) or (H, W, 3)")
        shape = shape or pixels.shape
        if pixels.shape != shape:
            raise InvalidInput(f"pictures of one shape make a film, not {shape}, {pixels.shape}")
        side = max(shape[:2]) * scale
        if not 0 < side <= most:
            raise InvalidInput(
                f"{side:,} pixels are more than the {most:,} of this format; take a smaller scale"
            )
        total += shape[0] * shape[1] * scale**2
        if total > MAX_PIXELS:
            raise InvalidInput(
                f"more than {MAX_PIXELS:,} pixels in all; take a smaller scale or a larger stride"
            )
        yield pixels
    if shape is None:
        raise InvalidInput("an animation needs a picture at least")


def _timed(pictures: Iterator[np.ndarray], frame_ms: int, hold_ms: int):
    """Each picture with the milliseconds that it stays."""
    previous = next(pictures)  # there is one, or it is refused
    for pixels in pictures:
        yield previous, frame_ms
        previous = pixels
    yield previous, hold_ms


# --- GIF ---


def _write_gif(frames, path: Path, scale: int, note: str, pictures, palette) -> int:
    count, colours = 0, b""
    with path.open("wb") as file:
        for pixels, milliseconds in frames:
            grey = pixels.shape[-1] == 1
            if not count:
                colours = _grey_palette() if grey else _colour_palette(pictures, palette)
            indexed = _grey_indices(pixels) if grey else _colour_indices(pixels, colours)
            indexed = indexed.resize((indexed.width * scale, indexed.height * scale), Image.NEAREST)
            if not count:
                file.write(_gif_header(indexed.size, colours, note))
            file.write(_gif_delay(milliseconds))
            for block in GifImagePlugin.getdata(indexed):
                file.write(block)
            count += 1
        file.write(b";")
    return count


def _grey_palette() -> bytes:
    return bytes(level for i in range(GREYS) for level in [round(i * 255 / (GREYS - 1))] * 3)


def _grey_indices(pixels: np.ndarray) -> Image.Image:
    levels = (pixels[..., 0].astype(np.uint16) * (GREYS - 1) + 127) // 255
    return Image.fromarray(levels.astype(np.uint8))


def _colour_palette(pictures: Sequence[np.ndarray], palette: np.ndarray | None) -> bytes:
    """256 colours shared by all frames: a palette per frame would flicker."""
    if palette is not None:
        chosen = np.asarray(palette, np.uint8)
        if chosen.ndim != 2 or chosen.shape[1] != 3 or not 0 < len(chosen) <= 256:
            raise InvalidInput("a palette is (n, 3), n at most 256")
        return chosen.tobytes().ljust(768, b"\0")
    some = sorted({round(i) for i in np.linspace(0, len(pictures) - 1, 12)})
    sample = np.concatenate([pictures[i] for i in some])
    chosen = Image.fromarray(sample).quantize(256, Image.Quantize.MEDIANCUT)
    return bytes(chosen.getpalette()).ljust(768, b"\0")


def _colour_indices(pixels: np.ndarray, palette: bytes) -> Image.Image:
    reference = Image.new("P", (1, 1))
    reference.putpalette(palette)
    return Image.fromarray(pixels).quantize(palette=reference, dither=Image.Dither.NONE)


def _gif_header(size: tuple[int, int], palette: bytes, note: str) -> bytes:
    """Everything before the first frame. Pillow's own writer would merge equal frames."""
    bits = (len(palette) // 3 - 1).bit_length()
    width, height = (n.to_bytes(2, "little") for n in size)
    screen = b"GIF89a" + width + height + bytes([0xF0 | (bits - 1), 0, 0]) + palette
    forever = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
    text = note.encode("utf-8")
    pieces = [text[i : i + 255] for i in range(0, len(text), 255)]
    comment = b"!\xfe" + b"".join(bytes([len(p)]) + p for p in pieces) + b"\0" if text else b""
    return screen + forever + comment


def _gif_delay(milliseconds: int) -> bytes:
    return b"!\xf9\x04\x00" + round(milliseconds / 10).to_bytes(2, "little") + b"\x00\x00"


# --- WebP ---


def _write_webp(frames, path: Path, scale: int, note: str) -> int:
    """Each frame is a lossless picture of its own: Pillow's writer would merge equal frames."""
    count, same, encoded = 0, None, b""
    with path.open("wb") as file:
        for pixels, milliseconds in frames:
            if same is None or not np.array_equal(pixels, same):
                same, encoded = pixels, _lossless(enlarge(pixels, scale))
            size = (_three(pixels.shape[1] * scale - 1), _three(pixels.shape[0] * scale - 1))
            if not count:
                flags = 0x02 | (0x04 if note else 0)  # animation, XMP
                screen = _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + b"".join(size))
                forever = _chunk(b"ANIM", b"\xff\xff\xff\xff\0\0")
                file.write(b"RIFF\0\0\0\0WEBP" + screen + forever)
            # Its corner, its size, its time; 2: what is there before is not blended with it.
            head = _three(0) * 2 + b"".join(size) + _three(milliseconds) + b"\x02"
            file.write(_chunk(b"ANMF", head + encoded))
            count += 1
        if note:
            file.write(_chunk(b"XMP ", XMP.format(escape(note, quote=False)).encode("utf-8")))
        length = file.tell()
        file.seek(4)
        file.write((length - 8).to_bytes(4, "little"))
    return count


def _lossless(pixels: np.ndarray) -> bytes:
    """A picture as the chunk that stands in a WebP frame."""
    file = io.BytesIO()
    # Noise gains nothing from more effort, which takes many times as long.
    as_image(pixels).convert("RGB").save(file, "WEBP", lossless=True, quality=0, method=0)
    return file.getvalue()[12:]  # after the header of a file


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


# --- MP4 ---


def _write_mp4(frames, path: Path, scale: int, note: str, frame_ms: int) -> int:
    import av  # here, because only this needs it

    count, stream = 0, None
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as film:
        if note:
            film.metadata["comment"] = note
        for pixels, milliseconds in frames:
            picture = _even(enlarge(pixels, scale))
            if stream is None:
                stream = film.add_stream("libx264", Fraction(1000, frame_ms), options=QUALITY)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, 1000)
                _say_colours(stream.codec_context)
            frame = _yuv(picture)
            frame.pts, frame.time_base = count * frame_ms, Fraction(1, 1000)
            count += 1
            packets = stream.encode(frame)
            if milliseconds != frame_ms:  # the last one, whose packet comes last, too
                packets += stream.encode(None)
                packets[-1].duration = int(Fraction(milliseconds, 1000) / packets[-1].time_base)
            film.mux(packets)
        if milliseconds == frame_ms:
            film.mux(stream.encode(None))
    return count


def _yuv(picture: np.ndarray):
    import av

    if picture.shape[-1] == 3:
        return av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
    height, width = picture.shape[:2]
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = np.rint(16 + picture[..., 0] * (219 / 255))
    return av.VideoFrame.from_ndarray(planes, "yuv420p")


def _say_colours(codec) -> None:
    """As the numbers of the standard: BT.601, 16 to 235; else players would guess."""
    codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc = 1, 6, 6, 6


def _even(picture: np.ndarray) -> np.ndarray:
    """Padded to an even height and width, which 4:2:0 needs."""
    height, width = (side % 2 for side in picture.shape[:2])
    return np.pad(picture, ((0, height), (0, width), (0, 0)), constant_values=PAPER)


def _read_mp4(path: str | Path) -> str:
    import av

    try:
        with av.open(str(path), format="mp4") as film:
            return film.metadata.get("comment", "")
    except (av.FFmpegError, UnicodeDecodeError):
        raise InvalidInput(f"{Path(path).name} is no MP4 that can be read") from None
