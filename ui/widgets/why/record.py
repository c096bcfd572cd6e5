"""Makes the pictures of the answers anew, from the same seeds.

``python -m ui.widgets.why.record``.
"""

from __future__ import annotations

import numpy as np

from ddpm_core import Request, Run, film, load, media
from ddpm_core.recorder import grid
from lab.process.forward import forward_film

from ..sketch.sketch import digit
from .why import FOLDER, PICTURES, TIMES, WHYS

PIXEL = (14, 13)  # of the drawing; on the stroke of the digit
WIDE, HIGH = 640, 200


def main() -> None:
    """Write all of them."""
    for name, rows in _rows().items():
        assert len(rows) == len(WHYS[name].rows)
        for i, row in enumerate(rows):
            picture = media.png(grid(row, len(row)), optimize=True)
            (FOLDER / f"{name}-{i}.png").write_bytes(picture)
    (FOLDER / "steps.svg").write_text(drawing(), encoding="utf-8")


def _rows() -> dict[str, list[np.ndarray]]:
    run = film(load("mnist-conditional"), Request(n=1, label=3, steps=250))
    frames = [int(np.argmin(np.abs(np.array(run.t) - t))) for t in TIMES[1:-1][::-1]]
    lambdas = {"model": "mnist-linear", "guidance": "classifier-noisy"}
    return {
        "t": [_noised("mnist-cosine", 3)],
        "noise": [_noised("mnist-cosine", digit) for digit in (3, 7, 8)],
        "cosine": [_noised(model, 3) for model in ("mnist-linear", "mnist-cosine")],
        "guess": [run.x[frames, 0], run.x0[frames, 0]],
        "scale": [_guided(scale) for scale in (0, 1, 2, 8)],
        "lambda": [_guided(scale, **lambdas) for scale in (0, 2, 8, 20)],
    }


def _noised(model: str, number: int) -> np.ndarray:
    noised = forward_film(load(model), np.ascontiguousarray(digit(number))).film
    return np.stack([noised.x[noised.frames - 1 - t, 0] for t in TIMES])


def _guided(scale: float, model: str = "mnist-conditional", guidance: str = "cfg") -> np.ndarray:
    how = {"sampler": "dpm_solver_pp", "steps": 20, "guidance": guidance, "guidance_scale": scale}
    return film(load(model), Request(n=PICTURES, label=3, **how)).images()


def drawing() -> str:
    """One pixel on its way from noise to picture: DDIM in 1,000 steps and in 20, DDPM in 1,000."""
    model = load("mnist-conditional")

    def way(sampler: str, steps: int) -> list[tuple[str, str]]:
        run = Run(model, Request(n=1, label=3, sampler=sampler, steps=steps))
        states = [(1000, run.start), *((step.t_next + 1, step.x) for step in run.steps())]
        values = [(t, float(x[0, 0][PIXEL])) for t, x in states]
        return [
            (f"{WIDE * (1 - t / 1000):.1f}", f"{HIGH / 2 - v * HIGH / 7:.1f}") for t, v in values
        ]

    rough, smooth = way("ddpm", 1000)[::2], way("ddim", 1000)[::5]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3.5"/>' for x, y in way("ddim", 20))
    text = (
        "One pixel from noise to picture: the way of DDIM is smooth, and its 20 large steps lie on "
        "that of its 1,000 small ones; the way of DDPM is rough"
    )
    return (
        f'<svg class="why-drawing" viewBox="0 0 {WIDE} {HIGH + 22}" role="img" aria-label="{text}">'
        f'<polyline class="why-rough" points="{" ".join(map(",".join, rough))}"/>'
        f'<polyline class="why-smooth" points="{" ".join(map(",".join, smooth))}"/><g>{dots}</g>'
        f'<text x="0" y="{HIGH + 18}">noise</text>'
        f'<text x="{WIDE}" y="{HIGH + 18}" text-anchor="end">picture</text></svg>'
        '<p class="why-legend">one pixel on its way: <b class="why-rough">DDPM, 1,000 steps</b>, '
        '<b class="why-smooth">DDIM, 1,000 steps</b>, <b class="why-dots">DDIM, 20 steps</b></p>'
    )


if __name__ == "__main__":
    main()
