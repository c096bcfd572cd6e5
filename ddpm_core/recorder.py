"""Steps in; films, grids and sheets out, as arrays (..., H, W, C) of uint8."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .data import to_pictures
from .errors import InvalidInput, check_choice, check_int
from .samplers import Step

PANES = ("x", "x0")
PAPER = 255  # between pictures
MAX_FILM_BYTES = 512 * 2**20


class Film:
    """Every step of a run as 8-bit pictures, in memory taken once at the start.

    Args:
        start: x_T, (n, C, H, W); frame 0.
        steps: how many will follow.
        num_timesteps: T, the timestep written on frame 0.

    Attributes:
        x: (frames, n, H, W, C), uint8: the state after each step so far, opening noise first.
        x0: the same for the predicted clean image; frame 0 has none and is mid-grey.
        t: the time of each frame's state: T for the opening noise, 0 for the clean image. The x̂0
            beside it was predicted one step before.

    Raises:
        InvalidInput: if the film would take more than 512 MiB.
    """

    def __init__(self, start: Tensor, steps: int, num_timesteps: int):
        check_film(start.shape, steps)
        n, c, h, w = start.shape
        self._x = np.zeros((steps + 1, n, h, w, c), np.uint8)
        self._x0 = np.zeros_like(self._x)
        self._x[0], self._x0[0] = to_pictures(start), 128
        self.t = [num_timesteps]

    @staticmethod
    def of(x: np.ndarray, x0: np.ndarray, t: list[int]) -> Film:
        """A film of pictures that are there already, finished if there is a time for each."""
        film = object.__new__(Film)
        film._x, film._x0, film.t = x, x0, list(t)
        return film

    def reversed(self) -> Film:
        """The same frames, the last one first, sharing this one's memory."""
        return Film.of(self.x[::-1], self.x0[::-1], self.t[::-1])

    def add(self, step: Step) -> None:
        self._x[self.frames], self._x0[self.frames] = to_pictures(step.x), to_pictures(step.x0)
        self.t.append(step.t_next + 1)

    def record(self, sampler: Iterator[Step]) -> Iterator[Step]:
        """Pass a sampler's steps through, keeping each."""
        for step in sampler:
            self.add(step)
            yield step

    @property
    def steps(self) -> int:
        """How many it has in the end."""
        return len(self._x) - 1

    @property
    def frames(self) -> int:
        """How many there are so far."""
        return len(self.t)

    @property
    def x(self) -> np.ndarray:
        return self._x[: self.frames]

    @property
    def x0(self) -> np.ndarray:
        return self._x0[: self.frames]

    @property
    def nbytes(self) -> int:
        return self._x.nbytes + self._x0.nbytes

    @property
    def finished(self) -> bool:
        return self.frames == self.steps + 1

    def images(self) -> np.ndarray:
        """The last state: (n, H, W, C), uint8."""
        return self.x[-1]

    def tile(self, image: int) -> Film:
        """The film of one image alone, sharing this one's memory."""
        image = check_int("image", image, 0, self._x.shape[1] - 1)
        part = slice(image, image + 1)
        return Film.of(self._x[:, part], self._x0[:, part], self.t)

    def until(self, index: int) -> Film:
        """A copy that has only the frames up to step ``index`` so far."""
        index = check_int("step", index, 0, self.frames - 1)
        return Film.of(self._x.copy(), self._x0.copy(), self.t[: index + 1])

    def extended(self, steps: Iterator[Step]) -> Film:
        """This film, after adding every step of an iterator."""
        for step in steps:
            self.add(step)
        return self

    def beside(self, other: Film) -> Film:
        """Both on one timeline: this film's images, then the other's, as far as both go.

        Raises:
            InvalidInput: if the timelines differ, or both together would take too much memory.
        """
        frames = min(self.frames, other.frames)
        if self.steps != other.steps or self.t[:frames] != other.t[:frames]:
            raise InvalidInput("films side by side must share their timeline")
        n = self._x.shape[1] + other._x.shape[1]
        check_film((n, *self._x.shape[2:]), self.steps)
        x = np.concatenate([self._x, other._x], axis=1)
        x0 = np.concatenate([self._x0, other._x0], axis=1)
        return Film.of(x, x0, self.t[:frames])

    def strided(self, frames: int) -> list[int]:
        """At most ``frames`` frame numbers, evenly spread, the first and the last among them."""
        frames = max(2, min(frames, self.frames))
        return sorted({round(i) for i in np.linspace(0, self.frames - 1, frames)})


def check_film(shape: tuple[int, ...], steps: int) -> None:
    """Refuse a film that would take more than 512 MiB, before memory is taken."""
    size = film_bytes(shape, steps)
    if size > MAX_FILM_BYTES:
        raise InvalidInput(
            f"a film of {shape[0]} images and {steps} steps takes {size / 2**20:,.0f} MiB, "
            f"more than the {MAX_FILM_BYTES // 2**20} allowed; take fewer images or steps"
        )


def film_bytes(shape: tuple[int, ...], steps: int) -> int:
    """Memory of a film of ``steps`` steps of a batch of ``shape``, in bytes."""
    return 2 * (steps + 1) * math.prod(shape)


def grid(images, columns: int | None = None, gap: int = 1, background: int = PAPER) -> np.ndarray:
    """Lay images out in rows: (H', W', C), uint8.

    Args:
        images: (n, H, W, C) uint8 array, or (n, C, H, W) uint8 tensor.
        columns: per row; about the square root of n unless given.
    """
    if isinstance(images, Tensor):
        images = images.permute(0, 2, 3, 1).cpu().numpy()
    n, h, w, c = images.shape
    columns = columns or default_columns(n)
    rows = -(-n // columns)
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, c), background, np.uint8)
    for i, image in enumerate(images):
        y, x = (i // columns) * (h + gap), (i % columns) * (w + gap)
        sheet[y : y + h, x : x + w] = image
    return sheet


def enlarge(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Repeat every pixel of (..., H, W, C) ``scale`` times in both directions."""
    return pixels.repeat(scale, axis=-3).repeat(scale, axis=-2)


def default_columns(n: int) -> int:
    """The most nearly square layout: 4 for 16 images, 8 for 64, 5 for 10."""
    side = math.ceil(math.sqrt(n))
    whole = [c for c in range(side, 2 * side + 1) if n % c == 0]
    return whole[0] if whole else side


def contact_sheet(images, columns, rows=None, *, scale: int = 4, gap: int = 1) -> np.ndarray:
    """A labelled ``grid``: a word over every column and, where given, before every row.

    ``scale`` enlarges the images, by a whole number, and not the words.
    """
    sheet = enlarge(grid(images, len(columns), gap), scale)
    # The font has no Greek.
    columns, rows = ([str(w).replace("λ", "lambda") for w in ws] for ws in (columns, rows or []))
    font = ImageFont.load_default(size=14)
    left = max((round(font.getlength(row)) + 12 for row in rows), default=0)
    high, wide = sheet.shape[:2]
    page = np.full((high + 24, wide + left, sheet.shape[2]), PAPER, np.uint8)
    page[24:, left:] = sheet
    picture = Image.fromarray(page[..., 0] if page.shape[-1] == 1 else page)
    pen = ImageDraw.Draw(picture)
    across, down = (wide + gap * scale) / len(columns), (high + gap * scale) / len(rows or [1])
    for i, label in enumerate(columns):
        pen.text((left + (i + 0.5) * across, 12), label, fill=0, font=font, anchor="mm")
    for i, label in enumerate(rows):
        pen.text((left / 2, 24 + (i + 0.5) * down), label, fill=0, font=font, anchor="mm")
    return np.asarray(picture).reshape(page.shape)


class Frames(Sequence):
    """The pictures of a film as they are written, each made when it is asked for; ``chosen`` has
    the number of each in the film.

    Args:
        panes: what each shows, side by side, of ``PANES``.
        stride: every how many steps one is kept; the first and last always are.
        columns: images per row, nearly square unless given.
    """

    def __init__(self, film: Film, panes: Sequence[str] = ("x",), stride=1, columns=None):
        stride = check_int("stride", stride, 1, 10_000)
        for pane in panes:
            check_choice("pane", pane, PANES)
        if not panes:
            raise InvalidInput("choose a pane at least")
        self.chosen = [*range(0, film.frames - 1, stride), film.frames - 1]
        self._panes, self._columns = [getattr(film, pane) for pane in panes], columns

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, number: int) -> np.ndarray:
        index = self.chosen[number]
        sheets = [grid(pane[index], self._columns) for pane in self._panes]
        return grid(np.stack(sheets), len(sheets), gap=4)
