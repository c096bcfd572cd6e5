"""The column of controls beside a stage, and the request that they spell."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial

import gradio as gr

from ddpm_core import SAMPLERS, InvalidInput, Request
from ddpm_core.schedules import SPACINGS

from ..events import LATEST
from ..runs.runs import Key, Studio
from . import hub_models

SAMPLER_CHIPS = [(sampler.label, name) for name, sampler in SAMPLERS.items()]
SPACING_CHIPS = [(label, name) for name, label in SPACINGS.items()]
VARIANCES = [("β (report)", "beta"), ("posterior β̃", "posterior")]
DTYPES = [("auto", "auto"), ("float32", "float32"), ("bfloat16", "bfloat16")]
# Errors of the report that can be put back; see ``ddpm_core.faults``.
FAULTS = [
    ("none", "none"),
    ("ᾱ off by one", "off-by-one"),
    ("β from 1e-3", "first-beta"),
    ("σ without its root", "missing-root"),
    ("λ over the batch", "batch-scale"),
]
ROLL = "() => Math.floor(Math.random() * 1e6)"

from gradio.events import Dependency

class Chips(gr.Radio):
    """A row of choices that may change under a visitor's hand.

    Gradio would refuse a choice that the model just chosen does not offer any more, without a word
    on the page; the core knows what to make of it, or says what is wrong.
    """

    is_template = True  # drawn as a radio

    def preprocess(self, payload):
        return payload
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


@dataclass
class Controls:
    """Components whose values, in order, make a request; see ``read``."""

    model: gr.Dropdown
    label: gr.Radio
    sampler: gr.Radio
    steps: gr.Slider
    n: gr.Slider | gr.Number
    first: gr.Number
    seed: gr.Number
    spacing: gr.Radio
    eta: gr.Slider
    variance: gr.Radio
    clip: gr.Checkbox
    dtype: gr.Radio
    fault: gr.Dropdown
    roll: gr.Button
    run: gr.Button
    stop: gr.Button
    shelf: hub_models.HubModels
    fitted: gr.events.Dependency  # a model was chosen, and the classes are those of the model

    @property
    def inputs(self) -> list:
        """In the order that ``read`` takes their values."""
        return [getattr(self, name) for name in NAMES]

    def updates(self, key: Key, studio: Studio) -> dict:
        """Set every control to a run."""
        model, request = key.model, key.request
        found = {getattr(self, name): getattr(request, name) for name in NAMES[1:]}
        found[self.model] = hub_models.pick(studio, model)
        found[self.label] = gr.update(
            choices=label_choices(studio, model), value=str(request.label)
        )
        return found


NAMES = ("model", *(f.name for f in fields(Controls) if hasattr(Request, f.name)))


def read(values) -> tuple[str, Request]:
    """Turn the values of ``Controls.inputs`` into a model's name and a request.

    Raises:
        InvalidInput: for anything out of range.
    """
    named = dict(zip(NAMES, values, strict=True))
    return named.pop("model"), Request(**named)


def build(studio: Studio, prefix: str, *, single: bool, default: Request) -> Controls:
    """Lay the controls out.

    Args:
        prefix: for element ids, so that two tabs do not clash.
        single: one image, chosen by its number, instead of a count of images.
    """
    names = studio.names()
    model = names[0] if names else None
    with gr.Column(elem_classes="controls"):
        with gr.Row(elem_classes="actions"):
            run = gr.Button("Sample", variant="primary", elem_id=f"{prefix}-run")
            stop = gr.Button("Stop", elem_id=f"{prefix}-stop")
        picker = gr.Dropdown(
            names,
            value=model,
            label="Model",
            elem_id=f"{prefix}-model",
            visible=len(names) > 1 or "hidden",
            allow_custom_value=True,  # one that was fetched in another tab
        )
        hub = hub_models.build(prefix)
        label = Chips(
            label_choices(studio, model),
            value=str(default.label),
            label="Class",
            elem_id=f"{prefix}-label",
            elem_classes="chips",
            info="all goes round, none leaves it free",
        )
        sampler = gr.Radio(
            SAMPLER_CHIPS,
            value=default.sampler,
            label="Sampler",
            elem_id=f"{prefix}-sampler",
            elem_classes="chips",
            info="few steps do; of DDPM, hundreds",
        )
        steps = gr.Slider(
            1,
            1000,
            value=default.steps,
            step=1,
            label="Steps",
            elem_id=f"{prefix}-steps",
            info="of T = 1000",
        )
        count = gr.Slider(
            1,
            64,
            value=default.n,
            step=1,
            label="Images",
            elem_id=f"{prefix}-n",
            visible="hidden" if single else True,
        )
        with gr.Row(elem_classes="seed"):
            seed = gr.Number(
                default.seed,
                label="Seed",
                precision=0,
                minimum=0,
                elem_id=f"{prefix}-seed",
                min_width=80,
            )
            first = gr.Number(
                default.first,
                label="Image no.",
                precision=0,
                minimum=0,
                min_width=80,
                elem_id=f"{prefix}-first",
                visible=True if single else "hidden",
            )
            roll = gr.Button("Roll", elem_id=f"{prefix}-roll", min_width=60)
        with gr.Accordion("Fine print", open=False):
            spacing = gr.Radio(
                SPACING_CHIPS,
                value=default.spacing,
                label="Timesteps",
                elem_classes="chips",
                info="where along t the steps are spent",
            )
            eta = gr.Slider(
                0,
                1,
                value=default.eta,
                step=0.05,
                label="η (DDIM)",
                info="0 deterministic, 1 like DDPM",
            )
            variance = gr.Radio(
                VARIANCES,
                value=default.variance,
                label="σ² (DDPM)",
                elem_classes="chips",
                info="variance of the noise it adds",
            )
            clip = gr.Checkbox(
                default.clip,
                label="Clip x̂0",
                info="clamped to [-1, 1] at every step",
            )
            dtype = gr.Radio(
                DTYPES,
                value=default.dtype,
                label="Network precision",
                elem_classes="chips",
                info="where its rounding would show, float32",
            )
            fault = gr.Dropdown(
                FAULTS,
                value=default.fault,
                label="The report's error",
                elem_id=f"{prefix}-fault",
                info="put back to see what it does",
            )
    _, fitted = follow_model(picker, partial(relabelled, studio), [picker, label], label)
    return Controls(
        model=picker,
        label=label,
        sampler=sampler,
        steps=steps,
        n=count,
        first=first,
        seed=seed,
        spacing=spacing,
        eta=eta,
        variance=variance,
        clip=clip,
        dtype=dtype,
        fault=fault,
        roll=roll,
        run=run,
        stop=stop,
        shelf=hub,
        fitted=fitted,
    )


def follow_model(picker: gr.Dropdown, fit, inputs: list, outputs):
    """Fit other controls to a model that was chosen by hand, and once more to what of them was
    chosen while it loaded: until then they offer what the model before it knew.

    Args:
        fit: of the inputs, which end with the label, and of whether it is asked once more.

    Returns:
        Both events.
    """
    fitted = picker.input(fit, inputs, outputs, **LATEST)
    return fitted, fitted.then(partial(fit, late=True), inputs, outputs, **LATEST)


def relabelled(studio: Studio, model: str, label: str | None, late: bool = False):
    """An update that offers the classes of a model that was chosen by hand."""
    try:
        choices = label_choices(studio, model)
    except InvalidInput:  # a name typed by hand: the run will say so
        return gr.skip()
    return offered(choices, label, choices[0][1], late)


def offered(choices: list[tuple[str, str]], label: str | None, default: str, late: bool = False):
    """An update that offers classes. The one chosen stays where it is among them, for another may
    be chosen before this arrives; but "none", all that some models know, gives way to "all".

    Args:
        late: the label was chosen for this model, "none" too.
    """
    values = [value for _, value in choices]
    if label in values and (late or (label, values[0]) != ("none", "all")):
        return gr.update(choices=choices)
    return gr.update(choices=choices, value=default)


def label_choices(studio: Studio, model: str | None) -> list[tuple[str, str]]:
    """The classes that a model can be asked for, as (name, value)."""
    if model is None:
        return [("none", "none")]
    loaded = studio.model(model)
    names = [(name, str(i)) for i, name in enumerate(loaded.classes)]
    free = [] if loaded.classes and loaded.unet.null_index is None else [("none", "none")]
    return ([("all", "all")] if names else []) + names + free