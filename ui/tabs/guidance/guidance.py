"""The Guidance tab: steer by class and scale, and see what guidance does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import gradio as gr

from ddpm_core import InvalidInput, Model, Request
from ddpm_core.guidance import GUIDANCE
from ddpm_core.guides import classifier_for, roles_for

from ...events import AT_ONCE, LATEST, arm
from ...glossary import explained
from ...runs import player_values
from ...runs.runs import FRAMES_PER_SECOND, Key, Progress, Studio
from ...runs.ticket import Ticket
from ...sharing import share_panel
from ...widgets import component
from ...widgets.anatomy import anatomy
from ...widgets.download import download
from ...widgets.equations import equations
from ...widgets.player import player
from ...widgets.why import why
from .. import run_controls
from ..run_tab import RunTab, caption
from ..tool import Tool
from . import guidance_controls, guidance_tools

NAME = "guidance"
ROWS = 2  # at most are taken apart
# Steps while a slider moves, enough to see where it goes: for one image and for a row.
QUICK_STEPS = {"cfg": (4, 6), "classifier": (5, 6)}
HEAD_START = 5.0  # seconds that other runs must have waited to come before a preview
LOOKING = "What guidance did, at the step under the cursor."
SILENCE = ""  # a second anatomy takes no room until there is a second row
TRUNK_GONE = "The server no longer keeps the run that was branched from. Press Guide again."


@dataclass
class GuidanceTab(RunTab):
    """A tab whose runs are taken apart: an anatomy for each row, ``rows`` that says what
    they are, and tools below."""

    rows: gr.Markdown | None = None
    anatomies: tuple[anatomy.Anatomy, ...] = ()
    tools: tuple = ()

    def default_for(self, model: Model) -> Request:
        return guidance_controls.default_for(model)

    def read(self, values) -> Key:
        return guidance_controls.read(values)

    def fitting(self, key: Key) -> Key:
        key = self.studio.settled(key)
        guidance_controls.check(key)
        return key

    @property
    def outputs(self) -> list:
        parts = [self.controls.applies, self.rows, *self.anatomies]
        return [*super().outputs, *parts]

    @property
    def settable(self) -> list:
        return [*super().settable, self.controls.applies]

    def stop(self, visitor: gr.Request) -> None:
        """End whatever of the visitor's goes on in this tab."""
        super().stop(visitor)
        for tool in self.tools:
            tool.stop(visitor)

    def values(self, ticket: Ticket, key: Key, rate: float = FRAMES_PER_SECOND):
        runs = self.studio.stream(ticket, key, traced=True, rate=rate)
        return player_values.values(runs, ticket, self.value)

    def heading(self, key: Key) -> dict:
        words = f"{rows_in_words(key, self.studio)} Click a picture to take it apart below."
        if key.request.toward is not None and key.request.n > 1:
            words = f"{run_controls.walk_in_words(key.request)} {words}"
        return super().heading(key) | {self.rows: explained(words)}

    def details(self, ticket: Ticket, progress: Progress) -> dict:
        parts = dissected(self.studio, progress)
        parts += [component.idle(SILENCE)] * (len(self.anatomies) - len(parts))
        key, model = progress.key, self.studio.model(progress.key.model)
        trace = progress.trace if key.branch_at is None else None  # else of one row only
        return {
            component: player_values.ordered(part, ticket)
            for component, part in zip(self.anatomies, parts, strict=False)
        } | {self.formulas: self.formulas.of(model, key.requests, trace)}

    def preview(self, visitor: gr.Request, *values) -> dict:
        """Show the end of a run of few steps at once; ``rest_of`` updates what stands below it."""
        try:
            with self.studio.preview():
                return self._preview(self.arm(visitor), self.read(values))
        except InvalidInput as error:
            updates = self.refuse(visitor, error)
            if "kind" in updates[self.stage]:  # too many previews, one of which may still run
                updates[self.stage]["preview"] = True
            return updates

    def _preview(self, ticket: Ticket, key: Key) -> dict:
        ticket.head_start, updates = HEAD_START, {self.stage: gr.skip()}
        if ticket.superseded:
            return updates
        with ticket.until_through():
            runs = self.studio.stream(ticket, quick(key), rate=0)
            newest = partial(player_values.under_way, self.studio)
            for value, progress in player_values.values(runs, ticket, newest):
                if progress is None:
                    updates |= {self.stage: value, self.current: None}
                elif progress.done:
                    preview = value | {"preview": key.request.steps}
                    updates |= {self.stage: preview, self.current: progress.key}
                    # The downloads and the words below belong to the run before.
                    updates |= {self.keep.take: download.pending(ticket.order)}
                    updates |= {self.rows: explained(rows_in_words(key, self.studio))}
        return updates

    def rest_of(self, visitor: gr.Request, *values) -> Iterator[dict]:
        """Run in full what the controls spell; its preview stands on the stage."""
        yield from self.spelled(visitor, values, self.quietly)

    def quietly(self, visitor: gr.Request, key: Key, wait: float = 0) -> Iterator[dict]:
        """Run what a key names after ``wait`` seconds, and show only its end. A run that is armed
        meanwhile ends this one."""
        ticket = arm(self.studio, visitor, self.name, yields=True)
        ticket.key = key
        with ticket.until_through():
            until = time.monotonic() + wait
            while time.monotonic() < until and not ticket.asked:
                time.sleep(0.05)
            # A branch that is ended before it begins yields nothing else.
            yield self.silence if ticket.asked else self._ahead(ticket, key)
            if not ticket.asked:
                yield from self._end_of(ticket, key)

    def _ahead(self, ticket: Ticket, key: Key) -> dict:
        """The link, the code and the equations of a run that shows nothing before its end."""
        try:
            key = self.fitting(key)
            model = self.studio.model(key.model)
        except InvalidInput:  # the run will say what is wrong
            return self.silence
        named = self.keep.announced(self.studio, ticket, key)
        return named | {self.formulas: self.formulas.of(model, key.requests)}

    def _end_of(self, ticket: Ticket, key: Key) -> Iterator[dict]:
        progress = None
        for value, progress in self.values(ticket, key, rate=4):
            if progress is None:
                nothing = dict.fromkeys(self.keep.outputs, "") | {self.keep.take: download.idle()}
                yield nothing | {self.stage: value, self.current: None}
            elif progress.done:
                yield {self.stage: value | {"still": True}} | self.announced(ticket, progress)
            else:
                position = player.next_run(progress.steps_done, progress.film.steps)
                yield {self.stage: player_values.ordered(position, ticket)}
        if progress and progress.done and not ticket.superseded:
            yield self.heading(progress.key) | self.details(ticket, progress)

    def offer(self, name, method, kind) -> str:
        """The names of what applies to the model and the method."""
        try:
            return " ".join(guidance_controls.applicable(self.studio.model(name), method, kind))
        except InvalidInput:  # a name typed by hand: the run will say so
            return gr.skip()

    def fit(self, name, method, kind, variance, label, late=False):
        """Offer what applies to the model."""
        panel = self.controls
        try:
            model = self.studio.model(name)
        except InvalidInput:
            return {panel.applies: gr.skip()}
        updates = panel.fitted(model, method, kind)
        # A value that stays is left out: another may be chosen before this arrives.
        for part, chosen in ((panel.parts["method"], method), (panel.parts["kind"], kind)):
            if updates[part]["value"] == chosen:
                del updates[part]["value"]
        choices = guidance_controls.classes(model)
        return updates | {
            panel.parts["label"]: run_controls.offered(choices, label, choices[0][1], late),
            panel.parts["mix"]: gr.update(choices=run_controls.to_classes(choices)),
            panel.parts["variance"]: run_controls.revaried(model, variance, late),
        }


def quick(key: Key) -> Key:
    """The short run that replaces another while a slider moves."""
    free = all(r.guidance == "cfg" for r in key.requests)
    steps = QUICK_STEPS["cfg" if free else "classifier"][key.request.n > 1]
    changes = {"sampler": "dpm_solver_pp", "steps": min(key.request.steps, steps)}
    if not free:
        # Evenly in t, so few steps leave a classifier too little time while the digit is undecided.
        changes["spacing"] = "logsnr"
    rows = [replace(request, **changes) for request in key.requests]
    return Key(key.model, rows[0], tuple(rows[1:]))


def build(studio: Studio) -> GuidanceTab:
    """Lay the tab out and wire it."""
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            screen = player.Player(
                component.idle("One noise, steered towards a class."),
                label="Guided reverse process",
                clickable_tiles=True,
                grid=(guidance_controls.DEFAULT.n, 1),
                elem_id=f"{NAME}-stage",
            )
            rows = caption(classes="rows")
            why.build(("scale", "lambda"))
            row = download.Download(
                NAME, panes=share_panel.BOTH, chosen=("x", "x0"), place=NAME, by_frame=True
            )
            with gr.Tabs(elem_id="instruments", elem_classes="instruments"):
                with gr.Tab("Anatomy", id="anatomy"):
                    anatomies = tuple(
                        anatomy.Anatomy(
                            component.idle(SILENCE if i else LOOKING),
                            label="The anatomy of guidance",
                            options={"player": f"{NAME}-stage"},
                            elem_id=f"{NAME}-anatomy-{i}",
                        )
                        for i in range(ROWS)
                    )
                below = [tool(studio, NAME) for tool in guidance_tools.TOOLS]
            formulas = equations.Card(studio, NAME, equations.GUIDED)
            share = share_panel.copies(row, NAME, NAME)
        with gr.Column(elem_classes="control-column"):
            panel = guidance_controls.build(studio, NAME)
    tab = GuidanceTab(
        studio,
        NAME,
        guidance_controls.DEFAULT,
        panel,
        screen,
        share,
        gr.State(None),
        formulas=formulas,
        rows=rows,
        anatomies=anatomies,
        tools=tuple(tool for tool in below if isinstance(tool, Tool)),
    )
    _wire(tab)
    for tool in below:
        tool.connect(tab)
    return tab


def _wire(tab: GuidanceTab) -> None:
    panel, parts = tab.controls, tab.controls.parts
    tab.wire(parts["seed"].submit)  # has no preview: the run itself must be seen
    still = ("model", "method", "kind", "seed")  # these have events of their own
    # The last value of a drag must not be dropped, and no value must wait for those before it.
    gr.on(
        [part.input for name, part in parts.items() if name not in still],
        tab.preview,
        panel.inputs,
        [tab.stage, tab.current, tab.keep.take, tab.rows],
        trigger_mode="always_last",
        **AT_ONCE,  # ``Studio.preview`` bounds what runs at a time
    )
    tab.stage.rested(**tab.running | {"fn": tab.rest_of})
    # A control is never an output of its own event: the answer to the first of two quick choices
    # would undo the second.
    fits = [*(parts[name] for name in ("method", "kind", "mix", "variance")), panel.applies]
    fitted_by = ("method", "kind", "variance")
    again = run_controls.follow_model(tab.studio, panel, tab.fit, fitted_by, fits)
    inputs = [parts[name] for name in ("model", "method", "kind")]
    chosen = gr.on(
        [parts["method"].input, parts["kind"].input], tab.offer, inputs, panel.applies, **LATEST
    )
    again.then(**tab.running_new)
    parts["seed"].blur(**tab.running_new)
    chosen.then(**tab.running)


def dissected(studio: Studio, progress: Progress) -> list[dict]:
    """The anatomy of every row of a run, as far as it was traced."""
    key = progress.key
    if "judge" not in roles_for(studio.model(key.model)):
        return [component.idle("No independent judge of this dataset is here to take it apart.")]
    if progress.trace is None:
        return [component.idle("Too many images and steps to take each apart.")]
    if key.branch_at is None:
        rows = range(min(ROWS, len(key.requests)))
        return [_part(studio, progress, progress.trace, row, row * key.request.n) for row in rows]
    trunk = studio.kept(key.trunk)
    is_traced = trunk is not None and trunk.trace is not None
    above = _part(studio, progress, trunk.trace, 0, 0) if is_traced else component.idle(TRUNK_GONE)
    return [above, _part(studio, progress, progress.trace, 1, 0)]


def _part(studio: Studio, progress: Progress, trace, row: int, place: int) -> dict:
    key = progress.key
    request, n = key.requests[row], key.requests[row].n
    if request.guidance == "none":
        return component.idle(anatomy.UNGUIDED)
    if not trace.indices:
        return component.idle("No step was taken.")
    model = studio.model(key.model)
    labels = request.labels(model, request.images)
    return anatomy.anatomy(
        player_values.run_name(progress),
        progress.film.t,
        trace,
        request,
        classifier_for(model, "judge").classes,
        [list(label) if isinstance(label, dict) else [label] for label in labels],
        total=progress.film.steps,
        place=place,
        first=row * n,
    )


def rows_in_words(key: Key, studio: Studio) -> str:
    """Describes the rows of the stage."""
    if not key.beside:
        return f"{in_words(key.request)}."
    if key.branch_at is not None:
        names = key.request.classes(studio.model(key.model))
        changes = ", ".join(_changes(key.request, key.beside[0], names)) or "nothing changed"
        return f"Above: {in_words(key.request)}. Below: from step {key.branch_at} on, {changes}."
    named = [in_words(request) for request in key.requests]
    return f"Above: {named[0]}. Below: {'; '.join(named[1:])}."


def in_words(request: Request) -> str:
    """Describes how a request is guided."""
    scale = "" if request.guidance_scale is None else f"{request.guidance_scale:g}"
    guidance = GUIDANCE[request.guidance]
    words = f"[[{guidance.label}]]"
    if scale:
        words += f", [[{guidance.symbol}]] = {scale}"
    if request.guidance == "cfg":
        words += f" ([[w]] = {request.guidance_scale - 1:g})"
    if request.t_low or request.t_high is not None:
        high = "" if request.t_high is None else f" ≤ {request.t_high + 1}"
        words += f", only for {request.t_low + 1} ≤ t{high}"
    return words


def _changes(base: Request, other: Request, classes: Sequence[str]) -> list[str]:
    words = {"label": "class", "guidance_scale": "scale", "seed": "noise of seed"}
    changed = {name: new for name, new in vars(other).items() if new != getattr(base, name)}
    if changed.get("label") in range(len(classes)):
        changed["label"] = classes[changed["label"]]
    return [f"{words.get(name, name)} {value}" for name, value in changed.items()]
