"""The Reverse process tab: one image and every step of it, x_t beside x̂0."""

from __future__ import annotations

from ddpm_core import Request

from . import bench
from .runs import Studio

DEFAULT = Request(n=1, label=3, sampler="ddpm", steps=250)


def build(studio: Studio) -> bench.Bench:
    """Lay the tab out and wire it."""
    return bench.build(
        studio,
        "reverse",
        default=DEFAULT,
        gif_panes=("x", "x0"),
        single=True,
        title="Reverse process of one image",
        idle="One image, from noise to picture, every step of it.",
        caption="$x_t$ is the state after the step, $\\hat x_0$ the clean image that the network "
        "saw before it. Drag the timeline or press the arrow keys; 0 to 9 pick a class, S stops.",
    )
