"""What visitors were sent, beside what the core makes of the same request alone."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ddpm_core import Film, Model, Request, film, grid, load, sample, save_gif

from .visitors import Answer, frames

# Of 255, on average over a single image. Another batch rounds differently, and a digit that is
# drawn between two may tip over; another's digit is off by thirty and more.
LEVELS = 4


@dataclass(frozen=True)
class Off:
    """Attributes:
    most: of 255, by which a single value differs.
    mean: the largest mean over one image of a frame.
    """

    most: int
    mean: float

    @property
    def wrong(self) -> bool:
        return self.mean > LEVELS

    def __str__(self) -> str:
        return f"off by {self.most} of 255 at most, an image by {self.mean:.0f} on average"


class Alone:
    """Makes them again, each in a batch of its own."""

    def __init__(self):
        self._models: dict[str, Model] = {}

    def off(self, answer: Answer) -> Off:
        """By how much an answer differs."""
        expected, side = self._frames(answer.asked)
        if [frame.shape for frame in answer.frames] != [frame.shape for frame in expected]:
            return Off(255, 255.0)
        pairs = zip(answer.frames, expected, strict=True)
        apart = [np.abs(got.astype(int) - wanted) for got, wanted in pairs]
        images = [image for frame in apart for image in _cut(frame, side)]
        most, mean = max(it.max() for it in images), max(it.mean() for it in images)
        return Off(int(most), float(mean))

    def _frames(self, asked: dict) -> tuple[list[np.ndarray], int]:
        """(H, W, 3) each, and the side of an image in them."""
        name = asked["model"]
        model = self._models[name] = self._models.get(name) or load(name)
        known = {f.name for f in fields(Request)}
        request = Request(**{k: v for k, v in asked.items() if k in known})
        if "stride" in asked:
            return _in_a_gif(film(model, request), asked["stride"]), model.shape[-1]
        made = grid(sample(model, request), asked.get("columns"))
        return [np.broadcast_to(made, (*made.shape[:2], 3))], model.shape[-1]


def _in_a_gif(made: Film, stride: int) -> list[np.ndarray]:
    """The frames as they leave a GIF, of sixteen greys."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.gif"
        save_gif(made, path, stride=stride)
        return frames(path.read_bytes())


def _cut(frame: np.ndarray, side: int) -> list[np.ndarray]:
    """The images of a grid, without what is between them: on the page that has another colour."""
    height, width = frame.shape[:2]
    return [
        frame[y : y + side, x : x + side]
        for y in range(0, height, side + 1)
        for x in range(0, width, side + 1)
    ]
