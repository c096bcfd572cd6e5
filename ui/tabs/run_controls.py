"""The column of controls beside a stage, and the request that they spell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import gradio as gr

from ddpm_core import InvalidInput, Request

from ..events import LATEST
from ..runs.runs import Key, Studio
from . import hub_models
from .request_controls import FINE_PRINT, control, fine_print, model_picker, seed_row

# In the order that ``read`` takes their values.
NAMES = ("model", "label", "sampler", "steps", "n", "seed", "first", *FINE_PRINT, "fault")


@dataclass
class Controls:
    """The components of the column.

    Attributes:
        parts: whose values make a request, by its fields, and the model; see ``read``.
        fitted: a model was chosen, and the classes are those of the model.
    """

    parts: dict[str, gr.components.Component]
    roll: gr.Button
    run: gr.Button
    stop: gr.Button
    shelf: hub_models.HubModels
    fitted: gr.events.Dependency

    @property
    def inputs(self) -> list:
        """In the order that ``read`` takes their values."""
        return [self.parts[name] for name in NAMES]

    @property
    def model(self) -> gr.Dropdown:
        return self.parts["model"]

    def updates(self, key: Key, studio: Studio) -> dict:
        """Set every control to a run."""
        model, request = key.model, key.request
        values = {name: getattr(request, name) for name in NAMES[1:]}
        values["model"] = hub_models.pick(studio, model)
        values["label"] = gr.update(choices=label_choices(studio, model), value=str(request.label))
        return {self.parts[name]: value for name, value in values.items()}


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
    parts: dict = {}
    with gr.Column(elem_classes="controls"):
        with gr.Row(elem_classes="actions"):
            run = gr.Button("Sample", variant="primary", elem_id=f"{prefix}-run")
            stop = gr.Button("Stop", elem_id=f"{prefix}-stop")
        parts["model"] = model_picker(names, prefix, visible=len(names) > 1 or "hidden")
        hub = hub_models.build(prefix)
        parts["label"] = control(
            "label",
            str(default.label),
            prefix,
            choices=label_choices(studio, names[0] if names else None),
            info="all goes round, none leaves it free",
        )
        for name in ("sampler", "steps"):
            parts[name] = control(name, getattr(default, name), prefix)
        parts["n"] = control("n", default.n, prefix, visible="hidden" if single else True)
        numbers, roll = seed_row(
            default, prefix, "seed", "first", hidden=() if single else ("first",)
        )
        with gr.Accordion("Fine print", open=False):
            parts |= numbers | fine_print(default, prefix)
            parts["fault"] = control("fault", default.fault, prefix)
    asked = [parts["model"], parts["label"]]
    _, fitted = follow_model(asked[0], partial(relabelled, studio), asked, asked[1])
    return Controls(parts, roll, run, stop, hub, fitted)


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
