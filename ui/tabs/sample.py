"""The Sample tab: a grid of images that appears while it denoises."""

from __future__ import annotations

from ddpm_core import Request

from ..runs.runs import Studio
from ..widgets.architecture import architecture
from ..widgets.examples.examples import Examples
from . import run_tab

DEFAULT = Request(n=16, steps=20)


def build(studio: Studio, links: Examples | None = None) -> run_tab.RunTab:
    """Lay the tab out and wire it; ``links`` are rendered among its controls."""
    network = architecture.Network(elem_id="sample-network", render=False)
    grid = run_tab.build(
        studio,
        "sample",
        default=DEFAULT,
        gif_panes=("x",),
        single=False,
        title="Sampled grid",
        idle="Sixteen squares of pure noise, about to become digits.",
        about="Click a tile to open every step of it.",
        whys=("t", "noise", "guess", "steps"),
        below=network.fold,
        among=links.render if links else None,
        numbers=(8, 9, 10),
    )
    network.follow(studio, grid.controls.model)
    return grid
