"""The Reverse tab: one image and every step of it, and different runs side by side."""

from __future__ import annotations

import gradio as gr

from ddpm_core import Request

from ...runs.runs import Studio
from .. import run_tab
from . import comparison_views

DEFAULT = Request(n=1, label=3, sampler="ddpm", steps=250)


def build(
    studio: Studio,
) -> tuple[run_tab.RunTab, dict[str, comparison_views.Comparison], dict[str, gr.Tab]]:
    """Lay the tab out and wire it.

    Returns:
        The tab of one image, the comparisons by name, and the tabs that they stand in: ``"one"``,
        and the names of the comparisons.
    """
    comparisons, tabs = {}, {}
    with gr.Tabs(elem_id="views", elem_classes="instruments"):
        with gr.Tab("One image", id="one") as tabs["one"]:
            single = run_tab.build(
                studio,
                "reverse",
                default=DEFAULT,
                gif_panes=("x", "x0"),
                single=True,
                title="Reverse process of one image",
                idle="One image, from noise to picture, every step of it.",
                about="Drag the timeline: every step of it is kept.",
                whys=("guess", "t"),
                numbers=(6, 7),
            )
        for view in comparison_views.VIEWS:
            with gr.Tab(view.title, id=view.name) as tabs[view.name]:
                comparisons[view.name] = comparison_views.build(studio, view)
    return single, comparisons, tabs
