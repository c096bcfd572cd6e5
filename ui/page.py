"""The page: its tabs, what moves between them, links back into them, and the public API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr

from ddpm_core import InvalidInput

from . import api, keep, permalinks, reverse, sample, stage
from .bench import Bench
from .runs import Studio
from .theme import css, theme

HERE = Path(__file__).parent
TITLE = "Learning the Noise"
HEADER = f"""# {TITLE}
Denoising diffusion, step by step: sample it, scrub it, take it with you."""
# What ``launch`` needs to know of the page.
KEYS = (HERE / "keys.js").read_text(encoding="utf-8")
LOOK = {"theme": theme(), "css": css(), "head": f"<script>{KEYS}</script>"}


def build(studio: Studio | None = None) -> gr.Blocks:
    """Assemble the page over the shipped checkpoints."""
    studio = studio or Studio()
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown(HEADER, elem_classes="masthead")
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Sample", id="sample") as sample_tab:
                grid = sample.build(studio)
            # Rendered at once, so that a tile can be opened in it before it was ever shown.
            with gr.Tab("Reverse process", id="reverse", render_children=True) as reverse_tab:
                single = reverse.build(studio)
        _open_tiles(grid, single, tabs)
        restored = gr.State(False, time_to_live=3600)
        _restore(page, {"sample": grid, "reverse": single}, tabs, restored)
        _first_look(grid, sample_tab, restored)
        _first_look(single, reverse_tab, restored)
        api.expose(studio)
    return page


def _open_tiles(grid: Bench, single: Bench, tabs: gr.Tabs) -> None:
    """A click on a tile of the grid shows that image alone, in full."""

    def show(current, visitor: gr.Request, picked: gr.SelectData) -> Iterator[dict]:
        if not current:
            return
        model, request = current
        number = request.first + picked.index
        classes = grid.studio.model(model).classes
        label = number % len(classes) if request.label == "all" else request.label
        alone = replace(request, n=1, first=number, label=label)
        yield {tabs: gr.Tabs(selected="reverse")} | single.set_to(model, alone)
        kept = single.studio.tile(current, picked.index)
        if kept is None:  # its run has had to make room: sample this image again
            yield from single.stream(visitor, model, alone)
            return
        yield from single.show(visitor, kept.named(model, alone))

    opened = grid.stage.select(
        show,
        grid.current,
        [tabs, *single.controls.inputs, *single.outputs],
        trigger_mode="multiple",
        **stage.STREAM,
    )
    keep.remember(opened, single.keep)


def _first_look(bench: Bench, tab: gr.Tab, restored: gr.State) -> None:
    """A tab that is opened for the first time shows something that moves."""

    def start(ready, current, model, visitor: gr.Request) -> Iterator[dict]:
        # The tab that the page opens with is selected too, before its link has been read.
        if ready and current is None and model is not None:
            request = bench.default_for(bench.studio.model(model))
            yield from bench.stream(visitor, model, request)

    inputs = [restored, bench.current, bench.controls.model]
    opened = tab.select(start, inputs, bench.outputs, **stage.STREAM)
    keep.remember(opened, bench.keep)


def _restore(page: gr.Blocks, benches: dict[str, Bench], tabs: gr.Tabs, restored: gr.State) -> None:
    """When the page opens, run what its address asks for, or the default."""

    def start(visitor: gr.Request) -> Iterator[dict]:
        params = dict(visitor.query_params)
        name = params.get("tab") if params.get("tab") in benches else "sample"
        bench = benches[name]
        shown = {tabs: gr.Tabs(selected=name), restored: True}
        try:
            model = bench.studio.model(params.get("model") or first(bench.studio))
            request = permalinks.parse(params, bench.default_for(model))
            if bench.single:
                request = replace(request, n=1)
            model, request = model.name, bench.studio.allowed(model.name, request)
        except InvalidInput as error:
            yield shown | bench.refuse(visitor, error)
            return
        yield shown | bench.set_to(model, request)
        yield from bench.stream(visitor, model, request)

    outputs = [tabs, restored]
    for bench in benches.values():
        outputs += [*bench.controls.inputs, *bench.outputs]
    loaded = page.load(start, None, outputs, **stage.STREAM)
    for bench in benches.values():
        keep.remember(loaded, bench.keep)


def first(studio: Studio) -> str:
    """The model a newcomer sees first."""
    if not studio.names():
        raise InvalidInput(
            "no checkpoints are here yet; train one with "
            "'python -m ddpm_core train --recipe mnist-conditional' and copy its checkpoint folder "
            "to checkpoints/"
        )
    return studio.names()[0]
