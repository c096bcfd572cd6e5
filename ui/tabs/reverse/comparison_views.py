"""The comparisons of the Reverse tab: schedules, samplers, and the report's errors put back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import gradio as gr

from ddpm_core import SAMPLERS, InvalidInput, Request
from lab.process.race import FEW_STEPS
from lab.process.race import LANE_PANES as PANES
from lab.process.report_errors import REPORT_CODE

from ...events import LATEST
from ...glossary import explained
from ...runs import player_values, races
from ...runs.races import GUIDED, RaceKey
from ...runs.runs import Studio
from ...sharing import race_links, share_panel
from ...widgets import component
from ...widgets.equations.typeset import ACCENTED
from ...widgets.player import player
from ...widgets.why import why
from .. import hub_models, recordings, run_controls
from ..request_controls import control, model_picker, seed_row
from ..run_controls import Controls
from ..run_tab import RunTab, caption

X_T = "<i>x<sub>t</sub></i>"


class Curve(NamedTuple):
    """A curve of every lane, and its axis, which spans at least ``span``. Its key in ``CURVES`` is
    the key of a lane's numbers."""

    symbol: str
    text: str
    about: str
    scale: str = "linear"
    span: tuple[float, ...] = ()


CURVES = {
    "abar": Curve(
        f"<i>{ACCENTED['ᾱ']}<sub>t</sub></i>",
        "image left",
        f"How much of the picture is left in {X_T}: 1 is all of it, 0 only noise.",
        span=(0, 1),
    ),
    "left": Curve(
        "<i>x̂</i><sub>0</sub>",
        "still to change",
        "How far x̂0 is from what it becomes: 1 is as far as a blank picture, 0 is there.",
        span=(0, 1),
    ),
    "norm": Curve(
        X_T,
        "its size",
        f"The root mean square of the pixels of {X_T}; that of pure noise is 1.",
        span=(0, 1),
    ),
    "change": Curve(
        "<i>Δx</i>",
        "size of a step",
        f"How much one step changes {X_T}: the root mean square over its pixels, on a logarithmic "
        "axis.",
        "log",
    ),
    "straight": Curve(
        "<i>d</i> / <i>ℓ</i>",
        "how straight",
        f"How far {X_T} is from the noise, as a share of the way it went: 1 is a straight line.",
        span=(0, 1),
    ),
    "beta": Curve(
        "<i>β<sub>t</sub></i>",
        "noise added",
        "How much noise step t of the forward process adds, on a logarithmic axis.",
        "log",
    ),
    "log_snr": Curve(
        "log-SNR",
        "picture against noise",
        f"ln (ᾱ / (1 − ᾱ)): at 0 there is as much picture as noise in {X_T}.",
    ),
}
TOLD = {
    "no-clip": "[[The report]]'s code (src/diffusion_model.py) never clamps the predicted image to "
    "[-1, 1]. In 100 steps a cosine model's digits never leave the noise; of a linear model's "
    "hardly anything changes.",
    "off-by-one": "In [[the report]]'s code (src/schedule.py) ᾱ is a product that leaves out the "
    "factor of step t itself; here β and σ shift along. No eye will see it in digits.",
    "first-beta": "In [[the report]]'s code (src/main.py) the linear schedule begins at 1e-3; its "
    "text says 1e-4. Look for loose dots: the last noise stays in the picture.",
    "missing-root": "[[The report]]'s section 1.4 has σ = β where section 1.2 has σ² = β. "
    "So little noise is put back that digits come out thin and, in 50 steps or more, nearly all "
    "alike. In 20 steps it is the correct run that looks worse: the last of its noise is left.",
    "batch-scale": "[[The report]]'s code (src/classifier_guidance/diffusion_model_c.py) takes the "
    "gradient of the mean over the batch: each of n images gets λ / n. The more images, the "
    "weaker each is pushed.",
}


@dataclass(frozen=True)
class View:
    """The settings of one comparison; see ``VIEWS``.

    Attributes:
        parts: its controls, in their order; with an ``error`` comes the scale of its guidance.
        default: the race of a link or a file, but for what they name; it must never change.
        first: the race that it opens with, if it is not the default one.
    """

    name: str
    title: str
    caption: str
    lanes: tuple[str, ...]
    curves: tuple[str, ...]
    parts: tuple[str, ...]
    default: RaceKey
    whys: tuple[str, ...] = ()
    first: RaceKey | None = None

    @property
    def opening(self) -> RaceKey:
        return self.first or self.default


FEW = [f"{s.label} {n}" for name, s in SAMPLERS.items() if name != "ddpm" for n in FEW_STEPS]
ALL_STEPS = Request(n=1, label="none", sampler="ddpm", steps=1000)
VIEWS = (
    View(
        "schedules",
        "Two schedules",
        "Both begin with the same [[noise]], as in Figure 3 of [[the report]]. Aligned by "
        "[[log-SNR]], both stand at the same noise level.",
        ("mnist-linear", "mnist-cosine"),
        ("abar", "left", "straight", "beta", "log_snr"),
        ("model", "against", "sampler", "steps", "n"),
        RaceKey("schedules", "mnist-linear", ALL_STEPS, against="mnist-cosine"),
        whys=("cosine",),
    ),
    View(
        "samplers",
        "Samplers",
        "One model and one noise; the network is called 10 to 1,000 times.",
        ("DDPM 1000", *FEW),
        ("left", "norm", "change", "straight"),
        ("model", "label", "n"),
        RaceKey("samplers", "mnist-conditional", replace(ALL_STEPS, label=3)),
        whys=("steps",),
    ),
    View(
        "break",
        "Break it",
        f"An error of [[the report]] or its code ({REPORT_CODE}), put back into sampling; the "
        "network was trained without it.",
        ("as it should be", "with the error"),
        ("norm", "left", "change"),
        ("error", "model", "sampler", "steps", "n", "guidance_scale"),
        RaceKey("break", "mnist-linear", replace(ALL_STEPS, n=4), error="missing-root"),
        first=RaceKey("break", "mnist-cosine", replace(ALL_STEPS, n=4, steps=100), error="no-clip"),
    ),
)
NAMES = ("model", "against", "error")  # fields of a race, and not of its request


@dataclass
class Comparison(RunTab):
    """A tab within the Reverse tab whose runs are races.

    Attributes:
        note: explains the error that is put back, if the view has one.
    """

    view: View | None = None
    note: gr.Markdown | None = None

    def read(self, values) -> RaceKey:
        named, default = self.controls.named(values), self.view.default
        fields = {name: named.pop(name) for name in NAMES if name in named}
        scale = named.pop("guidance_scale", None)
        if fields.get("error") == "batch-scale":
            named |= GUIDED | {"guidance_scale": scale}
        return replace(default, request=replace(default.request, **named), **fields)

    def set_to(self, key: RaceKey) -> dict:
        values = {
            name: getattr(key if name in NAMES else key.request, name)
            for name in self.controls.parts
        }
        for picker in {"model", "against"} & values.keys():
            values[picker] = hub_models.pick(values[picker], self.studio.names())
        if "label" in values:
            choices = run_controls.label_choices(self.studio, key.model)
            values["label"] = gr.update(choices=choices, value=str(values["label"]))
        updates = {self.controls.parts[name]: value for name, value in values.items()}
        updates[self.controls.shown] = key.model
        if self.note:
            updates |= self.explained(key.error, key.request.guidance_scale)
        return updates

    @property
    def settable(self) -> list:
        return [*super().settable, *([self.note] if self.note else [])]

    def explained(self, error: str, scale: float | None = None) -> dict:
        """Updates that say what an error is, and offer the scale of guidance that it acts on."""
        guided = error == "batch-scale"
        value = {"value": scale} if guided and scale is not None else {}
        shown = gr.update(visible=True if guided else "hidden", **value)
        return {
            self.note: explained(TOLD.get(error, "")),
            self.controls.parts["guidance_scale"]: shown,
        }

    def error_chosen(self, *values) -> dict:
        """Updates for an error that was chosen: what it is; and another sampler or model, if it
        could not act with those that stand there."""
        parts = self.controls.parts
        updates = self.explained(dict(zip(parts, values, strict=True))["error"])
        with suppress(InvalidInput):  # the run will say what is wrong
            key, usual = self.read(values), self.view.default  # every error acts on the usual ones
            samplers = (key.request.sampler, usual.request.sampler)
            for model, sampler in product((key.model, usual.model), samplers):
                request = replace(key.request, sampler=sampler)
                if self._fits(replace(key, model=model, request=request)):
                    chosen = {self.model: model, self.controls.shown: model}
                    return updates | chosen | {parts["sampler"]: sampler}
        return updates

    def _fits(self, key: RaceKey) -> bool:
        try:
            return bool(self.fitting(key))
        except InvalidInput:
            return False

    def values(self, ticket, key: RaceKey):
        def value(progress):
            return races.value(progress, race_links.query(progress.key))

        return player_values.values(races.stream(self.studio, ticket, key), ticket, value)

    def asked(self, pairs: list, model: str) -> RaceKey:
        return self.fitting(race_links.parse(dict(pairs), self.view.default))

    def noted(self, about: Mapping) -> RaceKey:
        """The race in the note of a file."""
        return self.fitting(race_links.from_note(about, self.view.default))

    def fitting(self, key: RaceKey) -> RaceKey:
        return races.settled(self.studio, key)[0]

    @property
    def pickers(self) -> list[gr.Dropdown]:
        """The lists that choose a model."""
        parts = self.controls.parts
        return [parts[name] for name in ("model", "against") if name in parts]


def build(studio: Studio, view: View) -> Comparison:
    """Lay a comparison out and wire it."""
    prefix, recorded = f"race-{view.name}", recordings.load(view.name)
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            screen = player.Player(
                recorded or component.idle("Press Race."),
                label=view.title,
                lanes=view.lanes,
                panes=list(player.PANES),
                shown=["x"],
                align=["t", "logsnr"],
                curves=[{"key": key} | CURVES[key]._asdict() for key in view.curves],
                elem_id=f"{prefix}-stage",
            )
            caption(view.caption)
            if view.whys:
                why.build(view.whys)
            panes = [*share_panel.BOTH, ("eps",), ("change",), PANES]
            share = share_panel.build(prefix, f"reverse {view.name}", ("x", "x0"), panes)
        with gr.Column(elem_classes="control-column"), gr.Column(elem_classes="controls"):
            with gr.Row(elem_classes="actions"):
                run = gr.Button("Race", variant="primary", elem_id=f"{prefix}-run")
                stop = gr.Button("Stop", elem_id=f"{prefix}-stop")
            parts, note = _parts(studio, view, prefix)
            numbers, roll = seed_row(view.opening.request, prefix, "seed")
    controls = Controls(parts | numbers, roll, run, stop)
    default, current = view.default.request, gr.State(view.opening if recorded else None)
    comparison = Comparison(
        studio, prefix, default, controls, screen, share, current, view=view, note=note
    )
    _wire(comparison)
    return comparison


def _parts(studio: Studio, view: View, prefix: str):
    default, names, parts, note = view.opening, studio.names(), {}, None
    for name in view.parts:
        value = getattr(default if name in NAMES else default.request, name)
        if name in ("model", "against"):
            parts[name] = model_picker(names, prefix, value, name)
            continue
        props = {"n": {"maximum": races.MAX_IMAGES}, "guidance_scale": {"elem_id": f"{prefix}-lam"}}
        if name == "label":
            props["label"] = {"choices": run_controls.label_choices(studio, parts["model"].value)}
            value = str(value)
        value = GUIDED[name] if name == "guidance_scale" else value
        parts[name] = control(name, value, prefix, **props.get(name, {}))
        if name == "error":
            note = caption(TOLD[value])
    return parts, note


def _wire(comparison: Comparison) -> None:
    controls, running = comparison.controls, comparison.running
    parts = controls.parts
    comparison.wire(*controls.chosen("error"))
    followed = ["model"] if "label" in parts else []
    gr.on(controls.left("error", *followed), **comparison.running_new)
    if followed:
        run_controls.follow_model(comparison.studio, controls).then(**comparison.running_new)
    if comparison.note:
        shown = [comparison.note, controls.shown]
        shown += [parts[name] for name in ("guidance_scale", "model", "sampler")]
        changed = parts["error"].input(comparison.error_chosen, controls.inputs, shown, **LATEST)
        changed.then(**running)
