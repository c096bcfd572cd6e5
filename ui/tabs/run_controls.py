"""The column of controls beside a stage, and the request that they spell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import gradio as gr

from ddpm_core import InvalidInput, Model, Request
from ddpm_core.errors import check_int

from ..events import LATEST
from ..runs.runs import Key, Studio
from . import hub_models
from .request_controls import Slider, control, fine_print, model_picker, seed_row, variances

COUNTS = {"steps", "n"}  # sliders of whole numbers
HALFWAY = 0.5  # how far one image is from seed to seed, unless chosen


class Pick(NamedTuple):
    """A model that was picked by hand, the one before it, and how many were picked before."""

    model: str
    last: str
    count: int


@dataclass
class Controls:
    """The components of the column; ``parts`` are those whose values spell a run, by field, the
    model among them.

    Attributes:
        shown: the model that the picker shows, as it was picked or set.
        picked: the newest ``Pick``. Gradio says that a list was left, with a new value or not, and
            says it twice of a new one; this changes once for each.
    """

    parts: dict[str, gr.components.Component]
    roll: gr.Button
    run: gr.Button
    stop: gr.Button
    hub: hub_models.HubModels | None = None

    def __post_init__(self):
        self.shown, self.picked = gr.State(self.model.value), gr.State(None)

    @property
    def inputs(self) -> list:
        return list(self.parts.values())

    @property
    def model(self) -> gr.Dropdown:
        return self.parts["model"]

    def named(self, values: Sequence) -> dict:
        """The values by field.

        Raises:
            InvalidInput: for a number beyond the ends of a slider that counts, by its label.
        """
        named = dict(zip(self.parts, values, strict=True))
        for name in COUNTS & named.keys():
            slider = self.parts[name]
            check_int(slider.label, named[name], slider.minimum, slider.maximum)
        return named

    def chosen(self, *but: str) -> list:
        """The events that start a new run, of all parts except lists and ``but``: a slider is let
        go, a number or a seed is entered, anything else is chosen."""
        kinds = {Slider: "release", gr.Number: "submit", gr.Textbox: "submit"}
        return [
            getattr(part, kinds.get(type(part), "input"))
            for name, part in self.parts.items()
            if name not in but and not isinstance(part, gr.Dropdown)
        ]

    def left(self, *but: str) -> list:
        """The events of leaving a list or a field, with a new value or not, except for ``but``."""
        kinds = {gr.Dropdown: "input", gr.Number: "blur", gr.Textbox: "blur"}
        return [
            getattr(part, kinds[type(part)])
            for name, part in self.parts.items()
            if name not in but and type(part) in kinds
        ]

    def updates(self, key: Key, studio: Studio) -> dict:
        """Set every control to a run."""
        values = {name: getattr(key.request, name) for name in self.parts if name != "model"}
        choices = label_choices(studio, key.model)
        values["model"] = hub_models.pick(key.model, hub_models.offered(studio))
        values["label"] = gr.update(choices=choices, value=str(key.request.label))
        if "along" in values and key.request.toward is not None:
            (values["along"],) = key.request.places([key.request.first])
        elif "along" in values:
            values["along"] = HALFWAY  # means nothing without a second seed
        values["toward"] = text(key.request.toward)
        values["mix"] = gr.update(choices=to_classes(choices), value=text(key.request.mix))
        possible = variances(studio.model(key.model))
        values["variance"] = gr.update(choices=possible, value=key.request.variance)
        return {self.parts[name]: value for name, value in values.items()}


def build(
    studio: Studio,
    prefix: str,
    *,
    single: bool,
    default: Request,
    among: Callable[[], None] | None = None,
) -> Controls:
    """Lay the controls out, see ``run_tab.build``."""
    names = studio.names()
    parts: dict = {}
    with gr.Column(elem_classes="controls"):
        with gr.Row(elem_classes="actions"):
            run = gr.Button("Sample", variant="primary", elem_id=f"{prefix}-run")
            stop = gr.Button("Stop", elem_id=f"{prefix}-stop")
        parts["model"] = model_picker(names, prefix, choices=hub_models.offered(studio))
        hub = hub_models.build(prefix)
        parts["label"] = control(
            "label",
            str(default.label),
            prefix,
            choices=label_choices(studio, names[0]),
        )
        for name in ("sampler", "steps"):
            parts[name] = control(name, getattr(default, name), prefix)
        parts["n"] = control("n", default.n, prefix, visible="hidden" if single else True)
        numbers, roll = seed_row(
            default, prefix, "seed", "first", hidden=() if single else ("first",)
        )
        with gr.Accordion("From one to another", open=False, elem_id=f"{prefix}-walk"):
            parts["toward"] = control("toward", "", prefix)
            if single:
                parts["along"] = control("along", HALFWAY, prefix)
            offered = to_classes(parts["label"].choices)
            parts["mix"] = control("mix", "", prefix, label="To class", choices=offered)
        if among:
            among()
        with gr.Accordion("Fine print", open=False):
            parts |= numbers | fine_print(default, prefix)
            parts["fault"] = control("fault", default.fault, prefix)
    return Controls(parts, roll, run, stop, hub)


def follow_model(studio: Studio, controls: Controls, fit=None, asked=(), fitted=()):
    """Note which model is picked by hand, and fit other controls to it, then once more: while the
    model loads, they offer what the last one knew, and a visitor may choose from that.

    Args:
        fit: takes the values of the model, of ``asked`` and of the label, and ``late=True`` the
            second time; see ``refitted`` unless given.
        asked: names of further parts whose values it takes.
        fitted: components that it updates besides the label.

    Returns:
        The second event.
    """
    parts, label = controls.parts, controls.parts["label"]
    if fit is None:
        fit = partial(refitted, studio, parts)
        if "variance" in parts:  # the controls of a run
            asked, fitted = ["variance"], [parts["variance"], parts["mix"]]
    inputs = [controls.model, *(parts[name] for name in asked), label]
    states = [controls.shown, controls.picked]
    controls.model.input(
        partial(picked, studio, controls), [controls.model, *states], states, **LATEST
    )
    first = controls.picked.change(fit, inputs, [*fitted, label], **LATEST)
    return first.then(partial(fit, late=True), inputs, [*fitted, label], **LATEST)


def picked(studio: Studio, controls: Controls, model: str, shown: str, newest: Pick | None) -> dict:
    """Updates that note a pick, if it is one."""
    if model == shown:
        return {controls.picked: gr.skip()}
    last = shown if newest is None or studio.is_here(shown) else newest.last
    pick = Pick(model, last, newest.count + 1 if newest else 0)
    return {controls.shown: model, controls.picked: pick}


def refitted(studio: Studio, parts: dict, model: str, *chosen, late=False) -> dict:
    """Updates that offer the classes of a model that was chosen by hand, and with a variance before
    the label that was chosen the variances and the classes to lead to."""
    *variance, label = chosen
    try:
        choices, loaded = label_choices(studio, model), studio.model(model)
    except InvalidInput:  # a name typed by hand: the run will say so
        return {parts["label"]: gr.skip()}
    updates = {parts["label"]: offered(choices, label, choices[0][1], late)}
    if variance:
        updates[parts["variance"]] = revaried(loaded, *variance, late)
        value = {} if late else {"value": ""}
        updates[parts["mix"]] = gr.update(choices=to_classes(choices), **value)
    return updates


def revaried(model: Model, chosen: str, late: bool):
    """An update that offers a model's variances and chooses the one it is meant to be sampled with.
    A value that stays is left out: a visitor may choose another before this arrives."""
    possible = variances(model)
    variance = chosen if late else model.config.sampling.get("variance", chosen)
    if variance not in [value for _, value in possible]:
        variance = "beta"
    return gr.update(choices=possible, **{} if variance == chosen else {"value": variance})


def to_classes(choices: list) -> list[tuple[str, str]]:
    """The choices of a class to lead to: none, and each single class of ``choices``."""
    named = [choice[:2] for choice in choices]
    return [("none", ""), *(choice for choice in named if choice[1] not in ("all", "none"))]


def text(value) -> str:
    """A field as the text of a control, empty for None."""
    return "" if value is None else str(value)


def walk_in_words(request: Request) -> str:
    """Describes the way from one seed to another."""
    led = "" if request.mix is None else f", from class {request.label} to {request.mix}"
    led = ", through all classes" if request.label == "all" else led
    if request.n == 1:
        (place,) = request.places([request.first])
        return (
            f"{100 * place:.0f} % of the way from the noise of seed {request.seed} to that of seed "
            f"{request.toward}{led}."
        )
    if request.toward == request.seed:
        return f"One noise{led or ', one class'}."
    return (
        f"From the noise of seed {request.seed} to that of seed {request.toward}{led}, along the "
        "[[great circle]] between them; as a film they turn into one another."
    )


def offered(choices: list[tuple[str, str]], label: str | None, default: str, late: bool = False):
    """An update that offers classes. A chosen one that is among them stays, for another may be
    chosen before this arrives. But "none", all that some models know, gives way to "all".

    Args:
        late: the label was chosen for this model, "none" too.
    """
    values = [value for _, value in choices]
    if label in values and (late or (label, values[0]) != ("none", "all")):
        return gr.update(choices=choices)
    return gr.update(choices=choices, value=default)


def label_choices(studio: Studio, model: str) -> list[tuple[str, str]]:
    """The classes that a model can be asked for, as (name, value)."""
    loaded = studio.model(model)
    names = [(name, str(i)) for i, name in enumerate(loaded.classes)]
    free = [] if loaded.classes and loaded.unet.null_index is None else [("none", "none")]
    return ([("all", "all")] if names else []) + names + free
