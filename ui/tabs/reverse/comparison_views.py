"""The comparisons of the Reverse tab: schedules, samplers, and the report's errors put back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import gradio as gr

from ddpm_core import SAMPLERS, InvalidInput, Request
from lab.process.race import FEW_STEPS
from lab.process.race import LANE_PANES as PANES
from lab.process.report_errors import REPORT_CODE

from ...events import AT_ONCE, LATEST, QUIET
from ...runs import player_values, races
from ...runs.races import GUIDED, RaceKey
from ...runs.runs import Studio
from ...runs.ticket import Ticket
from ...sharing import share_panel
from ...widgets.player import player
from .. import hub_models, run_controls
from ..request_controls import ROLL, control, model_picker, seed_row
from ..run_tab import LATEX, STAMP

CURVES = {
    "beta": {"symbol": "<i>β<sub>t</sub></i>", "text": "noise added by step t", "scale": "log"},
    "abar": {"symbol": "<i>ᾱ<sub>t</sub></i>", "text": "image left", "scale": "linear"},
    "log_snr": {"symbol": "log SNR", "text": "ln (ᾱ / (1 − ᾱ))", "scale": "linear"},
    "norm": {
        "symbol": "‖<i>x<sub>t</sub></i>‖ / √<i>d</i>",
        "text": "size of the state",
        "scale": "linear",
    },
    "change": {"symbol": "‖Δ<i>x</i>‖ / √<i>d</i>", "text": "size of the change", "scale": "log"},
}
TOLD = {
    "no-clip": "The report's code (src/diffusion_model.py) never clamps the predicted image to "
    "[-1, 1].",
    "off-by-one": "In the report's code (src/schedule.py) ᾱ is a product that leaves out the "
    "factor of step t itself; here β and σ shift along.",
    "first-beta": "In the report's code (src/main.py) the linear schedule begins at 1e-3; its text "
    "says 1e-4.",
    "missing-root": "The report's section 1.4 has σ = β where section 1.2 has σ² = β.",
    "batch-scale": "The report's code (src/classifier_guidance/diffusion_model_c.py) takes the "
    "gradient of the mean over the batch: each of n images gets λ / n.",
}


@dataclass(frozen=True)
class View:
    """What sets one comparison apart from the others; see ``VIEWS``."""

    name: str
    title: str
    caption: str
    lanes: tuple[str, ...]
    curves: tuple[str, ...]
    default: RaceKey


FEW = [f"{it.label} {n}" for k, it in SAMPLERS.items() if k != "ddpm" for n in FEW_STEPS]
ALL_STEPS = Request(n=1, label="none", sampler="ddpm", steps=1000)
VIEWS = (
    View(
        "schedules",
        "Two schedules",
        "The same noise through two models that differ in their schedule, on one timeline: the "
        "report's Figure 3. Aligned by log-SNR, both stand at the same noise level.",
        ("mnist-linear", "mnist-cosine"),
        ("beta", "abar", "log_snr"),
        RaceKey("schedules", "mnist-linear", ALL_STEPS, against="mnist-cosine"),
    ),
    View(
        "samplers",
        "Samplers",
        "One model and one noise, with the calls and seconds of each sampler, on the machine that "
        "ran it.",
        ("DDPM 1000", *FEW),
        ("norm", "change"),
        RaceKey("samplers", "mnist-conditional", replace(ALL_STEPS, label=3)),
    ),
    View(
        "break",
        "Break it",
        f"The report and its code ({REPORT_CODE}) have errors. Put one back where it acts at "
        "sampling: the network was trained without it, the noise is the same.",
        ("as it should be", "with the error"),
        ("norm", "change"),
        RaceKey("break", "mnist-linear", replace(ALL_STEPS, n=4), error="missing-root"),
    ),
)


@dataclass
class Comparison:
    """The components of one comparison.

    Attributes:
        inputs: by field of the request, or of ``RaceKey``; what a race is made of.
        current: the key of the race on the stage, None before the first.
    """

    studio: Studio
    view: View
    stage: player.Player
    inputs: dict[str, gr.components.Component]
    run: gr.Button
    stop: gr.Button
    roll: gr.Button
    note: gr.Markdown
    keep: share_panel.SharePanel
    current: gr.State

    @property
    def outputs(self) -> list:
        return [self.stage, self.current, *self.keep.outputs]

    @property
    def row(self) -> str:
        """The name of the visitor's runs of this kind."""
        return f"race-{self.view.name}"

    def read(self, values) -> RaceKey:
        """The race that the controls spell.

        Raises:
            InvalidInput: for anything out of range.
        """
        named, default = dict(zip(self.inputs, values, strict=True)), self.view.default
        own = {k: named.pop(k) for k in ("model", "against", "error") if k in named}
        scale = named.pop("guidance_scale", None)
        if own.get("error") == "batch-scale":
            named |= GUIDED | {"guidance_scale": scale}
        return default._replace(request=replace(default.request, **named), **own)

    def set_to(self, key: RaceKey) -> dict:
        """Updates that set every control to a race."""
        given = key._asdict() | {name: getattr(key.request, name) for name in REQUEST}
        known = {k: given[k] for k in self.inputs if given[k] is not None}
        for picker in {"model", "against"} & known.keys():
            known[picker] = hub_models.pick(self.studio, known[picker])
        if "label" in known:
            choices = run_controls.label_choices(self.studio, key.model)
            known["label"] = gr.update(choices=choices, value=str(known["label"]))
        updates = {self.inputs[k]: v for k, v in known.items()}
        if "error" in self.inputs:
            guided = key.error == "batch-scale"
            scale = {"visible": True if guided else "hidden"}
            if guided:
                scale["value"] = key.request.guidance_scale
            updates[self.inputs["guidance_scale"]] = gr.update(**scale)
            updates[self.note] = TOLD.get(key.error, "")
        return updates

    def stream(self, visitor: gr.Request, key: RaceKey, at: float | None = None) -> Iterator[dict]:
        """Run a race on the stage: frames first, files when they are ready.

        Args:
            at: when the visitor asked for it; see ``Studio.arm``.
        """
        ticket = self.studio.arm((visitor.session_hash, self.row), at)
        if ticket.superseded:
            yield {self.current: gr.skip()}  # of a generator that yields nothing, all is emptied
            return
        told = 0
        try:
            for progress in races.stream(self.studio, ticket, key):
                news, told = {self.stage: races.value(progress, ticket)}, told + 1
                if progress.race.lanes[0].frames == 1 or progress.done:
                    news |= {self.current: progress.key} | self.announced(progress, ticket)
                yield news
            if told == 1:
                yield from player_values.once_more(ticket, news)
        except InvalidInput as error:
            yield {self.stage: player_values.ordered(player.error(str(error)), ticket)}
        except Exception:
            logging.exception("a race failed")
            yield {self.stage: player_values.ordered(player.error(player_values.FAILED), ticket)}
        finally:
            ticket.through = True

    def announced(self, progress: races.RaceProgress, ticket: Ticket) -> dict:
        """Updates that name a race: its link, its code, and its files once it has ended."""
        key, order = progress.key, ticket.order
        meant = self.studio.model(key.model).config.sampling
        return {
            self.keep.python: races.python(key),
            self.keep.command: races.command_line(key, meant),
            self.keep.take: share_panel.offered(order, progress, races.query(key, tab="reverse")),
        }

    @property
    def pickers(self) -> list[gr.Dropdown]:
        """What chooses a model."""
        return [self.inputs[name] for name in ("model", "against") if name in self.inputs]

    def refuse(self, visitor: gr.Request, error: InvalidInput, at: float | None = None) -> dict:
        """Say what is wrong with a request."""
        ticket: Ticket = self.studio.arm((visitor.session_hash, self.row), at)
        return {self.stage: player_values.ordered(player.error(str(error)), ticket)}


REQUEST = ("label", "sampler", "steps", "n", "seed", "guidance_scale")


def build(studio: Studio, view: View, recorded: Mapping | None = None) -> Comparison:
    """Lay a comparison out and wire it.

    Args:
        recorded: a value of the component to begin with.
    """
    prefix = f"race-{view.name}"
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            screen = player.Player(
                dict(recorded) if recorded else player.idle("Press Race."),
                label=view.title,
                lanes=view.lanes,
                panes=list(player.PANES),
                shown=["x"],
                align=["t", "logsnr"],
                curves=[{"key": key} | CURVES[key] for key in view.curves],
                elem_id=f"{prefix}-stage",
            )
            gr.Markdown(view.caption, elem_classes="caption", latex_delimiters=LATEX)
            kept = share_panel.build(
                prefix,
                f"reverse {view.name}",
                ("x", "x0"),
                [*share_panel.BOTH, ("eps",), ("change",), PANES],
            )
        with gr.Column(elem_classes="control-column"), gr.Column(elem_classes="controls"):
            with gr.Row(elem_classes="actions"):
                run = gr.Button("Race", variant="primary", elem_id=f"{prefix}-run")
                stop = gr.Button("Stop", elem_id=f"{prefix}-stop")
            inputs, note, roll = _inputs(studio, view, prefix)
    current = gr.State(None)
    comparison = Comparison(studio, view, screen, inputs, run, stop, roll, note, kept, current)
    _wire(comparison)
    return comparison


def _inputs(studio: Studio, view: View, prefix: str):
    default, names, made = view.default, studio.names(), {}
    request, note = default.request, None
    if view.name == "break":
        made["error"] = gr.Radio(
            [(word, name) for name, word in races.ERROR_WORDS.items()],
            value=default.error,
            label="Error",
            elem_classes="chips",
            elem_id=f"{prefix}-error",
        )
        note = gr.Markdown(TOLD[default.error], elem_classes="caption")
    made["model"] = model_picker(names, prefix, default.model)
    if view.name == "schedules":
        named = {"label": "Against", "elem_id": f"{prefix}-against"}
        made["against"] = model_picker(names, prefix, default.against, **named)
    if view.name == "samplers":
        choices = run_controls.label_choices(studio, made["model"].value)
        made["label"] = control("label", str(request.label), prefix, choices=choices)
    else:
        for name in ("sampler", "steps"):
            made[name] = control(name, getattr(request, name), prefix, info=None)
    made["n"] = control("n", request.n, prefix, maximum=races.MAX_IMAGES)
    if view.name == "break":
        made["guidance_scale"] = gr.Slider(
            0,
            30,
            value=GUIDED["guidance_scale"],
            step=0.5,
            label="λ (noise-aware classifier, class 3)",
            visible="hidden",
            elem_id=f"{prefix}-lam",
        )
    numbers, roll = seed_row(request, prefix, "seed")
    return made | numbers, note, roll


def _wire(comparison: Comparison) -> None:
    view, studio, inputs = comparison.view, comparison.studio, comparison.inputs

    def start(visitor: gr.Request, *values) -> Iterator[dict]:
        *values, at = values
        try:
            key = comparison.read(values)
        except InvalidInput as error:
            yield comparison.refuse(visitor, error, at)
            return
        yield from comparison.stream(visitor, key, at)

    def stop(visitor: gr.Request):
        studio.stop((visitor.session_hash, comparison.row))

    running = {"fn": start, "inputs": [*inputs.values(), gr.Number(visible=False)]}
    running |= {"outputs": comparison.outputs, "trigger_mode": "multiple", "js": STAMP}
    running |= player_values.STREAM
    comparison.run.click(**running)
    rolled = comparison.roll.click(None, None, inputs["seed"], js=ROLL, **QUIET)
    rolled.then(**running)
    comparison.stop.click(stop, **AT_ONCE)
    if view.name == "break":

        def tell(error):
            return TOLD[error], gr.update(visible=True if error == "batch-scale" else "hidden")

        told = inputs["error"].input(
            tell, inputs["error"], [comparison.note, inputs["guidance_scale"]], **LATEST
        )
        told.then(**running)
    if view.name == "samplers":
        asked = [inputs["model"], inputs["label"]]
        fit = partial(run_controls.relabelled, studio)
        _, fitted = run_controls.follow_model(inputs["model"], fit, asked, inputs["label"])
        fitted.then(**running)
        inputs["label"].input(**running)
    else:
        gr.on([picker.input for picker in comparison.pickers], **running)
    share_panel.wire(comparison.keep.take, partial(races.take, studio))
