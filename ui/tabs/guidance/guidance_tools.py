"""Tools under the Guidance stage: film strip, atlas, branch, guidance against diversity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import gradio as gr
import numpy as np

from ddpm_core import SAMPLERS, InvalidInput, Model, Request
from ddpm_core.guidance import GUIDANCE
from ddpm_core.guides import classifier_for
from ddpm_core.recorder import Frames, contact_sheet
from ddpm_core.sampling import Run, scale_sheet
from lab.measure.metrics import REAL_DISTANCE

from ...events import AT_ONCE, LATEST, QUIET, STREAM, words_of
from ...runs.runs import MEASURED_AT_A_TIME, Key, Studio
from ...runs.ticket import Ticket
from ...sharing import files, permalinks, share_panel
from ...widgets.download import download
from ...widgets.image_grid import image_grid
from ...widgets.tradeoff import tradeoff
from .. import recordings
from ..request_controls import control
from ..tool import FAILED, Tool
from . import guidance_controls

STRIP_STEPS = 20
REST_SECONDS = 0.3  # the hand that picks scales must rest this long before the run starts
PAUSE = 1 / 4  # seconds between two looks at a measurement
SAME = [("as it was", "")]


class ScaleTool(Tool):
    """A tool that compares the scales of a method; a scale that is chosen goes to the controls.

    Attributes:
        has_few: the scales are as few as an atlas has.
        has_classes: its rows are classes, of which one is chosen as well.
        asked: components that it is computed from besides the controls.
        states: ``gr.State`` components that it updates.
    """

    has_few = has_classes = False
    asked: tuple = ()
    states: tuple = ()

    def connect(self, tab) -> None:
        """Wire it to the tab that it stands in, whose controls say what it computes."""
        panel = tab.controls
        self.wire([*self.asked, panel.measured, *panel.inputs], *self.states)
        self.wire_choice(tab)

    def wire_choice(self, tab) -> None:
        self.tab, panel = tab, tab.controls
        settable = [panel.parts[name] for name in (*guidance_controls.SLIDERS.values(), "label")]
        self.shows.select(self.choose, panel.inputs, [*settable, *tab.outputs], **STREAM)

    def choose(self, picked: gr.SelectData, visitor: gr.Request, *values) -> Iterator[dict]:
        """Set the controls to the scale that was picked, and run what they then spell. The name of
        the run ends with its method."""
        method = str(picked.value).rpartition(" ")[2]
        scales = guidance_controls.scales(Request(guidance=method), self.has_few)
        row, column = divmod(picked.index, len(scales))
        changes = {guidance_controls.SLIDERS[method]: scales[column]}
        changes |= {"label": str(row)} if self.has_classes else {}
        yield {self.tab.controls.parts[name]: value for name, value in changes.items()}
        named = dict(zip(guidance_controls.NAMES, values, strict=True)) | changes
        run = partial(self.tab.quietly, wait=REST_SECONDS)
        yield from self.tab.spelled(visitor, list(named.values()), run)

    def compared(self, measured: str, values: Sequence) -> tuple[Model, Request]:
        """The model of the controls, and the request whose scales are to be compared, in few steps
        since there are many scales.

        Raises:
            InvalidInput: saying why there is nothing to compare.
        """
        key = guidance_controls.read(values)
        model, request = self.studio.model(key.model), guidance_controls.one(key, measured)
        if request.guidance == "none":
            raise InvalidInput("Without guidance there are no scales to compare.")
        steps = min(request.steps, STRIP_STEPS)
        return model, replace(request, n=1, steps=steps, sampler="dpm_solver_pp")


class SheetTool(ScaleTool):
    """A sheet of pictures of one noise, a column for each scale.

    Attributes:
        sheet: what it shows, for its files; see ``Sheet``.
    """

    title: str
    idle: str
    label: str
    looks: dict[str, int]

    def __init__(self, studio: Studio, prefix: str):
        super().__init__(studio)
        name = f"{prefix}-{self.place}"
        with gr.Tab(self.title, id=self.place) as self.opened:
            shown = recordings.load(self.place) or self.empty(self.idle)
            options = {"symbol": "s", "glance": self.has_few, "clickable": True}
            look = {"label": self.label, "options": options, "elem_id": name}
            self.shows = image_grid.ImageGrid(shown, **look)
            self.lay_buttons(prefix)
            self.take = download.Download(name, panes=share_panel.BOTH)
            self.sheet = gr.State(None)
        self.states = (self.sheet,)
        download.wire(self.take, self.written, [self.sheet])

    def lay_buttons(self, prefix: str) -> None:
        """Lay out its buttons, if it has any."""

    def empty(self, message: str) -> dict:
        return image_grid.idle(message, **self.looks)

    def compute(self, ticket: Ticket, measured, *values) -> Iterator[dict]:
        model, request = self.compared(measured, values)
        scales = guidance_controls.scales(request, self.has_few)
        names = request.classes(model) if self.has_classes else None
        requests = scale_sheet(request, scales, range(len(names)) if names else None)
        chosen = scales.index(request.guidance_scale) if request.guidance_scale in scales else None
        about = {"column_labels": scales, "row_labels": names}
        about |= {"chosen": None if names else chosen, "run": f"{ticket.order} {request.guidance}"}
        about |= {"symbol": GUIDANCE[request.guidance].symbol}
        yield {self.take: download.pending(ticket.order), self.shows: image_grid.pending()}
        run = Key(model.name, requests[0], tuple(requests[1:]))
        for progress in self.studio.stream(ticket, run, rate=8):
            images, live = progress.film.images(), not progress.done
            updates = {self.shows: image_grid.contact(images, len(scales), live=live, **about)}
            if progress.done:
                updates[self.sheet] = Sheet(model.name, request, scales, names)
                updates[self.take] = download.due(ticket.order, progress.id)
            yield updates

    def written(self, choice: download.Choice, sheet: Sheet) -> download.Taken:
        """The sheet as a file."""
        film = files.asked(self.studio, choice).film
        fields = {"tab": "guidance", "sheet": self.place, "scales": sheet.scales}
        note = Run(self.studio.model(sheet.model), sheet.base, images=[]).describe(**fields)
        name = f"{permalinks.stem(sheet.model)}-{self.place}-seed{sheet.base.seed}"
        panes = [getattr(film, pane) for pane in choice.panes]
        pages = [  # one pane below another; for an atlas, beside it
            np.concatenate([sheet.page(pane[k]) for pane in panes], axis=1 if sheet.names else 0)
            for k in Frames(film, choice.panes, choice.stride).chosen
        ]
        return files.written(choice, name, note, pages, sheet.page(film.images()))


class Strip(SheetTool):
    """One noise at every scale, drawn anew for every run of the stage while its tab is open."""

    place, title, idle = "strip", "Film strip", "One noise at every scale."
    label = "The same noise at every scale; choose one to run it"
    looks = {"columns": len(guidance_controls.S_STRIP)}

    def connect(self, tab) -> None:
        panel = tab.controls
        # The browser sends no method while the strip is out of sight.
        script = '(of, ...rest) => [window.page.isOpen("strip") ? of : null, ...rest]'
        drawing = {"fn": self.draw, "inputs": [panel.measured, tab.current, *panel.inputs]}
        drawing |= {"outputs": [self.shows, self.take, self.sheet], "js": script}
        drawing |= STREAM | {"trigger_mode": "always_last"}
        # For a run from anywhere: the controls, a tile, a link, a file, a model that was fetched.
        for event in (self.opened.select, tab.current.change, panel.measured.input):
            event(**drawing)
        self.wire_choice(tab)

    def draw(self, visitor: gr.Request, measured, current, *values) -> Iterator[dict]:
        """Draw it if it is visible and the controls spell the run on the stage."""
        if measured and current and self._stands(current, values):
            yield from self.run(visitor, measured, *values)
        else:
            yield {self.shows: gr.skip()}

    def _stands(self, current: Key, values: Sequence) -> bool:
        try:
            return self.studio.settled(guidance_controls.read(values)) == current.trunk
        except InvalidInput:
            return False  # the stage has said what is wrong


class Atlas(SheetTool):
    """Every class at every scale."""

    place, title, idle = "atlas", "Atlas", "Every class at every scale, from one noise."
    has_few = has_classes = True
    label = "Classes by scale; choose one to run it"
    looks = {"rows": 10, "columns": len(guidance_controls.S_ATLAS)}

    def connect(self, tab) -> None:
        super().connect(tab)
        of, shown = tab.controls.parts["model"], [self.shows, self.sheet]
        of.change(self.leave, [of, self.sheet], shown, **QUIET)

    def leave(self, model: str, sheet: Sheet | None):
        """Empty it for another model than drew it: its rows are the classes of that one."""
        drawn_by = sheet.model if sheet else recordings.MODEL
        return (gr.skip(), gr.skip()) if model == drawn_by else (self.empty(self.idle), None)

    def lay_buttons(self, prefix: str) -> None:
        with gr.Row(elem_classes="keep"):
            names = (f"{prefix}-draw", f"{prefix}-atlas-stop")
            self.buttons("Draw the atlas", *names, size="sm")


class Plot(ScaleTool):
    """Measures how often the wanted class is met at every scale, and how much the images vary."""

    place, has_few = "tradeoff", True
    counts = [("20", "20"), ("50", "50"), ("70", "70")]  # times seven scales are within bounds

    def __init__(self, studio: Studio, prefix: str):
        super().__init__(studio)
        with gr.Tab("Guidance against diversity", id="tradeoff"):
            self.shows = tradeoff.Tradeoff(
                recordings.load(self.place)
                or self.empty("Every class at every scale, measured by the judge."),
                label="Guidance against diversity",
                elem_id=f"{prefix}-plot",
            )
            gr.Markdown(
                "Where the distance of digits grows again at the largest scales, their strokes "
                "have grown thicker: that is no variety. Fifty digits tell a distance to ± 0.2; "
                "those of the Results tab are of a thousand.",
                elem_classes="caption",
            )
            with gr.Row(elem_classes="actions"):
                self.count = gr.Radio(
                    self.counts,
                    value="50",
                    label="Images at each scale",
                    elem_classes="chips",
                    elem_id=f"{prefix}-count",
                )
                self.buttons("Measure", f"{prefix}-measure", f"{prefix}-halt")
        self.asked = (self.count,)

    def empty(self, message: str) -> dict:
        return tradeoff.tradeoff(message=message)

    def connect(self, tab) -> None:
        super().connect(tab)
        self.shows.stop(self.stop, **AT_ONCE)

    def compute(self, ticket: Ticket, count, measured, *values) -> Iterator[dict]:
        model, request = self.compared(measured, values)
        classifier_for(model, "judge")
        base = replace(request, n=int(count), label="all", first=0)
        scales = guidance_controls.scales(base, atlas=True)
        requests = [replace(base, guidance_scale=scale) for scale in scales]
        work = sum(r.steps * -(-r.n // MEASURED_AT_A_TIME) for r in requests)
        cost = f"{sum(r.work for r in requests):,} denoisings, one scale after another."
        about = {"symbol": GUIDANCE[base.guidance].symbol, "wanted_scales": scales, "n": base.n}
        about |= {"run": f"{ticket.order} {base.guidance}"}
        about |= {"reference": REAL_DISTANCE.get(model.config.dataset)}
        figures: dict = {}

        def update(message: str, least: int = 0, **props) -> dict:
            points = [{"scale": r.guidance_scale, **vars(figure)} for r, figure in figures.items()]
            points = [point for point in points if point["n"] >= least]
            return {self.shows: tradeoff.tradeoff(points, message=message, **about, **props)}

        state = {"running": True, "steps": (0, work)}
        yield update(cost, **state)
        try:
            for done, figures in self.studio.measuring(ticket, model.name, requests, PAUSE):
                yield update(cost, **state | {"steps": (done, work)})
        except Exception as error:
            message = words_of(error, FAILED)
        else:
            whole = any(figure.n == base.n for figure in figures.values())
            message = "" if whole else "Stopped before the first scale was measured."
        yield update(message, base.n)


class Branch:
    """Goes on alone from the step under the cursor of the stage, with something changed.

    It is no `Tool`: it runs on the stage itself, which stops it and says what fails.
    """

    def __init__(self, studio: Studio, prefix: str):
        self.studio = studio
        with gr.Tab("Branch", id="branch"):
            gr.Markdown(
                "Drag the timeline to a step and change something here: from that step on, the run "
                "goes another way, beside the first.",
                elem_classes="caption",
            )
            choices = self.classes(studio.names()[0])
            self.note = gr.Markdown(elem_classes="caption news")
            props = {"choices": choices, "elem_id": f"{prefix}-branch-class"}
            self.label = control("label", "", prefix, **props)
            with gr.Row(elem_classes="seed"):
                # Not numbers: an empty field would arrive as 0.
                self.scale, self.seed = (
                    gr.Textbox(
                        label=label,
                        placeholder="as it was",
                        max_lines=1,
                        elem_id=f"{prefix}-branch-{name}",
                        min_width=80,
                    )
                    for name, label in (("scale", "Scale"), ("seed", "Noise of seed"))
                )
                self.go = gr.Button("Branch here", elem_id=f"{prefix}-branch", min_width=120)

    def classes(self, name: str) -> list[tuple[str, str]]:
        return SAME + guidance_controls.classes(self.studio.model(name))

    def connect(self, tab) -> None:
        self.tab = tab
        # The browser sends the cursor of the stage in place of its film.
        cursor = f'(stage, ...rest) => [window.page.cursor("{tab.name}-stage"), ...rest]'
        inputs = [tab.stage, self.label, self.scale, self.seed, tab.current]
        self.go.click(self.start, inputs, [*tab.outputs, self.note], js=cursor, **STREAM)
        tab.controls.model.change(self.fit, tab.controls.model, self.label, **LATEST)

    def fit(self, name):
        """The classes of another model."""
        try:
            return gr.update(choices=self.classes(name), value="")
        except InvalidInput:  # a name typed by hand: the run will say so
            return gr.skip()

    def start(self, visitor: gr.Request, at, label, scale, seed, current) -> Iterator[dict]:
        """Run it on the stage, beside what stands there."""
        if not current:
            yield {self.note: "Guide has made no run to branch from yet: press it first."}
            return
        if self._is_preview(visitor, current):
            yield {self.note: "The whole run is under way: branch once it stands here."}
            return
        if current.branch_at is not None and self.studio.kept(current) is None:
            at = current.branch_at  # the cursor follows the branch that is still under way
        if (at or 0) >= current.request.steps:
            yield {self.note: "Here the run has ended: drag the timeline back to an earlier step."}
            return
        key, texts = current, {"label": label, "guidance_scale": scale, "seed": seed}
        try:
            other = key.request.with_texts({k: str(v).strip() for k, v in texts.items() if v})
            branch = self.studio.settled(Key(key.model, key.request, (other,), at or 0))
        except InvalidInput as error:
            yield {self.note: str(error)}
            return
        if other == key.request:
            yield {self.note: "Nothing is changed: choose another class, scale or seed."}
            return
        noisy = SAMPLERS[key.request.sampler].is_noisy(key.request)
        idle = other.seed != key.request.seed and not noisy
        yield {self.note: NO_NOISE if idle else ""}
        yield from self.tab.stream(visitor, branch)

    def _is_preview(self, visitor: gr.Request, current: Key) -> bool:
        """True if another run is on its way to take the place of the one on the stage."""
        going = self.studio.going((visitor.session_hash, self.tab.name))
        try:
            return bool(going and going.key) and self.tab.fitting(going.key) != (
                self.tab.fitting(current)
            )
        except InvalidInput:  # it will say what is wrong
            return False


NO_NOISE = (
    "This sampler adds no noise on its way, so that other noise changes nothing after the start: "
    "choose DDPM, or DDIM with η above 0."
)
# In the order in which they stand; each in a tab of its own.
TOOLS = (Strip, Atlas, Branch, Plot)


@dataclass(frozen=True)
class Sheet:
    """A film strip or an atlas, for its files.

    Attributes:
        base: the request that has these scales in the columns.
        scales, names: those of the columns and, for an atlas, of the rows.
    """

    model: str
    base: Request
    scales: list[float]
    names: list[str] | None = None

    def page(self, images) -> np.ndarray:
        return contact_sheet(images, [f"{s:g}" for s in self.scales], self.names, scale=2)
