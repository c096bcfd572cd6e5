"""Under the Guidance stage: film strip, atlas, branch, and guidance against diversity."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from ddpm_core import InvalidInput, Request, save_png
from ddpm_core.guides import classifier_for
from ddpm_core.recorder import contact_sheet
from ddpm_core.sampling import Run, scale_sheet

from . import contact, keep, stage, steering, tradeoff
from .cache import put as cache_file
from .runs import Key, Studio

STRIP_STEPS = 20
COUNTS = [("50", "50"), ("100", "100"), ("200", "200"), ("500", "500")]
SAME = [("as it was", "")]
# Reads the cursor of the stage, where the branch is to begin.
CURSOR = """(step, ...rest) => [
  Number(document.querySelector("#{stage} .player")?.dataset.index ?? 0), ...rest]"""


@dataclass
class Lab:
    """The components of the instruments."""

    strip_tab: gr.Tab
    strip: contact.Contact
    atlas: contact.Contact
    make: gr.Button
    picture: gr.DownloadButton
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
    open: gr.State


def build(studio: Studio, prefix: str) -> Lab:
    """Lay the instruments out, each in a tab of its own; call it within ``gr.Tabs``."""
    made: dict = {}
    with gr.Tab("Film strip", id="strip", render_children=True) as made["strip_tab"]:
        made["strip"] = contact.Contact(
            contact.idle("One noise at every scale.", columns=len(steering.S_STRIP)),
            label="The same noise at every scale; choose one to take it",
            elem_id=f"{prefix}-strip",
        )
    with gr.Tab("Atlas", id="atlas", render_children=True):
        made["atlas"] = contact.Contact(
            contact.idle(
                "Every class at every scale, from one noise.",
                rows=10,
                columns=len(steering.S_ATLAS),
            ),
            label="Classes by scale; choose one to take both",
            glance=True,
            elem_id=f"{prefix}-atlas",
        )
        with gr.Row(elem_classes="keep"):
            made["make"] = gr.Button("Draw the atlas", size="sm", elem_id=f"{prefix}-draw")
            made["picture"] = gr.DownloadButton(
                "PNG", interactive=False, size="sm", elem_id=f"{prefix}-atlas-png"
            )
    with gr.Tab("Branch", id="branch", render_children=True):
        gr.Markdown(
            "Scrub the stage to a step, change something, and go on from there: the run and its "
            "branch stay on one timeline.",
            elem_classes="caption",
        )
        made["label"] = gr.Radio(
            SAME, value="", label="Class", elem_classes="chips", elem_id=f"{prefix}-branch-class"
        )
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
    with gr.Tab("Guidance against diversity", id="tradeoff", render_children=True):
        made["plot"] = tradeoff.Tradeoff(
            tradeoff.tradeoff(message="Every class at every scale, measured by the judge."),
            elem_id=f"{prefix}-plot",
        )
        with gr.Row(elem_classes="actions"):
            made["count"] = gr.Radio(
                COUNTS,
                value="100",
                label="Images at each scale",
                elem_classes="chips",
                elem_id=f"{prefix}-count",
            )
            made["measure"] = gr.Button("Measure", elem_id=f"{prefix}-measure")
            made["halt"] = gr.Button("Stop", elem_id=f"{prefix}-halt")
    return Lab(**made, open=gr.State("anatomy"))


def wire(lab: Lab, bench, first: gr.Tab) -> None:
    """Connect the instruments with the bench above them; ``first`` is the tab open at first."""
    _wire_strip(lab, bench, first)
    _wire_atlas(lab, bench)
    _wire_branch(lab, bench)
    _wire_plot(lab, bench)


def _wire_strip(lab: Lab, bench, first: gr.Tab) -> None:
    panel, studio = bench.controls, bench.studio

    def draw(shown, visitor: gr.Request, *values) -> Iterator[dict]:
        if shown != "strip":
            return
        key = _read(values)
        if key is None or key.request.guidance == "none":
            yield {lab.strip: contact.idle("No guidance, no scales.")}
            return
        request = _quick(key.request)
        scales = steering.scales(request)
        sheet = scale_sheet(request, scales)
        ending = studio.arm((visitor.session_hash, "strip"))
        yield {lab.strip: contact.pending(ending.order)}
        for progress in studio.stream(ending, Key(key.model, sheet[0], tuple(sheet[1:])), rate=0):
            if progress.done:
                labels = [f"{steering.symbol(request)} {scale:g}" for scale in scales]
                yield {
                    lab.strip: contact.contact(
                        progress.film.images(),
                        len(scales),
                        labels,
                        chosen=_nearest(scales, key.request.guidance_scale),
                        run=f"strip {ending.order}",
                        order=ending.order,
                    )
                }

    def take(visitor: gr.Request, picked: gr.SelectData, *values):
        key = _read(values)
        if key is None:
            return (gr.skip(),) * 3
        return _taken(key.request, steering.scales(key.request)[picked.index])

    drawing = {"fn": draw, "inputs": [lab.open, *panel.inputs], "outputs": [lab.strip]}
    drawing |= stage.STREAM | {"trigger_mode": "always_last"}
    first.select(
        lambda: "anatomy", None, lab.open, show_progress="hidden", api_visibility="private"
    )
    shown = lab.strip_tab.select(
        lambda: "strip", None, lab.open, show_progress="hidden", api_visibility="private"
    )
    shown.then(**drawing)
    bench.rested.then(**drawing)
    taken = lab.strip.select(
        take, panel.inputs, panel.scales, show_progress="hidden", api_visibility="private"
    )
    _rest_after(taken, bench).then(**drawing)


def _wire_atlas(lab: Lab, bench) -> None:
    panel, studio = bench.controls, bench.studio

    def draw(visitor: gr.Request, *values) -> Iterator[dict]:
        key = _read(values)
        if key is None or key.request.guidance == "none":
            yield {lab.atlas: contact.idle("No guidance, no scales.")}
            return
        request, model = _quick(key.request), studio.model(key.model)
        names = request.classes(model)
        scales = steering.scales(request, atlas=True)
        sheet = scale_sheet(request, scales, range(len(names)))
        ending = studio.arm((visitor.session_hash, "atlas"))
        labels = [f"{steering.symbol(request)} {scale:g}" for scale in scales]
        drawn = {"column_labels": labels, "row_labels": names, "order": ending.order}
        run = Key(key.model, sheet[0], tuple(sheet[1:]))
        yield {lab.picture: keep.BARRED}
        for progress in studio.stream(ending, run, rate=8):
            images = progress.film.images()
            if not progress.done:
                value = contact.contact(images, len(scales), live=True, **drawn)
                yield {lab.atlas: value}
                continue
            value = contact.contact(images, len(scales), run=f"atlas {ending.order}", **drawn)
            yield {
                lab.atlas: value,
                lab.picture: gr.update(
                    value=_png(studio, run, images, labels, names), interactive=True
                ),
            }

    def take(visitor: gr.Request, picked: gr.SelectData, *values):
        key = _read(values)
        if key is None:
            return (gr.skip(),) * 4
        scales = steering.scales(key.request, atlas=True)
        row, column = divmod(picked.index, len(scales))
        return (*_taken(key.request, scales[column]), str(row))

    lab.make.click(
        draw, panel.inputs, [lab.atlas, lab.picture], trigger_mode="once", **stage.STREAM
    )
    taken = lab.atlas.select(
        take,
        panel.inputs,
        [*panel.scales, panel.label],
        show_progress="hidden",
        api_visibility="private",
    )
    _rest_after(taken, bench)


def _wire_branch(lab: Lab, bench) -> None:
    studio = bench.studio

    def go(step, label, scale, seed, current, visitor: gr.Request) -> Iterator[dict]:
        if not current:
            yield {lab.note: "There is no run to branch from yet."}
            return
        key = Key(*current)
        texts = {"label": label, "guidance_scale": scale, "seed": seed}
        try:
            other = key.request.with_texts({k: v.strip() for k, v in texts.items() if v})
            at = int(step or 0)
            branch = studio.settled(Key(key.model, key.request, (other,), at))
        except InvalidInput as error:
            yield {lab.note: str(error)}
            return
        yield {lab.note: _remark(key.request, other)}
        yield from bench.stream(visitor, branch)

    gone = lab.branch.click(
        go,
        [lab.step, lab.label, lab.scale, lab.seed, bench.current],
        [*bench.outputs, lab.note],
        js=CURSOR.replace("{stage}", f"{bench.name}-stage"),
        trigger_mode="multiple",
        **stage.STREAM,
    )
    bench.follow(gone)

    def choices(name):
        return gr.update(choices=SAME + steering.classes(studio.model(name)), value="")

    panel = bench.controls
    panel.model.input(
        choices, panel.model, lab.label, show_progress="hidden", api_visibility="private"
    )
    if studio.names():
        lab.label.choices = SAME + steering.classes(studio.model(studio.names()[0]))


def _wire_plot(lab: Lab, bench) -> None:
    panel, studio = bench.controls, bench.studio

    def measure(count, visitor: gr.Request, *values) -> Iterator[dict]:
        key = _read(values)
        if key is None or key.request.guidance == "none":
            yield tradeoff.tradeoff(message="No guidance, no scales.")
            return
        model = studio.model(key.model)
        base = replace(_quick(key.request), n=int(count), label="all", first=0)
        scales = steering.scales(base, atlas=True)
        ending = studio.arm((visitor.session_hash, "tradeoff"))
        points: list[dict] = []
        about = {"symbol": steering.symbol(base), "wanted_scales": scales, "n": base.n}
        about |= {"order": ending.order, "reference": real_distance(model)}
        try:
            classifier_for(model, "judge")
            yield tradeoff.tradeoff(points, running=True, **about)
            for scale in scales:
                request = replace(base, guidance_scale=scale)
                for measured in studio.measuring(ending, key.model, request):
                    if measured is None:
                        continue
                    here = {"scale": scale, **vars(measured)}
                    yield tradeoff.tradeoff([*points, here], running=True, **about)
                if ending.asked:
                    break
                points.append(here)
        except InvalidInput as error:
            yield tradeoff.tradeoff(points, message=str(error), **about)
            return
        yield tradeoff.tradeoff(points, **about)

    def halt(visitor: gr.Request):
        studio.stop((visitor.session_hash, "tradeoff"))

    def take(visitor: gr.Request, picked: gr.SelectData, *values):
        key = _read(values)
        if key is None:
            return (gr.skip(),) * 3
        return _taken(key.request, steering.scales(key.request, atlas=True)[picked.index])

    lab.measure.click(
        measure, [lab.count, *panel.inputs], lab.plot, trigger_mode="multiple", **stage.STREAM
    )
    lab.halt.click(halt, queue=False, show_progress="hidden", api_visibility="private")
    taken = lab.plot.select(
        take, panel.inputs, panel.scales, show_progress="hidden", api_visibility="private"
    )
    _rest_after(taken, bench)


def real_distance(model) -> float | None:
    """The mean pairwise distance of real images, as the judge's card has it."""
    try:
        return classifier_for(model, "judge").training.get("real_distance")
    except InvalidInput:
        return None


def _read(values) -> Key | None:
    try:
        return steering.read(values)
    except InvalidInput:
        return None  # the stage has said what is wrong


def _quick(request: Request) -> Request:
    """One request, guided throughout as it is, in as few steps as a sheet of them can afford."""
    return replace(request, n=1, steps=min(request.steps, STRIP_STEPS), sampler="dpm_solver_pp")


def _taken(request: Request, scale: float) -> tuple:
    """Updates of the sliders of s and both λ."""
    methods = ("cfg", "classifier-noisy", "classifier")
    return tuple(scale if request.guidance == method else gr.skip() for method in methods)


def _nearest(scales: list[float], scale: float | None) -> int | None:
    if scale is None:
        return None
    return min(range(len(scales)), key=lambda i: abs(scales[i] - scale))


def _remark(base: Request, other: Request) -> str:
    deterministic = base.sampler == "dpm_solver_pp" or (base.sampler == "ddim" and not base.eta)
    if deterministic and other.seed != base.seed:
        return (
            "This sampler adds no noise on its way, so that other noise changes nothing after "
            "the start: choose DDPM, or DDIM with η above 0."
        )
    return ""


def _rest_after(event, bench):
    """Once a control was set for the visitor, run what the controls spell."""

    def rest(visitor: gr.Request, *values) -> Iterator[dict]:
        key = _read(values)
        if key is not None:
            yield from bench.rest(visitor, key)

    rested = event.then(
        rest, bench.controls.inputs, bench.outputs, trigger_mode="multiple", **stage.STREAM
    )
    bench.follow(rested)
    return rested


def _png(studio: Studio, key: Key, images, columns, rows) -> str:
    note = Run(studio.model(key.model), key.requests, images=[]).describe()
    name = f"{key.model}-atlas-seed{key.request.seed}.png"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        save_png(contact_sheet(images, columns, rows, scale=2), path, 1, note)
        return cache_file(path.read_bytes(), name, get_upload_folder())
