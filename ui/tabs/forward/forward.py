"""The Forward tab: a visitor's picture, noised at once and step by step, and brought back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr
import numpy as np

from ddpm_core import InvalidInput, Request
from lab.process.packed import unpack

from ...events import LATEST, QUIET, STREAM, arm, words_of
from ...runs import forward_runs
from ...runs.player_values import failed, ordered
from ...runs.runs import Key, Studio
from ...runs.ticket import Ticket
from ...sharing import files, forward_links, share_panel
from ...sharing.forward_links import Asked
from ...widgets import component
from ...widgets.download import download
from ...widgets.equations import equations
from ...widgets.histogram import histogram
from ...widgets.player import player
from ...widgets.sketch import sketch
from ...widgets.why import why
from .. import hub_models, run_controls
from ..request_controls import control, model_picker
from ..run_tab import caption
from ..tool import FAILED
from . import picture_tools
from .picture_tools import FIRST

NAME = "forward"
PANES = {
    "x": {"symbol": "<i>x<sub>t</sub></i>", "text": "in one step (eq. 4)", "spoken": "pictures"},
    "x0": {
        "symbol": "<i>x<sub>t</sub></i>",
        "text": "step by step (eq. 3)",
        "spoken": "pictures noised step by step",
        "term": "x_t",
    },
}
EQUATIONS = {"x": "eq. 4", "x0": "eq. 3"}


@dataclass
class Forward:
    """The components of the tab.

    Attributes:
        shown: the picture, the model and the seed of what is on the stage, and its order.
    """

    studio: Studio
    stage: player.Player
    pixels: histogram.Histogram
    formulas: equations.Card
    keep: share_panel.SharePanel
    instruments: gr.Tabs
    tools: list[picture_tools.PictureTool]
    sheet: sketch.Sketch
    go: gr.Button
    label: gr.Radio
    model: gr.Dropdown
    seed: gr.Number
    shown: gr.State
    name: str = NAME

    def __post_init__(self):
        tools = {tool.place: tool for tool in self.tools}
        self.into, self.filled = tools["into"], tools["fill"]

    def noise(self, visitor: gr.Request, picture, model, seed, *made_of):
        """Show all of the forward process of a picture, if there is one."""
        if picture is None:
            return {self.stage: gr.skip()}
        ticket = arm(self.studio, visitor, NAME)
        try:
            loaded = self.studio.model(model)
            noised = forward_runs.noised(self.studio, loaded, picture, seed, ticket)
        except Exception as error:
            return {self.stage: failed(words_of(error, FAILED), ticket)}
        if noised is None or ticket.superseded:
            return {self.stage: gr.skip()}
        updates = {
            self.stage: ordered(forward_runs.value(loaded, noised, f"{ticket.order}"), ticket),
            self.pixels: ordered(histogram.histogram(noised), ticket),
            self.formulas: self.formulas.of(loaded),
            self.keep.take: download.pending(ticket.order),
            self.shown: (picture, model, seed, ticket.order),
        }
        for tool, mark in zip(self.tools, made_of, strict=True):
            if mark not in ("", tool.mark(picture, model, seed)):  # it was made of another picture
                updates |= tool.cleared(tool.idle, arm(self.studio, visitor, tool.place))
        return updates

    def tell(self, shown, label):
        """Updates of the links, code and downloads of the picture on the stage, for a class."""
        if shown is None:
            return {self.keep.note: gr.skip()}
        picture, model, seed, order = shown
        packed, note = forward_links.packed(picture)
        link = forward_links.query(model, picture, seed, label)
        return {
            self.keep.take: download.due(order, link=link),
            self.keep.python: forward_links.python(model, packed, seed, label),
            self.keep.command: forward_links.commands(model, packed, seed, label),
            self.keep.note: note,
        }

    def taken(self, choice: download.Choice, shown) -> download.Taken:
        """Write what is on the stage as a file."""
        picture, model, seed, _ = shown
        loaded = self.studio.model(model)
        noised = forward_runs.noised(self.studio, loaded, picture, seed, Ticket())
        return files.forward(model, noised, picture, seed, choice)

    def fit(self, model, label, visitor: gr.Request):
        """Fit the sheet and the classes to a model."""
        try:
            sheet = self._sized(model, wanted=model)
        except InvalidInput as error:
            return {self.stage: failed(error, arm(self.studio, visitor, NAME))}
        return {self.sheet: sheet, self.label: self.relabel(model, label)}

    def relabel(self, model, label):
        """Offer the classes of a model."""
        try:
            choices, first = classes(self.studio, model)
        except InvalidInput:
            return gr.skip()  # the stage says what is wrong
        return run_controls.offered(choices, label, first)

    def draw_one(self, model, seed, label, visitor: gr.Request) -> Iterator[dict]:
        """Put a picture that the model draws on the sheet."""
        ticket = arm(self.studio, visitor, f"{NAME} sample")
        try:
            request = Request(n=1, label=label, seed=seed).as_meant(self.studio.model(model))
            for progress in self.studio.stream(ticket, Key(model, request), rate=1):
                pass
        except InvalidInput as error:
            yield self.refuse(visitor, error)
            return
        if not ticket.superseded:
            wanted = f"sampled {ticket.order}"
            yield {self.sheet: sketch.shown(progress.film.images()[0], wanted)}

    def _sized(self, model: str, chosen=None, wanted: str | None = None, hole=None) -> dict:
        channels, side, _ = self.studio.model(model).shape
        return sketch.sized(side, channels, chosen, wanted, hole)

    # --- what it opens with, and what arrives at the page ---

    def look(self, visitor: gr.Request, model: str) -> Iterator[dict]:
        """A tab that is opened for the first time shows a digit."""
        try:
            yield {self.sheet: self._sized(model, FIRST, "first look")}
        except InvalidInput as error:
            yield self.refuse(visitor, error)

    def asked(self, pairs: list, model: str) -> Asked:
        """The request of a link; ``model`` is the one that it names, or the usual one."""
        return forward_links.parse(pairs, self.studio.model(model))

    def noted(self, about: dict) -> Asked:
        """The request in the note of a file."""
        model = self.studio.model(about["model"])
        channels, side, _ = model.shape
        if "packed" in about:  # the command line's; its label is that of what it made
            own = {"seed": about.get("seed"), "picture": about["packed"]}
            return forward_links.checked(own, model, lambda text: unpack(text, model.shape))
        sheet, own = {"side": side, "channels": channels}, {"picture": None} | about
        return forward_links.checked(own, model, lambda p: sketch.pixels(sheet | {"pixels": p}))

    def set_to(self, asked: Asked, wanted: str) -> dict:
        """Updates that put a picture on the sheet. The sheet then sends the picture by itself.

        Args:
            wanted: names the purpose; see ``sketch.shown``.
        """
        name, hole = asked.model.name, asked.hole
        if hole is None:
            hole = np.zeros(asked.model.shape[1:], bool)  # clears what is painted there
        if asked.picture is None:
            digit = FIRST if asked.digit is None else asked.digit
            sheet = self._sized(name, digit, wanted, hole)
        else:
            sheet = sketch.shown(asked.picture, wanted, hole)
        choices, chosen = classes(self.studio, name)
        filled, into = self.filled, self.into
        updates = {filled.resample: f"{asked.resample}"} if asked.resample else {}
        updates |= into.starting(*asked.first) if asked.first else {}
        if asked.first or asked.hole is not None:
            place = into.place if asked.first else filled.place
            updates[self.instruments] = gr.Tabs(selected=place)
        return updates | {
            self.model: hub_models.pick(name, self.studio.names()),
            self.seed: asked.seed,
            self.label: gr.update(choices=choices, value=asked.label or chosen),
            self.sheet: sheet,
        }

    def refuse(self, visitor: gr.Request, error: InvalidInput) -> dict:
        """Say why a picture cannot be shown."""
        return {self.stage: failed(error, arm(self.studio, visitor, NAME))}

    def stream(self, visitor: gr.Request, asked: Asked) -> Iterator[dict]:
        """Nothing more: the sheet sends its picture by itself."""
        yield self.silence

    @property
    def silence(self) -> dict:
        return {self.stage: gr.skip()}

    @property
    def settable(self) -> list:
        tools = [self.instruments, self.filled.resample, *self.into.settable]
        return [self.sheet, self.model, self.seed, self.label, *tools]

    @property
    def outputs(self) -> list:
        return [self.stage]


def classes(studio: Studio, model: str | None) -> tuple[list[tuple[str, str]], str]:
    """The classes that a model can be asked for, and the first choice among them."""
    choices = [c for c in run_controls.label_choices(studio, model) if c[1] != "all"]
    values = [value for _, value in choices]
    return choices, "none" if "none" in values else values[0]


def build(studio: Studio) -> Forward:
    """Lay the tab out and wire it."""
    names = studio.names()
    parts: dict = {}
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            parts["stage"] = player.Player(
                component.idle(
                    "Draw something, or take a digit: the forward process turns it to noise."
                ),
                label="Forward process",
                autoplay=False,
                names=PANES,
                counts="picture",
                way=-1,
                elem_id=f"{NAME}-stage",
            )
            caption(
                "On every timeline noise is on the left: the [[forward process]] runs leftwards."
            )
            why.build(("t", "noise"))
            followed = {"player": f"{NAME}-stage", "elem_id": f"{NAME}-histogram"}
            parts["pixels"] = histogram.Histogram(**followed)
            row = download.Download(
                NAME, panes=share_panel.BOTH, chosen=("x", "x0"), named=EQUATIONS, place=NAME
            )
            with gr.Tabs(elem_classes="instruments") as parts["instruments"]:
                parts["tools"] = [tool(studio, NAME) for tool in picture_tools.TOOLS]
            parts["formulas"] = equations.Card(studio, NAME, (1, 2, 5))
            parts["keep"] = share_panel.copies(row, NAME, NAME, noted=True)
        with gr.Column(elem_classes="control-column"), gr.Column(elem_classes="controls"):
            parts["sheet"] = sketch.Sketch(
                "Your picture", player=f"{NAME}-stage", elem_id=f"{NAME}-sheet"
            )
            choices, first = classes(studio, names[0] if names else None)
            parts["go"] = gr.Button("Sample one", size="sm", elem_id=f"{NAME}-sample-go")
            parts["label"] = control("label", first, NAME, choices=choices, label="Brought back as")
            parts["model"] = model_picker(names, NAME)
            parts["seed"] = control("seed", 0, NAME, min_width=160)
    tab = Forward(studio, **parts, shown=gr.State(None))
    _wire(tab)
    return tab


def _wire(tab: Forward) -> None:
    download.wire(tab.keep.take, tab.taken, [tab.shown])
    inputs, marks = [tab.sheet, tab.model, tab.seed], [tool.made_of for tool in tab.tools]
    outputs = [tab.stage, tab.pixels, tab.formulas, tab.keep.take, tab.shown]
    outputs += [part for tool in tab.tools for part in tool.parts]
    noised = gr.on(
        [tab.sheet.input, tab.seed.change],
        tab.noise,
        [*inputs, *marks],
        outputs,
        **STREAM | {"trigger_mode": "always_last"},
    )
    # With the class that is chosen now, not the one when the picture was drawn.
    telling = {"fn": tab.tell, "inputs": [tab.shown, tab.label], "outputs": tab.keep.outputs}
    noised.then(**telling, **QUIET)
    tab.label.input(**telling, **LATEST)
    drawing = {"inputs": [tab.model, tab.seed, tab.label], "outputs": [tab.sheet, tab.stage]}
    tab.go.click(tab.draw_one, **drawing, **STREAM)
    # The sheet then sends its picture again.
    fit_inputs = [tab.model, tab.label]
    fitted = tab.model.input(tab.fit, fit_inputs, [tab.sheet, tab.label, tab.stage], **LATEST)
    fitted.then(tab.relabel, fit_inputs, tab.label, **LATEST)  # what was chosen while it loaded
    for tool in tab.tools:
        tool.wire([*inputs, tab.label], tab.keep.python)
