"""A run_tab: a stage, what can be kept from it, and the controls that run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import gradio as gr

from ddpm_core import InvalidInput, Model, Request

from ..events import AT_ONCE, QUIET
from ..runs import player_values
from ..runs.runs import Key, Progress, Studio
from ..runs.ticket import Ticket
from ..sharing import share_panel
from ..widgets.equations import equations
from ..widgets.player import player
from . import run_controls
from .request_controls import ROLL

REFUSED = ()
# How long a hand must rest before the full number of steps is spent on where it rests.
REST_SECONDS, REST_LOOKS = 0.3, 6


@dataclass
class RunTab:
    """One tab's stage and controls; a tab is a run_tab with settings of its own.

    Attributes:
        name: of the tab, in links and element ids.
        gif_panes: which panes its GIF shows, unless others are chosen.
        single: whether it shows one image instead of a grid.
        default: what it runs unasked.
        traced: whether what guidance did is recorded, too.
        current: the key of the run on the stage, or about to be; ``REFUSED``
            after a request that could not be met, None before the first.
        formulas: the equations that tell of the run on the stage, if any do.
    """

    studio: Studio
    name: str
    gif_panes: tuple[str, ...]
    single: bool
    default: Request
    controls: run_controls.Controls
    stage: player.Player
    keep: share_panel.SharePanel
    current: gr.State
    traced: bool = False
    formulas: equations.Card | None = None

    def default_for(self, model: Model) -> Request:
        """The default request, as far as this model can serve it, sampled as it is meant to be."""
        default = self.default.as_meant(model)
        return default if model.classes else replace(default, label="none")

    @property
    def outputs(self) -> list:
        told = [self.formulas] if self.formulas else []
        return [self.stage, self.current, *self.keep.outputs, *told]

    @property
    def silence(self) -> dict:
        """What a generator yields that has no news.

        Of one that yields nothing at all, Gradio empties every component that it could set.
        """
        return {self.current: gr.skip()}

    def check(self, key: Key) -> None:
        """Refuse what the controls could not show.

        Raises:
            InvalidInput: saying what they can.
        """

    def stream(self, visitor: gr.Request, key: Key, at: float | None = None) -> Iterator[dict]:
        """Run what a key names on the stage: frames first, files when they are ready.

        Args:
            at: when the visitor asked for it; see ``Studio.arm``.
        """
        ticket = self.arm(visitor, at)
        try:
            yield from self._told(ticket, key)
        finally:
            ticket.through = True

    def _told(self, ticket: Ticket, key: Key) -> Iterator[dict]:
        if ticket.superseded:
            yield self.silence
            return
        first, progress, values = None, None, 0
        for value, progress in player_values.values(self.studio, ticket, key, self.traced):
            news, values = {self.stage: value}, values + 1
            if progress is not None and first is None:
                news |= {self.current: progress.key} | self.keep.announced(
                    self.studio, self.name, progress, ticket.order
                )
                news |= self.heading(progress.key)
                first = news
            yield news
        if not values:  # a branch that was ended before it began
            yield self.silence
        if progress is not None and progress.done:
            yield from self.hand_over(ticket, progress)
            if values == 1:
                yield from player_values.once_more(ticket, first)

    def heading(self, key: Key) -> dict:
        """Updates that say what the stage is about to show."""
        if self.formulas is None:
            return {}
        return {self.formulas: self.formulas.of(self.studio.model(key.model), key.requests)}

    def details(self, ticket: Ticket, progress: Progress) -> dict:
        """Updates of what else tells about a run that has ended."""
        return {}

    def show(self, visitor: gr.Request, progress: Progress) -> Iterator[dict]:
        """Put a run that is still kept on the stage, and offer it to be kept by the visitor."""
        ticket = self.arm(visitor)
        try:
            news = {self.stage: player_values.ordered(player_values.final(progress), ticket)}
            yield news
            yield from self.hand_over(ticket, progress)
            yield from player_values.once_more(ticket, news)
        finally:
            ticket.through = True

    def hand_over(self, ticket: Ticket, progress: Progress) -> Iterator[dict]:
        """Offer a run that has ended, unless another has taken the stage meanwhile."""
        told = self.heading(progress.key) | self.details(ticket, progress)
        if told and not ticket.superseded:
            yield told
        if not ticket.superseded:
            offer = self.keep.announced(self.studio, self.name, progress, ticket.order)
            yield {self.current: progress.key} | offer

    def refuse(self, visitor: gr.Request, error: InvalidInput, at: float | None = None) -> dict:
        """Say what is wrong with a request; it ends the visitor's earlier run all the same."""
        ticket = self.arm(visitor, at)
        if ticket.superseded:
            return {self.stage: gr.skip()}
        return {
            self.stage: player_values.ordered(player.error(str(error)), ticket),
            self.current: REFUSED,
        }

    def arm(self, visitor: gr.Request, at: float | None = None) -> Ticket:
        """Take the stage for a new run of this visitor's."""
        return self.studio.arm((visitor.session_hash, self.name), at=at)

    def rest(self, visitor: gr.Request, key: Key, at: float | None = None) -> Iterator[dict]:
        """Run what a key names once the visitor's hand has rested, and show only its end.

        A run that is armed meanwhile ends this one without a word.

        Args:
            at: when that was, if a preview came before; see ``Studio.arm``.
        """
        ticket = self.studio.arm((visitor.session_hash, self.name), at, yields=True)
        try:
            yield from self._rested(ticket, key, preview=at is not None)
        finally:
            ticket.through = True

    def _rested(self, ticket: Ticket, key: Key, preview: bool) -> Iterator[dict]:
        for look in range(REST_LOOKS):
            time.sleep(REST_SECONDS / REST_LOOKS)
            if ticket.asked:
                # Stopped, with a preview on the stage of which there is nothing to take.
                yield self.silence if ticket.superseded or not preview else self.nothing
                return
            if look == 0 and preview:
                # What can be kept below is not what a preview has put on the stage.
                yield {self.keep.take: share_panel.pending(ticket.order)} | self.heading(key)
        progress = None
        yield self.silence  # of a branch that is ended before it begins nothing else is heard
        for value, progress in player_values.values(self.studio, ticket, key, self.traced, rate=4):
            if progress is None:
                yield self.nothing | {self.stage: value, self.current: REFUSED}
            elif progress.done:
                news = {self.current: progress.key} | self.keep.announced(
                    self.studio, self.name, progress, ticket.order
                )
                yield {self.stage: value | {"still": True}} | news
            else:
                far = player.next_run(progress.steps_done, progress.film.steps)
                yield {self.stage: player_values.ordered(far, ticket)}
        if progress is not None and progress.done:
            yield from self.hand_over(ticket, progress)

    @property
    def nothing(self) -> dict:
        """Updates that offer nothing of the stage to be taken."""
        return {part: "" for part in self.keep.outputs} | {self.keep.take: share_panel.idle()}

    def set_to(self, key: Key) -> dict:
        """Updates that make a run the current one, before its first frame."""
        return {self.current: key} | self.controls.updates(key, self.studio)

    def give(self) -> None:
        """Let what stands on the stage be taken as a file."""
        share_panel.wire(self.keep.take, partial(player_values.take, self.studio, self.name))

    def stop(self, visitor: gr.Request) -> None:
        """End the visitor's run after the step it is in."""
        self.studio.stop((visitor.session_hash, self.name))


def build(
    studio: Studio,
    name: str,
    *,
    default: Request,
    gif_panes: tuple[str, ...],
    single: bool,
    title: str,
    idle: str,
    caption: str,
    below: Callable[[], None] | None = None,
    numbers: Sequence[int] = (),
) -> RunTab:
    """Lay a run_tab out and wire it.

    Args:
        single: one image, chosen by its number, instead of a grid whose tiles can be opened.
        title: the stage's name for assistive technology.
        idle: what stands on the stage before the first run.
        caption: the sentence under it.
        below: lays out what stands below all that can be kept.
        numbers: of the report's equations that stand under the stage.
    """
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            screen = player.Player(
                player.idle(idle), label=title, clickable_tiles=not single, elem_id=f"{name}-stage"
            )
            gr.Markdown(caption, elem_classes="caption", latex_delimiters=LATEX)
            formulas = equations.beside(studio, name, numbers) if numbers else None
            kept = share_panel.build(name, name, gif_panes)
            if below:
                below()
        with gr.Column(elem_classes="control-column"):
            panel = run_controls.build(studio, name, single=single, default=default)
    current = gr.State(None)
    run_tab = RunTab(
        studio,
        name,
        gif_panes,
        single,
        default,
        panel,
        screen,
        kept,
        current,
        formulas=formulas,
    )
    _wire(run_tab)
    return run_tab


# Puts the moment of the event into its last input.
STAMP = "(...values) => window.page.stamp(values)"
LATEX = [{"left": "$", "right": "$", "display": False}]


def _wire(run_tab: RunTab) -> None:
    def start(visitor: gr.Request, *values):
        *values, at = values
        try:
            model, request = run_controls.read(values)
        except InvalidInput as error:
            yield run_tab.refuse(visitor, error, at)
            return
        yield from run_tab.stream(visitor, Key(model, request), at)

    def stop(visitor: gr.Request):
        run_tab.stop(visitor)

    run_tab.give()
    panel = run_tab.controls
    # A new run overtakes the old one, so that a click never waits for what it replaces.
    moment = gr.Number(visible=False)
    running = {"fn": start, "inputs": [*panel.inputs, moment], "outputs": run_tab.outputs}
    running |= player_values.STREAM | {"trigger_mode": "multiple", "js": STAMP}
    rolled = panel.roll.click(None, None, panel.parts["seed"], js=ROLL, **QUIET)
    chips = [panel.parts[name].input for name in ("label", "sampler")]
    gr.on([panel.run.click, *chips], **running)
    rolled.then(**running)
    panel.fitted.then(**running)
    panel.stop.click(stop, **AT_ONCE)
