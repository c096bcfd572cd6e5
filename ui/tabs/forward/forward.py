"""The Forward tab: a picture of one's own, noised at once and step by step, and brought back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import gradio as gr
import numpy as np

from ddpm_core import InvalidInput
from lab.process.packed import unpack

from ...events import AT_ONCE, LATEST, QUIET
from ...runs import forward_runs, player_values
from ...runs.forward_runs import (
    BINS,
    COLUMNS,
    INVERTING,
    NAME,
    REACH,
    RETURNING,
    Forward,
    check_seed,
    classes,
    labels,
    taken,
)
from ...runs.runs import Studio
from ...sharing import forward_links, share_panel
from ...widgets.equations import equations
from ...widgets.histogram import histogram
from ...widgets.image_grid import image_grid
from ...widgets.player import player
from ...widgets.sketch import sketch
from .. import hub_models
from ..request_controls import control, model_picker
from ..run_tab import LATEX

FIRST = 3  # of the test set, shown when the tab is opened
PANES = {
    "x": {"symbol": "<i>x<sub>t</sub></i>", "text": "in one step (eq. 4)", "spoken": "pictures"},
    "x0": {
        "symbol": "<i>x<sub>t</sub></i>",
        "text": "step by step (eq. 3)",
        "spoken": "pictures noised step by step",
    },
}
EQUATIONS = {"x": "eq. 4", "x0": "eq. 3"}


def build(studio: Studio, opened: gr.Tab) -> Forward:
    """Lay the tab out and wire it; ``opened`` is the tab itself."""
    names = studio.names()
    model = names[0] if names else None
    made: dict = {}
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            made["stage"] = player.Player(
                player.idle(
                    "Draw something, or take a digit: the forward process turns it to noise."
                ),
                label="Forward process",
                autoplay=False,
                names=PANES,
                counts="picture",
                way=-1,
                elem_id=f"{NAME}-stage",
            )
            gr.Markdown(
                "The picture is on the right, noise on the left, as everywhere here: the forward "
                "process runs leftwards.",
                elem_classes="caption",
                latex_delimiters=LATEX,
            )
            made["pixels"] = histogram.Histogram(
                player=f"{NAME}-stage", bins=BINS, reach=REACH, elem_id=f"{NAME}-histogram"
            )
            made["formulas"] = equations.beside(studio, NAME, (1, 2, 5))
            made["take"] = share_panel.take(
                NAME, share_panel.BOTH, ("x", "x0"), png=True, named=EQUATIONS
            )
            made["copies"] = forward_links.build(NAME)
            with gr.Tabs(elem_classes="instruments"):
                with gr.Tab("There and back"):
                    made["strip"] = image_grid.ImageGrid(
                        image_grid.idle(
                            RETURNING,
                            rows=2,
                            columns=COLUMNS,
                        ),
                        label="Noised up to t, and denoised from there",
                        symbol="t",
                        clickable=False,
                        elem_id=f"{NAME}-back",
                    )
                    with gr.Row(elem_classes="actions"):
                        made["back"] = gr.Button("There and back", size="sm", elem_id=f"{NAME}-go")
                        made["back_stop"] = gr.Button(
                            "Stop", size="sm", elem_id=f"{NAME}-back-stop"
                        )
                    made["returned"] = gr.Markdown(elem_classes="caption")
                with gr.Tab("Inversion"):
                    made["inverted"] = image_grid.ImageGrid(
                        image_grid.idle(
                            INVERTING,
                            columns=4,
                        ),
                        label="Inverted and reconstructed",
                        symbol="",
                        clickable=False,
                        elem_id=f"{NAME}-inverted",
                    )
                    with gr.Row(elem_classes="actions"):
                        made["invert"] = gr.Button("Invert", size="sm", elem_id=f"{NAME}-invert")
                        made["invert_stop"] = gr.Button(
                            "Stop", size="sm", elem_id=f"{NAME}-invert-stop"
                        )
                    made["note"] = gr.Markdown(elem_classes="caption", latex_delimiters=LATEX)
        with gr.Column(elem_classes="control-column"), gr.Column(elem_classes="controls"):
            made["sheet"] = sketch.Sketch(
                "Your picture", player=f"{NAME}-stage", elem_id=f"{NAME}-sheet"
            )
            choices, chosen = classes(studio, model)
            said = {"label": "Brought back as", "info": "a class, or none"}
            made["label"] = control("label", chosen, NAME, choices=choices, **said)
            made["model"] = model_picker(names, NAME, info="and its schedule")
            made["seed"] = control("seed", 0, NAME, min_width=160)
    states = {"drawn": gr.State(False), "made_of": gr.State({})}
    states["shown"] = gr.State(None)
    tab = Forward(**made, **states)
    _wire(studio, tab)
    _first_look(studio, tab, opened)
    return tab


def _first_look(studio: Studio, tab: Forward, opened: gr.Tab) -> None:
    """A tab that is opened for the first time shows a digit."""

    def start(drawn, picture, model, place):
        # Where the address leads here, what is shown is its link's affair.
        if drawn or picture is not None or model is None or place == NAME:
            return gr.skip(), drawn
        try:
            channels, side, _ = studio.model(model).shape
        except InvalidInput:
            return gr.skip(), drawn
        return sketch.sized(side, channels, FIRST, "first look"), True

    place = gr.Textbox(visible=False)
    named = "(...values) => window.page.named(values)"
    asked = [tab.drawn, tab.sheet, tab.model, place]
    opened.select(start, asked, [tab.sheet, tab.drawn], js=named, **QUIET)


def _wire(studio: Studio, tab: Forward) -> None:
    acts = forward_runs.Runs(studio, tab)
    asked = [tab.sheet, tab.model, tab.seed]
    shown = [tab.stage, tab.pixels, tab.formulas, tab.take, tab.shown]
    shown += [tab.strip, tab.returned, tab.inverted, tab.note]
    share_panel.wire(tab.take, partial(taken, studio), [tab.shown])
    copied = [*asked, tab.label]
    running = {
        "fn": acts.noise,
        "inputs": [*asked, tab.made_of],
        "outputs": shown,
    } | player_values.STREAM
    running |= {"trigger_mode": "always_last"}
    noised = gr.on([tab.sheet.input, tab.seed.change], **running)
    # With the class that is chosen by then, not by when the picture was drawn.
    remember = f'(link) => window.page.remember("{NAME}", link)'
    telling = {"fn": acts.retell, "inputs": copied, "outputs": tab.copies.outputs}
    for told in (noised.then(**telling, **QUIET), tab.label.input(**telling, **LATEST)):
        told.then(None, tab.copies.link, tab.copies.link, js=remember, **QUIET)
    # The sheet then tells anew.
    named = [tab.model, tab.label]
    fitted = tab.model.input(acts.fit, named, [tab.sheet, tab.label, tab.stage], **LATEST)
    fitted.then(acts.relabel, named, tab.label, **LATEST)  # what was chosen while it loaded
    tab.back.click(
        acts.back,
        [*copied, tab.made_of],
        [tab.strip, tab.returned, tab.made_of],
        trigger_mode="multiple",
        **player_values.STREAM,
    )
    tab.invert.click(
        acts.invert,
        [tab.sheet, tab.model, tab.label, tab.made_of],
        [tab.inverted, tab.note, tab.made_of],
        trigger_mode="multiple",
        **player_values.STREAM,
    )
    tab.back_stop.click(acts.stop_back, **AT_ONCE)
    tab.invert_stop.click(acts.stop_inversion, **AT_ONCE)


def restore(
    studio: Studio, tab: Forward, visitor: gr.Request, pairs: list, first: Callable[[Studio], str]
) -> dict:
    """Updates that put what a link asks for on the sheet, which then tells of it by itself.

    Args:
        pairs: of the page's address.
        first: names the model where the link does not.
    """
    try:
        asked = forward_links.parse(pairs, studio.model(dict(pairs).get("model") or first(studio)))
    except InvalidInput as error:
        ticket = studio.arm((visitor.session_hash, NAME))
        return {tab.stage: player_values.ordered(player.error(str(error)), ticket), tab.drawn: True}
    name, (channels, side, _) = asked.model.name, asked.model.shape
    if asked.picture is None:
        digit = FIRST if asked.digit is None else asked.digit
        sheet = sketch.sized(side, channels, digit, "link")
    else:
        sheet = sketch.shown(asked.picture, "link")
    return {
        tab.model: hub_models.pick(studio, name),
        tab.seed: asked.seed,
        tab.label: labels(studio, name, asked.label),
        tab.sheet: sheet,
        tab.drawn: True,
    }


def restored(tab: Forward) -> list:
    """The components that ``restore`` updates."""
    return [tab.model, tab.seed, tab.label, tab.sheet, tab.drawn, tab.stage]


def read(studio: Studio, about: dict) -> tuple[str, np.ndarray, int]:
    """The model, the picture and the seed that the note of a file of this tab tells of.

    Raises:
        InvalidInput: naming what cannot be used.
    """
    model = studio.model(about["model"])
    channels, side, _ = model.shape
    seed = check_seed(about.get("seed"))
    if "packed" in about:
        return model.name, unpack(about["packed"], model.shape), seed
    picture = {"side": side, "channels": channels, "pixels": about.get("picture")}
    return model.name, sketch.pixels(picture), seed


def set_to(studio: Studio, tab: Forward, run: tuple[str, np.ndarray, int], wanted: str) -> dict:
    """Updates that put a picture on the sheet, which then tells of it by itself.

    Args:
        wanted: names what it is put there for; see ``sketch.shown``.
    """
    model, picture, seed = run
    named = {tab.model: hub_models.pick(studio, model), tab.seed: seed, tab.drawn: True}
    return named | {tab.sheet: sketch.shown(picture, wanted), tab.label: labels(studio, model)}
