"""The short answers show what they say, with pictures that the shipped models made."""

import re

import numpy as np
from imageio.v3 import imread

from ui.widgets.why import why


def row(name, i):
    return imread(why.FOLDER / f"{name}-{i}.png").astype(float)


def test_few_large_steps_of_ddim_lie_on_the_way_of_many_small_ones():
    text = (why.FOLDER / "steps.svg").read_text(encoding="utf-8")
    (line,) = re.findall(r'why-smooth" points="([^"]+)"', text)
    x, y = np.array([[float(v) for v in point.split(",")] for point in line.split()]).T
    dots = [[float(v) for v in dot] for dot in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', text)]
    assert len(dots) == 21
    assert max(abs(np.interp(cx, x, y) - cy) for cx, cy in dots) < 0.03 * np.ptp([0, 200])


def test_linear_has_less_of_the_picture_than_cosine_at_every_time_between():
    """By how much the pixels of a stroke stand out from those of the ground."""
    linear, cosine = row("cosine", 0), row("cosine", 1)
    clean = linear[:, :28]
    for column in range(2, 8):
        part = slice(29 * column, 29 * column + 28)
        stroke, ground = clean > 128, clean < 10
        outstanding = [
            r[:, part][stroke].mean() - r[:, part][ground].mean() for r in (linear, cosine)
        ]
        assert outstanding[0] < outstanding[1]
