"""The page: its tabs, what moves between them, links back into them, and the public API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr

from ddpm_core import InvalidInput

from . import api, forward, guidance, permalinks, reverse, sample, shelf, stage
from .bench import Bench
from .runs import Key, Studio
from .theme import css, theme

HERE = Path(__file__).parent
TITLE = "Learning the Noise"
HEADER = f"""# {TITLE}
Denoising diffusion, step by step: sample it, scrub it, take it with you."""
# Waits for the controls of the tab that shows: a value sent to a slider before that is lost.
MOUNTED = """async (...values) => {
  const tab = "TAB" || new URLSearchParams(location.search).get("tab") || "sample";
  // The last slider of the Guidance controls, and one of the others'.
  const last = ["clean-lam", "steps"].map((name) => `#${tab}-${name} input[type=range]`).join();
  const pause = () => new Promise((done) => setTimeout(done, 25));
  for (let looks = 0; !document.querySelector(last) && looks < 200; looks++) await pause();
  await pause();
  return values;
}"""
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
            with gr.Tab("Guidance", id="guidance", render_children=True) as guidance_tab:
                guided = guidance.build(studio)
            # Rendered at once, so that a tile can be opened in it before it was ever shown.
            with gr.Tab("Reverse process", id="reverse", render_children=True) as reverse_tab:
                single = reverse.build(studio)
            with gr.Tab("Forward process", id="forward", render_children=True) as forward_tab:
                forward.build(studio, forward_tab)
        _open_tiles(grid, single, tabs)
        restored = gr.State("", time_to_live=3600)  # the tab that the address led to
        benches = {"sample": grid, "guidance": guided, "reverse": single}
        for bench in benches.values():
            shelf.wire(bench, [b.controls.model for b in benches.values() if b is not bench])
        _restore(page, benches, tabs, restored)
        for bench, tab in ((grid, sample_tab), (guided, guidance_tab), (single, reverse_tab)):
            _first_look(bench, tab, restored)
        api.expose(studio)
        _be_quick(page)
    return page


def _be_quick(page: gr.Blocks) -> None:
    """Let no event announce its progress on the components that it changes.

    The page shows none, and the browser would copy the whole value of every component that any
    event ever changed, twice for each event: a tenth of a second while a slider moves.
    """
    nowhere = gr.Textbox(visible=False)
    for event in page.fns.values():
        event.show_progress_on = [nowhere]


def _open_tiles(grid: Bench, single: Bench, tabs: gr.Tabs) -> None:
    """A click on a tile of the grid shows that image alone, in full."""

    def show(current, visitor: gr.Request, picked: gr.SelectData) -> Iterator[dict]:
        if not current:
            return
        current = Key(*current)
        model, request = current.model, current.request
        number = request.first + picked.index
        classes = grid.studio.model(model).classes
        label = number % len(classes) if request.label == "all" else request.label
        alone = replace(request, n=1, first=number, label=label)
        yield {tabs: gr.Tabs(selected="reverse")} | single.set_to(Key(model, alone))
        kept = single.studio.tile(current, picked.index)
        if kept is None:  # its run has had to make room: sample this image again
            yield from single.stream(visitor, Key(model, alone))
            return
        yield from single.show(visitor, kept.named(model, alone))

    opened = grid.stage.select(
        show,
        grid.current,
        [tabs, *single.controls.inputs, *single.outputs],
        trigger_mode="multiple",
        **stage.STREAM,
    )
    single.follow(opened)


def _first_look(bench: Bench, tab: gr.Tab, restored: gr.State) -> None:
    """A tab that is opened for the first time shows something that moves."""

    def start(restored, current, model, visitor: gr.Request) -> Iterator[dict]:
        # The tab that the page opens with is selected too; what it shows is its link's affair.
        if restored not in ("", bench.name) and current is None and model is not None:
            key = Key(model, bench.default_for(bench.studio.model(model)))
            yield bench.set_to(key)
            yield from bench.stream(visitor, key)

    inputs = [restored, bench.current, bench.controls.model]
    outputs = [*bench.controls.inputs, *bench.outputs]
    mounted = MOUNTED.replace("TAB", bench.name)
    opened = tab.select(start, inputs, outputs, js=mounted, **stage.STREAM)
    bench.follow(opened)


def _restore(page: gr.Blocks, benches: dict[str, Bench], tabs: gr.Tabs, restored: gr.State) -> None:
    """When the page opens, run what its address asks for, or the default."""

    def asked(visitor: gr.Request) -> tuple[str, list[tuple[str, str]]]:
        found = visitor.query_params
        # A name may occur twice; the plain dictionary that a test hands over has none that does.
        pairs = list(getattr(found, "multi_items", found.items)())
        name = dict(pairs).get("tab")
        return name if name in benches else "sample", pairs

    def choose(visitor: gr.Request):
        return gr.Tabs(selected=asked(visitor)[0])

    def start(visitor: gr.Request) -> Iterator[dict]:
        name, pairs = asked(visitor)
        bench, params, shown = benches[name], dict(pairs), {restored: name}
        try:
            model = bench.studio.model(params.get("model") or first(bench.studio))
            key = permalinks.parse(pairs, Key(model.name, bench.default_for(model)))
            if name != "guidance":
                key = Key(key.model, key.request)  # only that tab has rows and branches
            if bench.single:
                key = key._replace(request=replace(key.request, n=1))
            key = bench.studio.settled(key)
            bench.check(key)
        except InvalidInput as error:
            names = bench.studio.names()
            if names:  # a page that cannot do what its link says still has its controls set
                model = bench.studio.model(names[0])
                shown |= bench.set_to(Key(model.name, bench.default_for(model)))
            yield shown | bench.refuse(visitor, error)
            return
        yield shown | bench.set_to(key)
        yield from bench.stream(visitor, key)

    def applicable(visitor: gr.Request) -> str:
        """What the Guidance tab offers, known before its first run has ended."""
        bench, params = benches["guidance"], dict(asked(visitor)[1])
        try:
            model = bench.studio.model(params.get("model") or first(bench.studio))
            key = permalinks.parse(params, Key(model.name, bench.default_for(model)))
            return bench.set_to(key)[bench.controls.applies]
        except InvalidInput:
            return ""

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    guided = benches["guidance"]
    guided.apply(page.load(applicable, None, guided.controls.applies, **quiet))
    outputs = [restored]
    for bench in benches.values():
        outputs += [*bench.controls.inputs, *bench.outputs]
    chosen = page.load(choose, None, tabs, **quiet)
    loaded = chosen.then(start, None, outputs, js=MOUNTED.replace("TAB", ""), **stage.STREAM)
    for bench in benches.values():
        bench.follow(loaded)


def first(studio: Studio) -> str:
    """The model a newcomer sees first."""
    if not studio.names():
        raise InvalidInput(
            "no checkpoints are here yet; train one with "
            "'python -m ddpm_core train --recipe mnist-conditional' and copy its checkpoint folder "
            "to checkpoints/"
        )
    return studio.names()[0]
