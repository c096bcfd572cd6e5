"""The page: its tabs, what moves between them, links back into them, and the public API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import gradio as gr

from ddpm_core import InvalidInput, Request

from . import gradio_internals
from .events import EVERY, QUIET
from .runs import player_values, recordings
from .runs.runs import Key, Studio
from .sharing import api, guard, permalinks, restore
from .tabs import hub_models, results, sample
from .tabs.forward import forward
from .tabs.guidance import guidance
from .tabs.reverse import reverse
from .tabs.run_tab import RunTab
from .theme.theme import css, theme
from .widgets.file_drop import file_drop
from .widgets.tour import tour

BROWSER = Path(__file__).parent / "browser"
TITLE = "Learning the Noise"
HEADER = f"""# {TITLE}
Denoising diffusion, step by step: sample it, scrub it, take it with you."""
# What ``launch`` needs to know of the page.
SCRIPTS = [
    (BROWSER / name).read_text(encoding="utf-8") for name in ("stream.js", "store.js", "keys.js")
]
HEAD = "\n".join(f"<script>{script}</script>" for script in SCRIPTS)
LOOK = {"theme": theme(), "css": css(), "head": HEAD}


def build(studio: Studio | None = None, figures: Path | None = None) -> gr.Blocks:
    """Assemble the page over the shipped checkpoints.

    Args:
        figures: the folder of checkpoints whose results are shown; the shipped ones unless given.
    """
    studio = studio or Studio()
    gradio_internals.lighten_sessions()
    # Served from where they are: copies would be cleared away with visitors' files.
    gr.set_static_paths([recordings.FOLDER])
    with guard.Page(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        with gr.Row(elem_classes="top"):
            gr.Markdown(HEADER, elem_classes="masthead")
            tour.Tour()
            dropper = file_drop.FileDrop(elem_id="drop")
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Sample", id="sample") as sample_tab:
                grid = sample.build(studio)
            with gr.Tab("Guidance", id="guidance") as guidance_tab:
                guided = guidance.build(studio)
            with gr.Tab("Reverse process", id="reverse") as reverse_tab:
                reversing = reverse.build(studio)
                single = reversing.single
            with gr.Tab("Forward process", id="forward") as forward_tab:
                noising = forward.build(studio, forward_tab)
            with gr.Tab("Results", id=results.NAME) as results_tab:
                results.build(results_tab, figures)
        _open_tiles(grid, single, tabs, reversing.views)
        keys = gr.Checkbox(
            True,
            label="Single keys: 0 to 9 pick a class, S stops, R plays in reverse",
            elem_id="keys",
        )
        keys.input(None, keys, None, js="(on) => void window.singleKeys(on)", **QUIET)
        page.load(None, None, keys, js="() => window.singleKeys()", **QUIET)
        run_tabs = {"sample": grid, "guidance": guided, "reverse": single}
        for run_tab in run_tabs.values():
            others = [b.controls.model for b in run_tabs.values() if b is not run_tab]
            raced = [p for c in reversing.comparisons.values() for p in c.pickers]
            hub_models.wire(run_tab, [*others, noising.model, *raced])
        places = restore.Places(studio, run_tabs, reversing, noising, tabs)
        _offer(page, guided, places)
        filed = restore.wire(page, dropper, places)
        opened = [sample_tab, guidance_tab, reverse_tab, forward_tab, results_tab]
        opened = [tab.select for tab in [*opened, *reversing.tabs.values()]]
        # Before a first look, which waits: what one event sets off goes on in this order.
        gr.on(opened, js="() => window.page.opened()", **EVERY)
        place = gr.Textbox(visible=False)
        first = (grid, sample_tab), (guided, guidance_tab)
        for run_tab, *opened in (*first, (single, reverse_tab, reversing.tabs["one"])):
            _first_look(run_tab, opened, place, filed)
        api.expose(studio)
        _be_quick(page)
    return page


def _be_quick(page: gr.Blocks) -> None:
    """Let no event announce its progress on the components that it changes.

    The page shows none, and the browser would copy the whole value of every component that any
    event ever changed, twice for each event: a tenth of a second while a slider moves.
    """
    nowhere = gr.Textbox(visible=False)
    gradio_internals.announce_progress_on(page, nowhere)


def _open_tiles(grid: RunTab, single: RunTab, tabs: gr.Tabs, views: gr.Tabs) -> None:
    """A click on a tile of the grid shows that image alone, in full.

    In two events, the second once the tab is there: of news that a browser finds in one breath, a
    player that it has yet to build would keep the last, which need not be the film.
    """
    chosen = gr.State(None, time_to_live=3600)  # the run of the grid, and which image of it

    def turn_to(current, picked: gr.SelectData) -> dict:
        # Of a page left open for long the server may know no more than what it sends.
        current = Key(*current) if current else _named(grid.studio, picked.value)
        if current is None:
            return {chosen: None}
        there = {tabs: gr.Tabs(selected="reverse"), views: gr.Tabs(selected="one")}
        # The tab has something to show, and need not draw a first look.
        alone = _alone(grid.studio, current, picked.index)
        return there | {chosen: (current, picked.index), single.current: alone}

    def show(choice, visitor: gr.Request) -> Iterator[dict]:
        if choice is None:
            yield single.silence
            return
        current, image = choice
        alone = _alone(grid.studio, current, image)
        yield single.set_to(alone)
        kept = single.studio.tile(current, image)
        if kept is None:  # its run has had to make room: sample this image again
            yield from single.stream(visitor, alone)
            return
        kept = replace(kept, film=kept.film.until(kept.steps_done)).named(*alone[:2])
        single.studio.keep(kept)  # under its own name, and copied: it can be taken as a file
        yield from single.show(visitor, kept)

    turned = grid.stage.select(
        turn_to,
        grid.current,
        [tabs, views, chosen, single.current],
        **EVERY,
    )
    outputs = [*single.controls.inputs, *single.outputs]
    mounted = f'(...values) => window.page.ready(values, "{single.name}")'
    turned.then(show, chosen, outputs, js=mounted, **player_values.STREAM)


def _alone(studio: Studio, key: Key, image: int) -> Key:
    """One image of a run, as a run of its own."""
    request = key.request
    number, classes = request.first + image, studio.model(key.model).classes
    label = number % len(classes) if request.label == "all" else request.label
    return Key(key.model, replace(request, n=1, first=number, label=label))


def _named(studio: Studio, run) -> Key | None:
    """The run that the stage names (``player_values.run_name``); None if there is no such run."""
    try:
        return studio.settled(permalinks.parse(parse_qsl(str(run)), Key("", Request())))
    except InvalidInput:
        return None


def _first_look(run_tab: RunTab, opened: list[gr.Tab], place: gr.Textbox, filed: gr.State) -> None:
    """A tab that is opened for the first time shows something that moves.

    Args:
        place: where the visitor was led, or nothing if a run stands here; the browser says so.
    """

    def start(place, file, current, model, visitor: gr.Request) -> Iterator[dict]:
        # A tab that a file opens is heard of before the place it leads to.
        place = restore.Arrival(*file).place if file and place else place
        # The tab that the page opens with is selected too; what it shows is its link's affair.
        if place not in ("", run_tab.name) and current is None and model is not None:
            key = Key(model, run_tab.default_for(run_tab.studio.model(model)))
            yield run_tab.set_to(key)
            yield from run_tab.stream(visitor, key)
        else:
            yield run_tab.silence

    inputs = [place, filed, run_tab.current, run_tab.controls.model]
    outputs = [*run_tab.controls.inputs, *run_tab.outputs]
    look = f'(...values) => window.page.look(values, "{run_tab.name}")'
    gr.on([tab.select for tab in opened], start, inputs, outputs, js=look, **player_values.STREAM)


def _offer(page: gr.Blocks, guided: RunTab, places: restore.Places) -> None:
    """What the Guidance tab offers is known before its first run has ended."""

    def applicable(visitor: gr.Request) -> str:
        found = places.by_address(visitor)
        try:
            if found.place == "guidance" and found.run is not None:
                key = found.run
            else:
                model = guided.studio.model(restore.first(guided.studio))
                key = Key(model.name, guided.default_for(model))
            return guided.set_to(key)[guided.controls.applies]
        except InvalidInput:
            return ""

    page.load(applicable, None, guided.controls.applies, **QUIET)
