"""A stage, its downloads and links, and the controls that run it.

A tab that runs something is a `RunTab` with settings of its own, or a subclass that says what it
runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import gradio as gr

from ddpm_core import InvalidInput, Model, Request

from ..events import AT_ONCE, QUIET, STREAM, arm
from ..glossary import explained
from ..runs import player_values
from ..runs.limits import fitted
from ..runs.runs import Key, Progress, Studio
from ..runs.ticket import Ticket
from ..sharing import files, permalinks, share_panel
from ..widgets import component
from ..widgets.download import download
from ..widgets.equations import equations
from ..widgets.player import player
from ..widgets.why import why
from . import run_controls
from .request_controls import ROLL

AGAIN = 0.3  # seconds after which an error is sent once more


def caption(text: str = "", classes: str = "") -> gr.Markdown:
    """Lay out words about a stage, with terms of the glossary marked; see ``explained``.

    Only our own words may stand in it: as it has HTML marks, it is not sanitized.
    """
    look = f"caption {classes}"
    return gr.Markdown(explained(text), elem_classes=look, sanitize_html=False)


@dataclass
class RunTab:
    """One tab's stage and controls.

    Attributes:
        name: the tab's, in links and element ids.
        default: the request that it runs unasked.
        current: the key of the run on the stage, or about to be; None before the first, and after
            a request that could not be met.
        single: it shows one image instead of a grid.
        formulas: equations with the numbers of the run on the stage, if it has any.
        about, caption: the sentence under the stage, and its component.
    """

    studio: Studio
    name: str
    default: Request
    controls: run_controls.Controls
    stage: player.Player
    keep: share_panel.SharePanel
    current: gr.State
    single: bool = False
    formulas: equations.Card | None = None
    about: str = ""
    caption: gr.Markdown | None = None

    # --- what sets one tab apart from others ---

    def default_for(self, model: Model) -> Request:
        """The default request as this model can serve it, sampled as the model is meant to be."""
        default = self.default.as_meant(model)
        return fitted(model, default if model.classes else replace(default, label="none"))

    def read(self, values: Sequence) -> Key:
        """The run that the controls spell."""
        named = self.controls.named(values)
        model = named.pop("model")
        texts = {name: str(named.pop(name) or "") for name in ("toward", "mix")}
        if not texts["toward"]:
            named.pop("along", None)
        return Key(model, Request(**named).with_texts(texts))

    def set_to(self, key: Key) -> dict:
        """Updates that set every control to a run."""
        return self.controls.updates(key, self.studio) | {self.controls.shown: key.model}

    def fitting(self, key: Key) -> Key:
        """A run as this tab can show it."""
        request = replace(key.request, n=1) if self.single else key.request
        return self.studio.settled(Key(key.model, request))  # only Guidance has rows and branches

    def values(self, ticket: Ticket, key: Key) -> Iterator[tuple[dict, Progress | None]]:
        """Values for the player during a run, see ``player_values.values``."""
        return player_values.values(self.studio.stream(ticket, key), ticket, self.value)

    def value(self, progress: Progress) -> dict:
        """The player's value for a run so far."""
        return player_values.shown(self.studio, progress)

    def heading(self, key: Key) -> dict:
        """Updates that say what the stage is about to show."""
        model, updates = self.studio.model(key.model), {}
        if self.formulas:
            updates = {self.formulas: self.formulas.of(model, key.requests)}
        if self.caption:
            walk = key.request.toward is not None
            words = run_controls.walk_in_words(key.request) if walk else ""
            updates[self.caption] = explained(f"{words} {self.about}".strip())
        return updates

    def details(self, ticket: Ticket, progress: Progress) -> dict:
        """Further updates about a run that has ended."""
        return {}

    # --- a run, from the press to the file ---

    @property
    def outputs(self) -> list:
        explanations = [part for part in (self.formulas, self.caption) if part]
        return [self.stage, self.current, *self.keep.outputs, *explanations]

    @property
    def model(self) -> gr.Dropdown:
        return self.controls.model

    @property
    def settable(self) -> list:
        """The components that ``set_to`` updates."""
        return [*self.controls.inputs, self.controls.shown]

    @property
    def opens_with(self) -> Key | None:
        """The run of the recording that it opens with."""
        return self.current.value

    @property
    def silence(self) -> dict:
        """The update of a generator that changes nothing.

        If a generator yields nothing at all, Gradio empties every component that it could set.
        """
        return {self.current: gr.skip()}

    def start(self, visitor: gr.Request, *values) -> Iterator[dict]:
        """Run what the controls spell."""
        yield from self.spelled(visitor, values, self.stream, is_answered=True)

    def start_new(self, visitor: gr.Request, current, *values) -> Iterator[dict]:
        """Run what the controls spell, unless it is on the stage: when a list or a field is left,
        Gradio does not say whether its value has changed.

        ``hub_models`` runs a model that does not ship.
        """
        model = values[self.controls.inputs.index(self.model)]
        if self.controls.hub and model not in self.studio.names():
            yield self.silence
            return
        ticket = self.studio.going((visitor.session_hash, self.name))
        newest = ticket.key if ticket else current
        yield from self.spelled(visitor, values, partial(self.stream_new, newest))

    def spelled(
        self, visitor: gr.Request, values: Sequence, run: Callable, is_answered: bool = False
    ) -> Iterator[dict]:
        """Run what the controls spell with ``run``, or say what is wrong.

        Args:
            is_answered: somebody waits for an answer on the stage, as after a press.
        """
        try:
            key = self.read(values)
        except InvalidInput as error:
            yield from self.refusals(visitor, error)
            return
        if self.controls.hub and not self.studio.is_here(key.model):
            # Under the picker stands how far it is, or why it cannot be fetched.
            away = InvalidInput(f"{key.model} is not here yet: see under Model.")
            yield from self.refusals(visitor, away) if is_answered else [self.silence]
            return
        yield from run(visitor, key)

    def stream(self, visitor: gr.Request, key: Key) -> Iterator[dict]:
        """Run what a key names on the stage: frames first, files when they are ready."""
        try:
            self.fitting(key)
        except InvalidInput as error:
            yield from self.refusals(visitor, error)
            return
        ticket = self.arm(visitor)
        ticket.key = key
        values = iter([]) if ticket.superseded else self.values(ticket, key)
        with ticket.until_through():
            yield from self._updates(ticket, values)

    def stream_new(self, newest: Key | None, visitor: gr.Request, key: Key) -> Iterator[dict]:
        """Run what a key names, unless the newest run is that."""
        try:
            is_new = not newest or self.fitting(key) != self.fitting(newest.trunk)
        except InvalidInput:
            is_new = True  # the run will say what is wrong
        if is_new:
            yield from self.stream(visitor, key)
        else:
            yield self.silence

    def show(self, visitor: gr.Request, progress: Progress) -> Iterator[dict]:
        """Put a kept run on the stage."""
        ticket = self.arm(visitor)
        with ticket.until_through():
            runs = iter([progress])
            yield from self._updates(ticket, player_values.values(runs, ticket, self.value))

    def _updates(self, ticket: Ticket, values: Iterator) -> Iterator[dict]:
        first, progress, count = None, None, 0
        for value, progress in values:
            update, count = {self.stage: value}, count + 1
            if progress and (first is None or progress.done):
                update |= self.heading(progress.key) | self.announced(ticket, progress)
            first = first or update
            yield update
        if not count:  # it was overtaken; or a branch that was ended before it began
            yield self.silence
        if progress and progress.done:
            details = self.details(ticket, progress)
            if details and not ticket.superseded:
                yield details
            if count == 1:
                yield from player_values.once_more(ticket, first)

    def announced(self, ticket: Ticket, progress: Progress) -> dict:
        """Updates that name a run: its link, its code, and its files once it has ended."""
        key, ended = progress.key, progress.id if progress.done else ""
        return {self.current: key} | self.keep.announced(self.studio, ticket, key, ended)

    def refusals(self, visitor: gr.Request, error: InvalidInput) -> Iterator[dict]:
        """Say what is wrong with a request; a run of the visitor's that is under way goes on."""
        ticket = self.studio.going((visitor.session_hash, self.name))
        if ticket is None:
            yield self.refuse(visitor, error)
            return
        update = {self.stage: player_values.failed(error, ticket) | {"beside": True}}
        yield update
        # A browser shows only the later of two values that arrive together: a frame, perhaps.
        time.sleep(AGAIN)
        yield update

    def refuse(self, visitor: gr.Request, error: InvalidInput) -> dict:
        """Say on the stage what is wrong with a request."""
        ticket = self.arm(visitor)
        if ticket.superseded:
            return {self.stage: gr.skip()}
        return {self.stage: player_values.failed(error, ticket), self.current: None}

    def arm(self, visitor: gr.Request) -> Ticket:
        """Take the stage for a new run of this visitor's."""
        return arm(self.studio, visitor, self.name)

    def stop(self, visitor: gr.Request) -> None:
        """End the visitor's run after the step it is in."""
        self.studio.stop((visitor.session_hash, self.name))

    # --- what it opens with, and what arrives at the page ---

    def look(self, visitor: gr.Request, model: str) -> Iterator[dict]:
        """A tab that is opened for the first time shows something that moves."""
        try:
            key = Key(model, self.default_for(self.studio.model(model)))
        except InvalidInput as error:
            yield self.refuse(visitor, error)
            return
        yield self.set_to(key)
        yield from self.stream(visitor, key)

    def asked(self, pairs: list, model: str) -> Key:
        """The run that a link asks for; ``model`` is the one that it names, or the usual one."""
        base = Key(model, self.default_for(self.studio.model(model)))
        return self.fitting(permalinks.parse(pairs, base))

    # --- wiring ---

    @property
    def running(self) -> dict:
        """How an event runs what the controls spell."""
        return {"fn": self.start, "inputs": self.controls.inputs, "outputs": self.outputs} | STREAM

    @property
    def running_new(self) -> dict:
        """How an event runs it unless it is on the stage."""
        inputs = [self.current, *self.controls.inputs]
        return self.running | {"fn": self.start_new, "inputs": inputs}

    def wire(self, *events) -> None:
        """Wire the buttons, these further events that run it, and the downloads."""
        tab, panel = self.keep.tab, self.controls
        download.wire(self.keep.take, partial(files.kept, self.studio, tab))
        rolled = panel.roll.click(None, None, panel.parts["seed"], js=ROLL, **QUIET)
        gr.on([panel.run.click, *events], **self.running)
        rolled.then(**self.running)
        panel.stop.click(self.stop, **AT_ONCE)


def build(
    studio: Studio,
    name: str,
    *,
    default: Request,
    gif_panes: tuple[str, ...],
    single: bool,
    title: str,
    idle: str,
    about: str,
    whys: Sequence[str],
    numbers: Sequence[int],
    below: Callable[[], None] | None = None,
    among: Callable[[], None] | None = None,
) -> RunTab:
    """Lay a tab out and wire it.

    Args:
        gif_panes: which panes its film shows, unless others are chosen.
        single: one image, chosen by its number, instead of a grid whose tiles can be opened.
        title: the stage's name for assistive technology.
        idle: what stands on the stage before the first run.
        about: the sentence under it.
        whys: the questions answered beside it, of ``why.WHYS``.
        numbers: those of the report's equations under the stage.
        below: lays out components below the downloads.
        among: lays out components among the controls.
    """
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            props = {"label": title, "clickable_tiles": not single, "elem_id": f"{name}-stage"}
            screen = player.Player(component.idle(idle), **props)
            words = caption(about)
            why.build(whys)
            formulas = equations.Card(studio, name, numbers)
            share = share_panel.build(name, name, gif_panes)
            if below:
                below()
        with gr.Column(elem_classes="control-column"):
            panel = run_controls.build(studio, name, single=single, default=default, among=among)
    current = gr.State(None)
    explanations = (formulas, about, words)
    run_tab = RunTab(studio, name, default, panel, screen, share, current, single, *explanations)
    run_tab.wire(*panel.chosen())
    gr.on(panel.left("model"), **run_tab.running_new)
    run_controls.follow_model(studio, panel).then(**run_tab.running_new)
    return run_tab
