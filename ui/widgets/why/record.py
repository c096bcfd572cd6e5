"""Makes the pictures of the answers anew, from the same seeds.

``python -m ui.widgets.why.record``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from imageio.v3 import imread

from ddpm_core import Request, Run, film, load, media
from ddpm_core.recorder import grid
from lab.process.forward import forward_film

from ..sketch.sketch import SAMPLES
from .why import FOLDER, PICTURES, TIMES, WHYS

PIXEL = (14, 13)  # of the drawing; on the stroke of the digit
WIDE, HIGH = 640, 200


def main() -> None:
    """Write all of them."""
    for name, why in WHYS.items():
        if not why.rows:
            continue
        rows = list(ROWS[name]())
        assert len(rows) == len(why.rows)
        for i, row in enumerate(rows):
            picture = media.png(grid(row, len(row)), optimize=True)
            (FOLDER / f"{name}-{i}.png").write_bytes(picture)
    (FOLDER / "steps.svg").write_text(drawing(), encoding="utf-8")


def _noised(model: str, digit: int) -> np.ndarray:
    digits = imread(SAMPLES)
    digits = digits if digits.ndim == 2 else digits[..., 0]
    picture = np.ascontiguousarray(digits[:, 28 * digit : 28 * (digit + 1), None])
    noised = forward_film(load(model), picture).film
    return np.stack([noised.x[noised.frames - 1 - t, 0] for t in TIMES])


def _t() -> Iterator[np.ndarray]:
    yield _noised("mnist-cosine", 3)


def _noise() -> Iterator[np.ndarray]:
    for digit in (3, 7, 8):
        yield _noised("mnist-cosine", digit)


def _cosine() -> Iterator[np.ndarray]:
    for model in ("mnist-linear", "mnist-cosine"):
        yield _noised(model, 3)


def _guess() -> Iterator[np.ndarray]:
    run = film(load("mnist-conditional"), Request(n=1, label=3, steps=250))
    frames = [int(np.argmin(np.abs(np.array(run.t) - t))) for t in TIMES[1:-1][::-1]]
    yield run.x[frames, 0]
    yield run.x0[frames, 0]


def _guided(model: str, **request) -> np.ndarray:
    asked = Request(n=PICTURES, label=3, sampler="dpm_solver_pp", steps=20, **request)
    return film(load(model), asked).images()


def _scale() -> Iterator[np.ndarray]:
    for scale in (0, 1, 2, 8):
        yield _guided("mnist-conditional", guidance="cfg", guidance_scale=scale)


def _lambda() -> Iterator[np.ndarray]:
    for scale in (0, 2, 8, 20):
        yield _guided("mnist-linear", guidance="classifier-noisy", guidance_scale=scale)


ROWS = {
    "t": _t,
    "noise": _noise,
    "cosine": _cosine,
    "guess": _guess,
    "scale": _scale,
    "lambda": _lambda,
}


def drawing() -> str:
    """One pixel on its way from noise to picture: DDIM in 1,000 steps and in 20, DDPM in 1,000."""
    model = load("mnist-conditional")
    ways = {}
    for name, sampler, steps in (
        ("ddpm", "ddpm", 1000),
        ("many", "ddim", 1000),
        ("few", "ddim", 20),
    ):
        run = Run(model, Request(n=1, label=3, sampler=sampler, steps=steps))
        values = [float(run.start[0, 0][PIXEL])]
        times = [model.schedule.num_timesteps]
        for step in run.steps():
            values.append(float(step.x[0, 0][PIXEL]))
            times.append(step.t_next + 1)
        ways[name] = [
            (WIDE * (1 - t / 1000), HIGH / 2 - value * HIGH / 7)
            for t, value in zip(times, values, strict=True)
        ]
    line = {
        name: " ".join(f"{x:.1f},{y:.1f}" for x, y in ways[name][:: 2 if name == "ddpm" else 5])
        for name in ("ddpm", "many")
    }
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in ways["few"])
    seen = (
        "One pixel from noise to picture: the way of DDIM is smooth, and its 20 large steps lie on "
        "that of its 1,000 small ones; the way of DDPM is rough"
    )
    return (
        f'<svg class="why-drawing" viewBox="0 0 {WIDE} {HIGH + 22}" role="img" aria-label="{seen}">'
        f'<polyline class="why-rough" points="{line["ddpm"]}"/>'
        f'<polyline class="why-smooth" points="{line["many"]}"/><g>{dots}</g>'
        f'<text x="0" y="{HIGH + 18}">noise</text>'
        f'<text x="{WIDE}" y="{HIGH + 18}" text-anchor="end">picture</text></svg>'
        '<p class="why-legend">one pixel on its way: <b class="why-rough">DDPM, 1,000 steps</b>, '
        '<b class="why-smooth">DDIM, 1,000 steps</b>, <b class="why-dots">DDIM, 20 steps</b></p>'
    )


if __name__ == "__main__":
    main()
