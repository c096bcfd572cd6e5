"""The page: its tabs, what moves between them, links back into them, and the public API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import gradio as gr

from ddpm_core import InvalidInput, Request

from . import gradio_internals
from .events import EVERY, QUIET, STREAM
from .runs.runs import Key, Studio, new_id
from .sharing import api, guard, permalinks, restore
from .tabs import hub_models, plane, recordings, results, sample
from .tabs.forward import forward
from .tabs.guidance import guidance
from .tabs.reverse import reverse
from .tabs.run_tab import RunTab
from .theme import fonts
from .theme.theme import css, theme
from .widgets.examples import examples
from .widgets.file_drop import file_drop
from .widgets.modules import FOLDER
from .widgets.tour import tour
from .widgets.why import why

BROWSER = Path(__file__).parent / "browser"
ICON = Path(__file__).parent / "theme" / "icon.png"  # noise that becomes a sampled digit
TITLE = "Learning the Noise"
HEADER = f"""# {TITLE}
Watch a picture come out of noise, step by step."""
# For ``launch``: the scripts, styles and icon of the page.
NAMES = "embed", "gradio", "stream", "store", "keys", "sliders", "access"
SCRIPTS = [(BROWSER / f"{name}.js").read_text(encoding="utf-8") for name in NAMES]
HEAD = "\n".join([fonts.head(FOLDER), *(f"<script>{script}</script>" for script in SCRIPTS)])
LOOK = {"theme": theme(), "css": css(), "head": HEAD, "pwa": True, "favicon_path": ICON}


def build(studio: Studio | None = None) -> gr.Blocks:
    """Assemble the page over the shipped checkpoints."""
    studio = studio or Studio()
    gradio_internals.lighten_sessions()
    # Serve these from where they are: Gradio would clear copies away with visitors' files.
    gr.set_static_paths([recordings.FOLDER, why.FOLDER])
    with guard.Page(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        with gr.Row(elem_classes="top"):
            gr.Markdown(HEADER, elem_classes="masthead")
            tour.Tour()
            dropper = file_drop.FileDrop(elem_id="drop")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Sample", id="sample") as sample_tab:
                links = examples.Examples(render=False)
                grid = sample.build(studio, links)
            with gr.Tab("Guidance", id="guidance") as guidance_tab:
                guided = guidance.build(studio)
            with gr.Tab("Reverse", id="reverse") as reverse_tab:
                single, races, views = reverse.build(studio)
            with gr.Tab("Forward", id="forward") as forward_tab:
                noising = forward.build(studio)
            with gr.Tab("Plane", id="plane") as plane_tab:
                planar = plane.build(studio)
            with gr.Tab("Results", id="results") as results_tab:
                results.build(results_tab)
        keys = gr.Checkbox(
            True,
            label="Single keys: 0 to 9 pick a class, S stops, R plays in reverse",
            elem_id="keys",
        )
        keys.input(None, keys, None, js="(on) => void window.singleKeys(on)", **QUIET)
        page.load(None, None, keys, js="() => window.singleKeys()", **QUIET)
        run_tabs = {"sample": grid, "guidance": guided, "reverse": single}
        comparisons = {f"reverse {name}": tab for name, tab in races.items()}
        for run_tab in run_tabs.values():
            pickers = [other.model for other in run_tabs.values() if other is not run_tab]
            others = [picker for tab in comparisons.values() for picker in tab.pickers]
            hub_models.wire(run_tab, pickers, [noising.model, *others])
        _open_tiles(grid, single)
        places = run_tabs | comparisons | {"forward": noising, "plane": planar}
        restore.Arrivals(studio, places).wire(page, dropper, links)
        tabs = [sample_tab, guidance_tab, reverse_tab, forward_tab, plane_tab, results_tab]
        opened = [tab.select for tab in [*tabs, *views.values()]]
        # Wired before the first looks, which wait: the answers to one event run in this order.
        gr.on(opened, js="() => window.page.opened()", **EVERY)
        _first_look(grid, sample_tab)
        _first_look(guided, guidance_tab)
        _first_look(single, reverse_tab, views["one"])
        _first_look(noising, forward_tab)
        api.expose(studio)
        # Let no event announce its progress on the components that it changes. The page shows no
        # progress. Yet the browser would copy the whole value of every component that any event
        # ever changed, twice for each event: a tenth of a second while a slider moves.
        gradio_internals.announce_progress_on(page, gr.Textbox(visible=False))
    return page


def _open_tiles(grid: RunTab, single: RunTab) -> None:
    """A click on a tile of the grid shows that image alone, in full."""

    def show(current, picked: gr.SelectData, visitor: gr.Request) -> Iterator[dict]:
        # If a page was left open for long, the server may know only what the page sends.
        current = current or _run_named(grid.studio, picked.value)
        if current is None:
            yield single.silence
            return
        key = grid.studio.settled(tile_of(grid.studio, current, picked.index))
        yield single.set_to(key)
        tile = single.studio.tile(current, picked.index)
        if tile is None:  # its run made room for others: sample this image again
            yield from single.stream(visitor, key)
            return
        # Under its own name, and copied: it can be taken as a file.
        tile = replace(tile, film=tile.film.until(tile.steps_done), key=key, id=new_id())
        single.studio.keep(tile)
        yield from single.show(visitor, tile)

    # Open the tab first: a player that is not built yet keeps only the last of the values that
    # arrive together, which need not be the film.
    script = f'(...values) => window.page.go("{single.name}", values)'
    outputs = [*single.settable, *single.outputs]
    grid.stage.select(show, grid.current, outputs, js=script, **STREAM)


def tile_of(studio: Studio, key: Key, image: int) -> Key:
    """One image of a run, as a run of its own."""
    request = key.request
    if request.toward is not None:
        (place,) = request.places([request.first + image])
        return Key(key.model, replace(request, n=1, along=place))
    number, classes = request.first + image, request.classes(studio.model(key.model))
    label = number % len(classes) if request.label == "all" else request.label
    return Key(key.model, replace(request, n=1, first=number, label=label))


def _run_named(studio: Studio, run) -> Key | None:
    """The run that the stage names (``player_values.run_name``); None if there is no such run."""
    try:
        return studio.settled(permalinks.parse(parse_qsl(str(run)), Key("", Request())))
    except InvalidInput:
        return None


def _first_look(tab, *page_tabs: gr.Tab) -> None:
    """A tab that is opened for the first time shows something that moves."""

    def start(model, visitor: gr.Request) -> Iterator[dict]:
        if model is None:  # the browser sends none if a run is on the stage or on its way
            yield tab.silence
        else:
            yield from tab.look(visitor, model)

    look = f'(model) => window.page.look(model, "{tab.name}")'
    outputs = [*tab.settable, *tab.outputs]
    gr.on([page_tab.select for page_tab in page_tabs], start, tab.model, outputs, js=look, **STREAM)
