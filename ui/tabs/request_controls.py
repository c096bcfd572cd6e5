"""The controls of a request, each described once: a tab names only what it changes.

A new control of a run is an entry of ``CONTROLS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from ddpm_core import SAMPLERS, Model, Request
from ddpm_core.schedules import SPACINGS
from lab.process.report_errors import REPORT_ERRORS

from ..runs.races import ERROR_WORDS

MOST_STEPS = 1000
ROLL = "() => Math.floor(Math.random() * 1e6)"


class Chips(gr.Radio):
    """A row of choices that depend on the model.

    Gradio would refuse a choice that a new model no longer offers, without a word on the page. The
    core uses it, or says what is wrong.
    """

    is_template = True  # drawn as a radio

    def preprocess(self, payload):
        return payload


class Slider(gr.Slider):
    """A slider with a number that may be typed: the core says what is wrong with it."""

    is_template = True  # drawn as Gradio's own

    def preprocess(self, payload):
        return payload


class Control(NamedTuple):
    """The control of a field of a request.

    Attributes:
        kind: the component's class.
        label: its name on the page, which the glossary explains.
        more: further arguments of the component.
        is_fine_print: it stands in the fine print of every tab that samples, in this order.
    """

    kind: type
    label: str
    more: dict[str, Any] = {}
    is_fine_print: bool = False


def _chips(label: str, choices: list, kind=gr.Radio, look="chips", **fields) -> Control:
    return Control(kind, label, {"choices": choices, "elem_classes": look}, **fields)


def _scale(label: str, top: float, step: float) -> Control:
    props = {"minimum": 0, "maximum": top, "step": step, "elem_classes": "guidance"}
    return Control(Slider, label, props)


def _labelled(entries) -> list[tuple[str, str]]:
    return [(getattr(entry, "label", entry), name) for name, entry in entries.items()]


S_MAX = 10.0
# The ends of the sliders of λ; beyond them pictures are saturated, see docs/guidance.md.
LAMBDA_MAX = {"classifier-noisy": 20.0, "classifier": 200.0}
TERMS = "chips terms"  # each of them is in the glossary
WHOLE = {"min_width": 80}  # passed as it was typed: the core says that it must be whole
SHARE = {"minimum": 0, "maximum": 1, "step": 0.05}
# Errors of the report that can be put back; see ``ddpm_core.faults``.
FAULTS = [("none", "none"), *((ERROR_WORDS[name], name) for name in REPORT_ERRORS)]
# The last one only for a model that learned it; see ``variances``.
VARIANCES = [("β (report)", "beta"), ("posterior β̃", "posterior"), ("learned", "learned")]
CONTROLS = {
    "model": Control(
        gr.Dropdown, "Model", {"info": "mnist draws digits, cifar10 small photographs"}
    ),
    "label": Control(Chips, "Class", {"elem_classes": "chips"}),
    "sampler": _chips("Sampler", _labelled(SAMPLERS), look=TERMS),
    "steps": Control(Slider, "Steps", {"minimum": 1, "maximum": MOST_STEPS, "step": 1}),
    "n": Control(Slider, "Images", {"minimum": 1, "maximum": 64, "step": 1}),
    "seed": Control(gr.Number, "Seed", WHOLE),
    "first": Control(gr.Number, "Image no.", WHOLE),
    "spacing": _chips("Timesteps", _labelled(SPACINGS), is_fine_print=True),
    "eta": Control(Slider, "η (DDIM)", SHARE, is_fine_print=True),
    "variance": _chips("σ² (DDPM)", VARIANCES[:-1], kind=Chips, is_fine_print=True),
    "clip": Control(gr.Checkbox, "Clip x̂0", is_fine_print=True),
    "dtype": _chips(
        "Network precision",
        [("auto", "auto"), ("float32", "float32"), ("bfloat16", "bfloat16")],
        is_fine_print=True,
    ),
    "fault": Control(gr.Dropdown, "The report's error", {"choices": FAULTS, "filterable": False}),
    "form": _chips("Push", [("λ ∇ ln p", "plain"), ("λ √(1 − ᾱ) ∇ ln p", "scaled")]),
    "at": _chips(
        "The classifier looks at",
        [("x_t", "x"), ("x̂0", "x0"), ("x̂0, through the network", "x0-through")],
    ),
    "rescale": Control(Slider, "Rescale", SHARE | {"elem_classes": "guidance"}),
    "profile": _chips(
        "Strength over t",
        [("constant", "constant"), ("early", "early"), ("late", "late")],
    ),
    "mix": Control(gr.Dropdown, "Mixed with", {"filterable": False}),
    # Not a number: an empty field would arrive as 0.
    "toward": Control(
        gr.Textbox, "To seed", {"placeholder": "none", "max_lines": 1, "min_width": 80}
    ),
    "along": Control(Slider, "How far", SHARE | {"step": 0.01}),
    "share": Control(Slider, "Its share", SHARE | {"elem_classes": "guidance"}),
    # From these the Guidance tab makes its requests.
    "method": _chips("Guidance", [], kind=Chips, look=TERMS),
    "kind": _chips("Classifier", [], kind=Chips),
    "s": _scale("Guidance scale s", S_MAX, 0.1),
    "lam": _scale("Guidance scale λ", LAMBDA_MAX["classifier-noisy"], 0.1),
    "clean_lam": _scale("Guidance scale λ", LAMBDA_MAX["classifier"], 1),
    # Controls that only a race has.
    "against": Control(gr.Dropdown, "Against"),
    "error": _chips("Error", [(word, name) for name, word in ERROR_WORDS.items()]),
    "guidance_scale": Control(
        Slider,
        "λ (noise-aware classifier, class 3)",
        {"minimum": 0, "maximum": 30, "step": 0.5, "visible": "hidden"},
    ),
}
FINE_PRINT = tuple(name for name, control in CONTROLS.items() if control.is_fine_print)


def control(name: str, value, prefix: str, **otherwise):
    """Lay out the control of a field; ``otherwise`` replaces its arguments. ``prefix`` is for
    element ids, so that two tabs do not clash."""
    kind, label, more, _ = CONTROLS[name]
    props = {"value": value, "label": label, "elem_id": f"{prefix}-{name.replace('_', '-')}"}
    return kind(**props | more | otherwise)


def fine_print(request: Request, prefix: str) -> dict:
    """Lay out the controls that are seldom changed; returns them by field."""
    return {name: control(name, getattr(request, name), prefix) for name in FINE_PRINT}


def variances(model: Model) -> list[tuple[str, str]]:
    """The variances that a model can be sampled with, as (name, value)."""
    return VARIANCES if model.learned_variance else VARIANCES[:-1]


def model_picker(
    names: Sequence[str], prefix: str, value: str | None = None, name: str = "model", **otherwise
):
    """Lay out a list of models, set to ``value`` if it is among them, else to the first."""
    value = value if value in names else names[0]
    # A model that was fetched in another tab is chosen here too.
    choice = {"choices": list(names), "allow_custom_value": True}
    return control(name, value, prefix, **choice | otherwise)


def seed_row(request: Request, prefix: str, *names: str, hidden: Sequence[str] = ()):
    """Lay out a row of numbers, the seed among them, and the button that rolls it; returns the
    numbers, by field, and the button."""
    with gr.Row(elem_classes="seed"):
        visibilities = {name: "hidden" if name in hidden else True for name in names}
        numbers = {
            name: control(name, getattr(request, name), prefix, visible=visible)
            for name, visible in visibilities.items()
        }
        return numbers, gr.Button("Roll", elem_id=f"{prefix}-roll", min_width=60)
