"""The Reverse process tab: one image and every step of it, and walks that differ side by side."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ddpm_core import Request

from . import bench, laboratory, recordings
from .runs import Studio

DEFAULT = Request(n=1, label=3, sampler="ddpm", steps=250)


@dataclass
class Reverse:
    """The parts of the tab.

    Attributes:
        single: the bench of one image.
        contests: the comparisons, by name.
        views: the tabs that they stand in: ``"one"``, and the names of the comparisons.
        tabs: each of those.
    """

    single: bench.Bench
    contests: dict[str, laboratory.Contest]
    views: gr.Tabs
    tabs: dict[str, gr.Tab]


def build(studio: Studio) -> Reverse:
    """Lay the tab out and wire it."""
    contests, tabs = {}, {}
    with gr.Tabs(elem_id="views", elem_classes="instruments") as views:
        with gr.Tab("One image", id="one") as tabs["one"]:
            single = _single(studio)
        for view in laboratory.VIEWS:
            with gr.Tab(view.title, id=view.name) as tabs[view.name]:
                recorded = recordings.load(view.name)
                contests[view.name] = laboratory.build(studio, view, recorded)
    return Reverse(single, contests, views, tabs)


def _single(studio: Studio) -> bench.Bench:
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
        numbers=(6, 7),
    )
