"""Under the Guidance stage: film strip, atlas, branch, and guidance against diversity."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np

from ddpm_core import SAMPLERS, Film, InvalidInput, Model, Request, save_animation, save_png
from ddpm_core.guides import classifier_for
from ddpm_core.recorder import Frames, contact_sheet
from ddpm_core.sampling import Run, scale_sheet
from lab.measure.metrics import REAL_DISTANCE

from ...events import AT_ONCE, EVERY, QUIET
from ...runs import player_values, recordings
from ...runs.runs import MEASURED_AT_A_TIME, Key, Progress, Studio
from ...sharing import permalinks, share_panel
from ...widgets.image_grid import image_grid
from ...widgets.tradeoff import tradeoff
from ..request_controls import control
from ..run_tab import STAMP
from . import guidance_controls

STRIP_STEPS = 20
PAUSE = 1 / 4  # seconds between two looks at a measurement
# What goes on under the stage, each with an ticket of its own.
PLACES = ("strip", "atlas", "tradeoff")
COUNTS = [("20", "20"), ("50", "50"), ("70", "70")]  # of which seven scales are within the bounds
SAME = [("as it was", "")]
# Reads the cursor of the stage, where the branch is to begin.
CURSOR = '(step, ...rest) => [window.page.cursor("{stage}"), ...rest]'


@dataclass
class Lab:
    """The components of the instruments."""

    strip_tab: gr.Tab
    strip: image_grid.ImageGrid
    atlas: image_grid.ImageGrid
    strip_take: share_panel.Download
    atlas_take: share_panel.Download
    make: gr.Button
    make_stop: gr.Button
    step: gr.Number
    label: gr.Radio
    scale: gr.Textbox
    seed: gr.Textbox
    branch: gr.Button
    note: gr.Markdown
    count: gr.Radio
    measure: gr.Button
    halt: gr.Button
    plot: tradeoff.Tradeoff
    others: tuple[gr.Tab, ...]
    open: gr.State
    measured: gr.State
    strip_run: gr.State
    atlas_run: gr.State


def build(studio: Studio, prefix: str) -> Lab:
    """Lay the instruments out, each in a tab of its own; call it within ``gr.Tabs``."""
    made: dict = {}
    with gr.Tab("Film strip", id="strip") as made["strip_tab"]:
        made["strip"] = image_grid.ImageGrid(
            recordings.load("strip")
            or image_grid.idle("One noise at every scale.", columns=len(guidance_controls.S_STRIP)),
            label="The same noise at every scale; choose one to take it",
            elem_id=f"{prefix}-strip",
        )
        made["strip_take"] = share_panel.take(f"{prefix}-strip", share_panel.BOTH, png=True)
    with gr.Tab("Atlas", id="atlas") as atlas_tab:
        made["atlas"] = image_grid.ImageGrid(
            recordings.load("atlas")
            or image_grid.idle(
                "Every class at every scale, from one noise.",
                rows=10,
                columns=len(guidance_controls.S_ATLAS),
            ),
            label="Classes by scale; choose one to take both",
            glance=True,
            elem_id=f"{prefix}-atlas",
        )
        with gr.Row(elem_classes="keep"):
            made["make"] = gr.Button("Draw the atlas", size="sm", elem_id=f"{prefix}-draw")
            made["make_stop"] = gr.Button("Stop", size="sm", elem_id=f"{prefix}-atlas-stop")
        made["atlas_take"] = share_panel.take(f"{prefix}-atlas", share_panel.BOTH, png=True)
    with gr.Tab("Branch", id="branch") as branch_tab:
        gr.Markdown(
            "Scrub the stage to a step, change something, and go on from there: the run and its "
            "branch stay on one timeline.",
            elem_classes="caption",
        )
        made["label"] = control("label", "", prefix, choices=SAME, elem_id=f"{prefix}-branch-class")
        with gr.Row(elem_classes="seed"):
            # Not numbers: an empty one would arrive as 0.
            for name, label in (("scale", "Scale"), ("seed", "Noise of seed")):
                made[name] = gr.Textbox(
                    label=label,
                    placeholder="as it was",
                    max_lines=1,
                    elem_id=f"{prefix}-branch-{name}",
                    min_width=80,
                )
            made["branch"] = gr.Button("Branch here", elem_id=f"{prefix}-branch", min_width=120)
        made["step"] = gr.Number(0, visible="hidden")
        made["note"] = gr.Markdown(elem_classes="caption")
    with gr.Tab("Guidance against diversity", id="tradeoff") as plot_tab:
        made["plot"] = tradeoff.Tradeoff(
            tradeoff.tradeoff(message="Every class at every scale, measured by the judge."),
            elem_id=f"{prefix}-plot",
        )
        with gr.Row(elem_classes="actions"):
            made["count"] = gr.Radio(
                COUNTS,
                value="50",
                label="Images at each scale",
                elem_classes="chips",
                elem_id=f"{prefix}-count",
            )
            made["measure"] = gr.Button("Measure", elem_id=f"{prefix}-measure")
            made["halt"] = gr.Button("Stop", elem_id=f"{prefix}-halt")
    others = (atlas_tab, branch_tab, plot_tab)
    states = {"open": gr.State("anatomy"), "measured": gr.State("")}
    states |= {name: gr.State(None) for name in ("strip_run", "atlas_run")}
    return Lab(**made, others=others, **states)


def wire(lab: Lab, run_tab, first: gr.Tab) -> None:
    """Connect the instruments with the run_tab above them; ``first`` is the tab open at first."""
    _wire_strip(lab, run_tab, first)
    _wire_atlas(lab, run_tab)
    _wire_branch(lab, run_tab)
    _wire_plot(lab, run_tab)
    for take, state in ((lab.strip_take, lab.strip_run), (lab.atlas_take, lab.atlas_run)):
        share_panel.wire(take, partial(_written, run_tab.studio), [state])


NO_SCALES = "No guidance, no scales."


def _wire_strip(lab: Lab, run_tab, first: gr.Tab) -> None:
    panel, studio = run_tab.controls, run_tab.studio

    def draw(shown, current, measured, visitor: gr.Request, *values) -> Iterator[dict]:
        *values, at = values
        key = _read(values)
        if shown != "strip" or key is None or not _stands(studio, key, current):
            yield {lab.strip: gr.skip()}
            return
        request = _quick(guidance_controls.one(key, measured))
        ticket = studio.arm((visitor.session_hash, "strip"), at)
        if ticket.superseded:
            yield {lab.strip: gr.skip()}
            return
        if request.guidance == "none":
            empty = image_grid.idle(NO_SCALES, order=ticket.order)
            yield {lab.strip: empty, lab.strip_take: share_panel.idle(ticket.order)}
            return
        scales = guidance_controls.scales(request)
        sheet = scale_sheet(request, scales)
        pending = {lab.strip_take: share_panel.pending(ticket.order)}
        yield pending | {lab.strip: image_grid.pending(ticket.order)}
        run = Key(key.model, sheet[0], tuple(sheet[1:]))
        drawn = {"column_labels": scales, "symbol": guidance_controls.symbol(request)}
        drawn |= {"chosen": _among(scales, request.guidance_scale), "order": ticket.order}
        drawn |= {"run": f"{ticket.order} {request.guidance}"}
        for progress, error in _answered(studio.stream(ticket, run, rate=8)):
            if error:
                empty = image_grid.idle(error, order=ticket.order)
                yield {lab.strip: empty, lab.strip_take: share_panel.idle(ticket.order)}
                return
            images, live = progress.film.images(), not progress.done
            news = {lab.strip: image_grid.contact(images, len(scales), live=live, **drawn)}
            if progress.done:
                news[lab.strip_run] = Sheet("strip", progress.key, request, scales)
                news[lab.strip_take] = share_panel.due(ticket.order, progress.id)
            yield news

    def take(picked: gr.SelectData):
        return _taken(picked.value, picked.index)[:3]

    moment = gr.Number(visible=False)
    inputs = [lab.open, run_tab.current, panel.measured, *panel.inputs, moment]
    drawing = {"fn": draw, "inputs": inputs, "trigger_mode": "always_last", "js": STAMP}
    drawing |= {"outputs": [lab.strip, lab.strip_run, lab.strip_take]} | player_values.STREAM
    first.select(lambda: "anatomy", None, lab.open, **QUIET)
    gr.on([tab.select for tab in lab.others], lambda: "", None, lab.open, **QUIET)
    shown = lab.strip_tab.select(lambda: "strip", None, lab.open, **QUIET)
    taken = lab.strip.select(take, None, panel.scales, **EVERY)
    _rest_after(taken, run_tab)
    shown.then(**drawing)
    # Whatever brought it: the controls, a tile, a link, a file, a model that was fetched.
    run_tab.current.change(**drawing)
    panel.measured.input(**drawing)


def _answered(stream: Iterator[Progress]) -> Iterator[tuple[Progress | None, str]]:
    """What a run yields, with nothing to say; or nothing, and why it ended."""
    try:
        for progress in stream:
            yield progress, ""
    except InvalidInput as error:
        yield None, str(error)
    except Exception:
        logging.exception("an instrument's run failed")
        yield None, player_values.FAILED


def _wire_atlas(lab: Lab, run_tab) -> None:
    panel, studio = run_tab.controls, run_tab.studio

    def draw(measured, visitor: gr.Request, *values) -> Iterator[dict]:
        ticket = studio.arm((visitor.session_hash, "atlas"))
        try:
            key, request, model = _asked(studio, values, measured)
            names = request.classes(model)
        except InvalidInput as error:
            empty = image_grid.idle(str(error), order=ticket.order)
            yield {lab.atlas: empty, lab.atlas_take: share_panel.idle(ticket.order)}
            return
        scales = guidance_controls.scales(request, atlas=True)
        sheet = scale_sheet(request, scales, range(len(names)))
        drawn = {"column_labels": scales, "row_labels": names, "order": ticket.order}
        drawn |= {
            "symbol": guidance_controls.symbol(request),
            "run": f"{ticket.order} {request.guidance}",
        }
        run = Key(key.model, sheet[0], tuple(sheet[1:]))
        yield {lab.atlas_take: share_panel.pending(ticket.order)}
        for progress, error in _answered(studio.stream(ticket, run, rate=8)):
            if error:
                empty = image_grid.idle(error, order=ticket.order)
                yield {lab.atlas: empty, lab.atlas_take: share_panel.idle(ticket.order)}
                return
            images, live = progress.film.images(), not progress.done
            news = {lab.atlas: image_grid.contact(images, len(scales), live=live, **drawn)}
            if progress.done:
                news[lab.atlas_run] = Sheet("atlas", progress.key, request, scales, names)
                news[lab.atlas_take] = share_panel.due(ticket.order, progress.id)
            yield news

    def stop(visitor: gr.Request):
        studio.stop((visitor.session_hash, "atlas"))

    def take(picked: gr.SelectData):
        return _taken(picked.value, picked.index, atlas=True)

    lab.make.click(
        draw,
        [panel.measured, *panel.inputs],
        [lab.atlas, lab.atlas_run, lab.atlas_take],
        trigger_mode="multiple",
        **player_values.STREAM,
    )
    lab.make_stop.click(stop, **AT_ONCE)
    taken = lab.atlas.select(take, None, [*panel.scales, panel.parts["label"]], **EVERY)
    _rest_after(taken, run_tab)


def _wire_branch(lab: Lab, run_tab) -> None:
    studio = run_tab.studio

    def go(step, label, scale, seed, current, visitor: gr.Request) -> Iterator[dict]:
        if not current:
            yield {lab.note: "No run is here to branch from: press Guide first."}
            return
        key = Key(*current)
        texts = {"label": label, "guidance_scale": scale, "seed": seed}
        try:
            other = key.request.with_texts({k: str(v).strip() for k, v in texts.items() if v})
            at = int(step or 0)
            branch = studio.settled(Key(key.model, key.request, (other,), at))
        except InvalidInput as error:
            yield {lab.note: str(error)}
            return
        yield {lab.note: _remark(key.request, other)}
        yield from run_tab.stream(visitor, branch)

    lab.branch.click(
        go,
        [lab.step, lab.label, lab.scale, lab.seed, run_tab.current],
        [*run_tab.outputs, lab.note],
        js=CURSOR.replace("{stage}", f"{run_tab.name}-stage"),
        trigger_mode="multiple",
        **player_values.STREAM,
    )

    def choices(name):
        try:
            return gr.update(choices=SAME + guidance_controls.classes(studio.model(name)), value="")
        except InvalidInput:  # a name typed by hand: the run will say so
            return gr.skip()

    panel = run_tab.controls
    panel.model.change(choices, panel.model, lab.label, **QUIET)
    if studio.names():
        lab.label.choices = SAME + guidance_controls.classes(studio.model(studio.names()[0]))


def _wire_plot(lab: Lab, run_tab) -> None:
    panel, studio = run_tab.controls, run_tab.studio

    def measure(count, measured, visitor: gr.Request, *values) -> Iterator[dict]:
        ticket = studio.arm((visitor.session_hash, "tradeoff"))
        try:
            key, request, model = _asked(studio, values, measured)
        except InvalidInput as error:
            yield {lab.plot: tradeoff.tradeoff(message=str(error), order=ticket.order)}
            return
        base = replace(request, n=int(count), label="all", first=0)
        scales = guidance_controls.scales(base, atlas=True)
        points: list[dict] = []
        about = {"symbol": guidance_controls.symbol(base), "wanted_scales": scales, "n": base.n}
        about |= {"order": ticket.order, "reference": REAL_DISTANCE.get(model.config.dataset)}
        try:
            classifier_for(model, "judge")
            asked = [replace(base, guidance_scale=scale) for scale in scales]
            work = sum(r.steps * -(-r.n // MEASURED_AT_A_TIME) for r in asked)
            takes = f"{sum(r.work for r in asked):,} denoisings, one scale after another."
            far, done, here = {"running": True, "message": takes}, 0, []
            begun = tradeoff.tradeoff(points, steps=(0, work), **far, **about)
            yield {lab.plot: begun, lab.measured: base.guidance}
            shown = time.monotonic()
            for request, figures in studio.measuring(ticket, key.model, asked):
                if figures is None:
                    done += 1
                else:
                    here = [{"scale": request.guidance_scale, **vars(figures)}]
                if figures is not None or time.monotonic() - shown >= PAUSE:
                    where = {"steps": (done, work)} | far | about
                    yield {lab.plot: tradeoff.tradeoff([*points, *here], **where)}
                    shown = time.monotonic()
                if figures is not None and figures.n == request.n:
                    points, here = [*points, *here], []
            message = "" if points else "Stopped before the first scale was measured."
        except InvalidInput as error:
            message = str(error)
        except Exception:
            logging.exception("a measurement failed")
            message = player_values.FAILED
        yield {lab.plot: tradeoff.tradeoff(points, message=message, **about)}

    def halt(visitor: gr.Request):
        studio.stop((visitor.session_hash, "tradeoff"))

    def take(measured, picked: gr.SelectData):
        return _taken(f"0 {measured}", picked.index, atlas=True)[:3]

    lab.measure.click(
        measure,
        [lab.count, panel.measured, *panel.inputs],
        [lab.plot, lab.measured],
        trigger_mode="multiple",
        **player_values.STREAM,
    )
    gr.on([lab.halt.click, lab.plot.stop], halt, **AT_ONCE)
    taken = lab.plot.select(take, lab.measured, panel.scales, **EVERY)
    _rest_after(taken, run_tab)


def _asked(studio: Studio, values, measured: str) -> tuple[Key, Request, Model]:
    """The run that the controls spell, its request whose scales are to be compared, its model.

    Raises:
        InvalidInput: saying why there is nothing to compare.
    """
    key = guidance_controls.read(values)
    request, model = _quick(guidance_controls.one(key, measured)), studio.model(key.model)
    if request.guidance == "none":
        raise InvalidInput(NO_SCALES)
    return key, request, model


def _read(values) -> Key | None:
    try:
        return guidance_controls.read(values)
    except InvalidInput:
        return None  # the stage has said what is wrong


def _quick(request: Request) -> Request:
    """One request, guided throughout as it is, in as few steps as a sheet of them can afford."""
    return replace(request, n=1, steps=min(request.steps, STRIP_STEPS), sampler="dpm_solver_pp")


def _taken(run: str, place: int, atlas: bool = False) -> tuple:
    """Updates of the sliders of s and both λ, and of the class, for a tile or point.

    Args:
        run: the name of what it belongs to; the last word is the method it was made with.
    """
    method = run.split()[-1] if run.split() else "none"
    scales = guidance_controls.scales(Request(guidance=method), atlas)
    row, column = divmod(place, len(scales))
    methods = ("cfg", "classifier-noisy", "classifier")
    return (*(scales[column] if m == method else gr.skip() for m in methods), str(row))


def _stands(studio: Studio, key: Key, current) -> bool:
    """Whether a run is the one that stands on the stage: its hand has rested."""
    if not current:
        return False
    stands = Key(*current)
    if stands.branch_at is not None:
        stands = Key(stands.model, stands.request)  # the controls tell of what it branched from
    try:
        return studio.settled(key) == stands
    except InvalidInput:
        return False


def _among(scales: list[float], scale: float | None) -> int | None:
    return scales.index(scale) if scale in scales else None


def _remark(base: Request, other: Request) -> str:
    if not SAMPLERS[base.sampler].is_noisy(base) and other.seed != base.seed:
        return (
            "This sampler adds no noise on its way, so that other noise changes nothing after "
            "the start: choose DDPM, or DDIM with η above 0."
        )
    return ""


def _rest_after(event, run_tab):
    """Once a control was set for the visitor, run what the controls spell."""

    def rest(visitor: gr.Request, *values) -> Iterator[dict]:
        key = _read(values)
        yield run_tab.silence
        if key is not None:
            yield from run_tab.rest(visitor, key)

    event.then(
        rest,
        run_tab.controls.inputs,
        run_tab.outputs,
        trigger_mode="multiple",
        **player_values.STREAM,
    )


@dataclass(frozen=True)
class Sheet:
    """What a film strip or an atlas shows, for its files.

    Attributes:
        kind: ``"strip"`` or ``"atlas"``.
        run: the run of all its tiles, row by row.
        base: the request that has these scales in the columns.
        scales, names: of the columns and, of an atlas, the rows.
    """

    kind: str
    run: Key
    base: Request
    scales: list[float]
    names: list[str] | None = None

    def page(self, images) -> np.ndarray:
        return contact_sheet(images, [f"{s:g}" for s in self.scales], self.names, scale=2)


class Pages(Sequence):
    """The labelled pictures of a film of a sheet; panes below, or, of an atlas, beside another."""

    def __init__(self, sheet: Sheet, film: Film, panes: Sequence[str], stride: int):
        self._panes = [getattr(film, pane) for pane in panes]
        self._chosen, self._sheet = Frames(film, panes, stride).chosen, sheet

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, number: int) -> np.ndarray:
        parts = [self._sheet.page(pane[self._chosen[number]]) for pane in self._panes]
        return np.concatenate(parts, axis=1 if self._sheet.names else 0)


def _written(studio: Studio, choice: share_panel.Choice, sheet: Sheet | None) -> share_panel.Taken:
    progress = studio.kept_run(choice.run) if sheet else None
    if progress is None:
        raise InvalidInput(player_values.GONE)
    film, model = progress.film, studio.model(sheet.run.model)
    more = {"tab": "guidance", "sheet": sheet.kind, "scales": sheet.scales}
    about = Run(model, sheet.base, images=[]).describe(**more)
    pages = Pages(sheet, film, choice.panes, choice.stride)
    name = f"{permalinks.stem(sheet.run.model)}-{sheet.kind}-seed{sheet.base.seed}"
    times = {"frame_ms": player_values.pace(len(pages))}
    path = player_values.written(
        f"{name}.{choice.format}", lambda path: save_animation(pages, path, note=about, **times)
    )
    png = player_values.written(
        f"{name}.png", lambda path: save_png(sheet.page(film.images()), path, 1, about)
    )
    return share_panel.Taken(path, len(pages), Path(path).stat().st_size, png)
