"""The controls of the Guidance tab, and the run that they spell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gradio as gr

from ddpm_core import InvalidInput, Model, Request
from ddpm_core.errors import check_float, check_int
from ddpm_core.guidance import GUIDANCE
from ddpm_core.guides import classifier_for, roles_for

from ...runs.limits import fitted
from ...runs.runs import Key, Studio
from ...widgets.applicable.applicable import Applicable
from ...widgets.interval.interval import Interval
from .. import hub_models
from ..request_controls import (
    FINE_PRINT,
    LAMBDA_MAX,
    S_MAX,
    TERMS,
    Chips,
    control,
    fine_print,
    model_picker,
    seed_row,
    variances,
)
from ..run_controls import Controls, text, to_classes

METHODS = {"cfg": "classifier-free", "classifier": "classifier", "both": "both"}
KINDS = {"classifier-noisy": "knows the noise", "classifier": "clean images only"}
# The control of each method's scale.
SLIDERS = {"cfg": "s", "classifier-noisy": "lam", "classifier": "clean_lam"}
S_STRIP = (0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10)
S_ATLAS = (0, 1, 2, 3, 5, 7, 10)
PARTS_STRIP = (0, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1)
PARTS_ATLAS = (0, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
COUNTS = [("one", "1"), ("a row of eight", "8")]
DEFAULT = Request(n=8, label=3, steps=50, guidance="cfg")


@dataclass
class Steering(Controls):
    """The components of the column: ``applies`` tells which of them apply, ``measured`` which of
    two methods the tools show."""

    applies: Applicable | None = None
    measured: gr.Radio | None = None

    def updates(self, key: Key, studio: Studio) -> dict:
        """Set every control to a run."""
        request, values = key.request, spelled(key)
        model = studio.model(key.model)
        # Send a slider's value alone: with another property, before the tab was ever opened, it
        # would be lost.
        counts = COUNTS + [(values["n"], values["n"])] * (values["n"] not in ("1", "8"))
        values["model"] = hub_models.pick(key.model, hub_models.offered(studio))
        values["n"] = gr.update(choices=counts, value=values["n"])
        chips, label = classes(model), str(request.label)
        chips += [(label, label)] * (label not in [value for _, value in chips])
        values["label"] = gr.update(choices=chips, value=label)
        values["mix"] = gr.update(choices=to_classes(chips), value=values["mix"])
        values["variance"] = gr.update(choices=variances(model), value=values["variance"])
        updates = {self.parts[name]: value for name, value in values.items()}
        return updates | self.fitted(model, values["method"], values["kind"])

    def fitted(self, model: Model, method: str, kind: str) -> dict:
        """Updates that offer what applies to a model and a method."""
        methods, kinds = methods_for(model), kinds_for(model)
        method = method if method in methods else next(iter(methods), None)
        kind = kind if kind in kinds else next(iter(kinds), None)
        return {
            self.parts["method"]: gr.update(
                choices=[(METHODS[m], m) for m in methods], value=method
            ),
            self.parts["kind"]: gr.update(choices=[(KINDS[k], k) for k in kinds], value=kind),
            self.applies: " ".join(applicable(model, method, kind)),
        }


NAMES = (
    *("model", "label", "method", "s", "lam", "clean_lam", "n", "interval", "kind", "form", "at"),
    *("rescale", "profile", "mix", "share", "toward", "sampler", "steps", "seed", "first"),
    *FINE_PRINT,
)


def applicable(model: Model, method: str, kind: str) -> list[str]:
    """The names of what applies; layout.css hides the controls that need another."""
    methods, kinds = methods_for(model), kinds_for(model)
    classifier = "classifier" in methods and method in ("classifier", "both")
    clean = kind == "classifier"
    conditions = {
        "guided": bool(methods),
        "methods": len(methods) > 1,
        "free": "cfg" in methods and method in ("cfg", "both"),
        "classifier": classifier,
        "kinds": classifier and len(kinds) > 1,
        "clean": classifier and clean,
        "noisy": classifier and not clean,
        "both": method == "both",
    }
    return [name for name, applies in conditions.items() if applies]


def read(values) -> Key:
    """Turn the values of the controls, in the order of ``NAMES``, into a run."""
    v = dict(zip(NAMES, values, strict=True))
    low, high = v["interval"]
    plain = ("label", "profile", "share", "sampler", "steps", "seed", "first", *FINE_PRINT)
    typed = {name: str(v[name] or "") for name in ("n", "mix", "toward")}
    base = Request(**{name: v[name] for name in plain}).with_texts(typed)
    rows = []
    if v["method"] in ("cfg", "both"):
        rows.append(replace(base, guidance="cfg", guidance_scale=v["s"], rescale=v["rescale"]))
    if v["method"] in ("classifier", "both"):
        clean = v["kind"] == "classifier"
        options = {"guidance": v["kind"], "form": v["form"], "at": v["at"] if clean else "x"}
        rows.append(replace(base, guidance_scale=v["clean_lam" if clean else "lam"], **options))
    rows = rows or [base]
    if (low, high) != (0, WHOLE):
        end = None if high == WHOLE else high  # of a model, however many timesteps it has
        within = [replace(row, t_low=low, t_high=end) for row in rows]
        # Alone, a method is shown beside itself without the interval.
        rows = rows + within if len(rows) == 1 else within
    return Key(v["model"], rows[0], tuple(rows[1:]))


def one(key: Key, measured: str) -> Request:
    """The request whose scales the tools show, if two methods stand side by side. Beside a method
    without its interval, the one that keeps to it."""
    matching = [r for r in key.requests if (r.guidance == "cfg") == (measured == "cfg")]
    return (matching or key.requests)[-1]


WHOLE = 999


def spelled(key: Key) -> dict:
    """The value of every control that spells a run, or comes nearest to it."""
    key = key.trunk
    request, last = key.request, key.requests[-1]
    end = last.t_high
    kinds = [r.guidance for r in key.requests]
    classifier = next((r for r in key.requests if r.guidance in KINDS), None)
    free = next((r for r in key.requests if r.guidance == "cfg"), None)
    method = "both" if free and classifier else "classifier" if classifier else "cfg"
    kind = next((k for k in kinds if k in KINDS), "classifier-noisy")
    about = {name: getattr(request, name) for name in NAMES if hasattr(request, name)}
    return about | {
        "model": key.model,
        "label": str(request.label),
        "method": method,
        "s": _slider_value(free, "cfg", S_MAX),
        "lam": _slider_value(classifier, "classifier-noisy", LAMBDA_MAX["classifier-noisy"]),
        "clean_lam": _slider_value(classifier, "classifier", LAMBDA_MAX["classifier"]),
        "n": str(request.n),
        "interval": (min(last.t_low, WHOLE), WHOLE if end is None else min(end, WHOLE)),
        "kind": kind,
        "form": classifier.form if classifier else "scaled",
        "at": classifier.at if classifier else "x",
        "rescale": free.rescale if free else 0.0,
        "mix": text(request.mix),
        "toward": text(request.toward),
    }


def check(key: Key) -> None:
    """Refuse what is beyond the ends of the controls: they could not show it.

    Raises:
        InvalidInput: saying how far they go.
    """
    if any(request.fault != "none" for request in key.requests):
        raise InvalidInput("this tab puts no error back; 'Break it' of the Reverse tab does")
    rows = key.requests if key.branch_at is None else [key.request]
    for request in rows:
        if request.guidance_scale is not None:
            top = LAMBDA_MAX.get(request.guidance, S_MAX)
            check_float("guidance_scale, on this page,", request.guidance_scale, 0, top)
        if request.guidance != "none":
            check_int("t_low, on this page,", request.t_low, 0, WHOLE)
            end = WHOLE if request.t_high is None else request.t_high
            check_int("t_high, on this page,", end, 0, WHOLE)


def _slider_value(request: Request | None, method: str, top: float) -> float:
    """The value of a slider; ``check`` refuses what is beyond its ends."""
    if request is None or request.guidance != method:
        return GUIDANCE[method].default
    return min(max(request.guidance_scale, 0.0), top)


def methods_for(model: Model) -> list[str]:
    """The methods that can guide a model, of ``METHODS``."""
    free = bool(model.classes) and model.unet.null_index is not None
    methods = (["cfg"] if free else []) + (["classifier"] if kinds_for(model) else [])
    return [*methods, "both"] if len(methods) == 2 else methods


def kinds_for(model: Model) -> list[str]:
    """The classifiers that can guide a model, of ``KINDS``."""
    return [role for role in KINDS if role in roles_for(model)]


def classes(model: Model) -> list[tuple[str, str]]:
    """The classes that a model can be steered to, as (name, value)."""
    names = model.classes
    if not names and kinds_for(model):
        names = classifier_for(model, kinds_for(model)[0]).classes
    return [(name, str(i)) for i, name in enumerate(names)] or [("none", "none")]


def default_for(model: Model) -> Request:
    """The request that the tab runs unasked, as far as this model can be guided."""
    methods = methods_for(model)
    default = DEFAULT.as_meant(model)
    if not methods:
        default = replace(default, guidance="none", label=0 if model.classes else "none")
    elif methods[0] != "cfg":
        default = replace(default, guidance=kinds_for(model)[0], guidance_scale=None)
    return fitted(model, default)


def scales(request: Request, atlas: bool = False) -> list[float]:
    """The scales of a film strip, or of an atlas, for a request's method."""
    if request.guidance == "cfg":
        return [float(s) for s in (S_ATLAS if atlas else S_STRIP)]
    top = LAMBDA_MAX.get(request.guidance, 1.0)
    return [round(top * part, 2) for part in (PARTS_ATLAS if atlas else PARTS_STRIP)]


def build(studio: Studio, prefix: str) -> Steering:
    """Lay the controls out; ``prefix`` is for element ids, so that tabs do not clash."""
    model = studio.model(studio.names()[0])
    default = default_for(model)
    start = spelled(Key(model.name, default))
    offered = {
        "label": classes(model),
        "method": [(METHODS[m], m) for m in methods_for(model)],
        "kind": [(KINDS[k], k) for k in kinds_for(model)],
        "mix": to_classes(classes(model)),
    }
    parts: dict = {}

    def lay_out(name: str, **otherwise) -> None:
        if name in offered:
            otherwise["choices"] = offered[name]
        parts[name] = control(name, start[name], prefix, **otherwise)

    with gr.Column(elem_classes="controls", elem_id=f"{prefix}-controls"):
        names = " ".join(applicable(model, start["method"], start["kind"]))
        applies = Applicable(names, visible="hidden")
        with gr.Row(elem_classes="actions"):
            run = gr.Button("Guide", variant="primary", elem_id=f"{prefix}-run")
            stop = gr.Button("Stop", elem_id=f"{prefix}-stop")
        lay_out("label")
        lay_out("method")
        measured = gr.Radio(
            [(METHODS[m], m) for m in ("cfg", "classifier")],
            value="cfg",
            label="Strip, atlas and plot show",
            elem_id=f"{prefix}-measured",
            elem_classes=TERMS,
        )
        for name in SLIDERS.values():
            lay_out(name)
        parts["n"] = Chips(
            COUNTS,
            value=start["n"],
            label="Images",
            elem_id=f"{prefix}-n",
            elem_classes="chips",
            info="they follow while a slider moves",
        )
        parts["interval"] = Interval(
            "Guidance acts",
            maximum=WHOLE,
            first=1,  # as the stage counts, the clean image being 0
            elem_id=f"{prefix}-interval",
        )
        numbers, roll = seed_row(default, prefix, "seed", "first")
        parts["model"] = model_picker(studio.names(), prefix, choices=hub_models.offered(studio))
        hub = hub_models.build(prefix)
        with gr.Accordion("How it is guided", open=False):
            for name in ("kind", "form", "at", "rescale", "profile", "mix", "share", "toward"):
                lay_out(name)
        with gr.Accordion("Fine print", open=False):
            lay_out("sampler", info="once the slider rests")
            lay_out("steps", info="fewer while it moves")
            parts |= numbers | fine_print(default, prefix)
    parts = {name: parts[name] for name in NAMES}
    return Steering(parts, roll, run, stop, hub, applies, measured)
