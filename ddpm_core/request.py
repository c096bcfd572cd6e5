"""What to sample: one value that the command line, links, the API and the page all spell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields

import torch
from torch import Tensor

from . import fields
from .errors import InvalidInput, check_int
from .faults import FAULTS
from .guidance import FORMS, GUIDANCE, MAX_SCALE, PROFILES, SITES
from .guides import classifier_for
from .model import DTYPES, Label, Model
from .noise import MAX_SEED, great_circle
from .samplers import SAMPLERS, VARIANCES
from .schedules import SPACINGS

MAX_IMAGES = 100_000
# Which guidance a field is of. Elsewhere it is kept and means nothing, so that whoever turns that
# guidance on again finds it as it was.
OF_GUIDANCE = {
    name: tuple(method for method, guidance in GUIDANCE.items() if name in guidance.options)
    for name in dict.fromkeys(name for entry in GUIDANCE.values() for name in entry.options)
}
# Likewise of some samplers alone.
OF_SAMPLERS = {name for sampler in SAMPLERS.values() for name in sampler.options}


@fields.documented
@dataclass(frozen=True)
class Request:
    """What to sample. Checked when made; ``for_model`` checks what depends on the model."""

    n: int = fields.whole(16, 1, MAX_IMAGES, "how many images")
    first: int = fields.whole(
        0, 0, 2**31 - 1, "number of the first image; those of a seed are numbered from 0"
    )
    label: int | str = fields.value(
        "all",
        str,
        "class for all images, its number or name; 'all' (one after another) or 'none'",
        lambda name, value: _check_class("class", value, ("all", "none")),
    )
    # More than 20 steps of DDIM gain next to nothing: see docs/findings.md (few-steps).
    sampler: str = fields.choice("ddim", SAMPLERS, "{names}")
    steps: int = fields.whole(20, 1, 10_000, "denoising steps, at most T")
    seed: int = fields.whole(0, 0, MAX_SEED, "of all noise; up to 2**53 - 1, as a browser can hold")
    spacing: str = fields.choice("linear", SPACINGS, "of the timesteps: {names}")
    eta: float = fields.number(0.0, 0, 1, "noise added by ddim, 0 to 1")
    variance: str = fields.choice("beta", VARIANCES, "of ddpm: {names}")
    clip: bool = fields.flag(True, "clamp the predicted image to [-1, 1] at every step")
    dtype: str = fields.choice("auto", DTYPES, "of the network: {names}")
    guidance: str = fields.choice("none", GUIDANCE, "{names}")
    guidance_scale: float | None = fields.number(
        None,
        -MAX_SCALE,
        MAX_SCALE,
        "s of cfg (1: the conditional model), λ per image of a classifier; None: the method's own",
    )
    form: str = fields.choice(
        "scaled",
        FORMS,
        "of classifier guidance: plain (report eq. 11) or scaled by sqrt(1 - alphas_cumprod)",
        "form of classifier guidance",
    )
    at: str = fields.choice(
        "x",
        SITES,
        "where a clean classifier looks: x, x0 (eps held constant) or x0-through (the network "
        "differentiated)",
        "place of the classifier",
    )
    rescale: float = fields.number(0.0, 0, 1, "of cfg, 0 to 1; see guidance.ClassifierFree")
    t_low: int = fields.whole(0, 0, 9_999, "guidance acts from this t, 0 the last ...")
    t_high: int | None = fields.whole(None, 0, 9_999, "... up to this one; None: T - 1")
    profile: str = fields.choice("constant", PROFILES, "of the strength over t: {names}")
    mix: int | str | None = fields.value(
        None,
        str,
        "a second class to mix in, its number or name; None: no second one",
        lambda name, value: _check_class(name, value),
    )
    share: float = fields.number(0.5, 0, 1, "of the second class")
    fault: str = fields.choice("none", FAULTS, "an error to reinsert: {names}")
    toward: int | None = fields.whole(
        None,
        0,
        MAX_SEED,
        "a second seed: the images lead from the first image's noise to that of the second seed, "
        "along the great circle, and from the class, or through all, to that of mix; None: none",
    )
    along: float | None = fields.number(
        None, 0, 1, "how far on that way every image is; None: from 0, the first, to 1, the last"
    )

    def __post_init__(self):
        if self.guidance == "none":  # so that requests for the same pictures are equal
            object.__setattr__(self, "guidance_scale", None)
        fields.check(self)
        if self.t_high is not None:
            check_int("t_high", self.t_high, self.t_low, 9_999)
        if self.guidance_scale is None:
            object.__setattr__(self, "guidance_scale", GUIDANCE[self.guidance].default)

    def with_texts(self, texts: Mapping[str, str]) -> Request:
        """This request with fields replaced by what was typed, or stands in a link.

        Other names are ignored. Empty stands for None where a field may be None.
        """
        values = {}
        for spec in [spec for spec in dataclass_fields(self) if spec.name in texts]:
            text = texts[spec.name]
            empty = spec.default is None and text in ("", "None")
            values[spec.name] = None if empty else read(spec.name, text, spec.metadata["kind"])
        if values.get("guidance", self.guidance) != self.guidance:
            # Another method's scale is not this one's.
            values.setdefault("guidance_scale", None)
        return replace(self, **values)

    def as_meant(self, model: Model) -> Request:
        """This request with the variance and clipping that the model's config names."""
        return replace(self, **model.config.sampling)

    @property
    def images(self) -> range:
        """The numbers of the images asked for."""
        return range(self.first, self.first + self.n)

    def for_model(self, model: Model, max_work: int | None = None) -> Request:
        """This request as the model can serve it.

        A model without classes turns ``"all"`` into ``"none"`` unless a classifier guides it;
        a model without a null class needs labels.

        Args:
            max_work: the most images times steps that will be computed.
        """
        request, last = self, model.schedule.num_timesteps - 1
        check_int("steps", self.steps, 1, last + 1)
        FAULTS[self.fault].check(self, model.schedule)
        if "variance" in SAMPLERS[self.sampler].options:
            model.check_variance(self.variance)
        classes = self.classes(model)
        if not classes and self.label == "all":
            request = replace(request, label="none")
        if request.guidance != "none":
            request = request._guided(model, last)
        if request.label not in ("all", "none"):
            if not classes:
                raise InvalidInput(f"{model.name} knows no classes; choose label 'none'")
            request = replace(request, label=_number(request.label, classes))
        if request.label == "none" and model.classes and model.unet.null_index is None:
            raise InvalidInput(f"{model.name} has no null class; choose a class")
        if request.mix is not None:
            if request.label == "none":
                raise InvalidInput("a second class is mixed into a first one: choose that too")
            request = replace(request, mix=_number(request.mix, classes, "mix"))
        if max_work is not None and self.work > max_work:
            guided = "" if self.guidance == "none" else ", guided,"
            raise InvalidInput(
                f"{self.n:,} images x {self.steps:,} steps{guided} are {self.work:,} denoisings, "
                f"more than the {max_work:,} done at a time; take fewer images or steps"
            )
        return request

    def _guided(self, model: Model, last: int) -> Request:
        entry = GUIDANCE[self.guidance]
        if entry.null_class and not model.classes:
            raise InvalidInput(f"{model.name} knows no classes: only a classifier can guide it")
        if entry.null_class and model.unet.null_index is None:
            raise InvalidInput(
                f"{model.name} has no null class, which {entry.label} guidance needs"
            )
        if entry.classifier:
            known = len(classifier_for(model, self.guidance).classes)
            if known < len(model.classes):
                raise InvalidInput(f"the classifier knows {known} of {len(model.classes)} classes")
        if self.label == "none" and (entry.null_class or entry.classifier):
            raise InvalidInput("guidance steers towards a class: choose one")
        low = check_int("t_low", self.t_low, 0, last)
        high = last if self.t_high is None else min(self.t_high, last)
        check_int("t_high", high, low, last)
        return replace(self, t_high=None if high == last else high)

    @property
    def work(self) -> int:
        """Denoisings asked for, or what costs as much: images times evaluations of the network."""
        guidance = GUIDANCE[self.guidance]
        through = "at" in guidance.options and self.at == "x0-through"
        cost = guidance.cost * (2 if through else 1)
        return self.n * SAMPLERS[self.sampler].calls(self.steps) * cost

    def classes(self, model: Model) -> list[str]:
        """The names of the classes that a label may mean: the model's, or its guide's."""
        if not model.classes and GUIDANCE[self.guidance].classifier:
            return classifier_for(model, self.guidance).classes
        return model.classes

    def places(self, images: Sequence[int]) -> list[float]:
        """How far each of these images is on the way to the second seed, 0 to 1."""
        if self.along is not None:
            return [self.along] * len(images)
        return [(i - self.first) / max(1, self.n - 1) for i in images]

    def noise(self, model: Model, images: Sequence[int], t: int) -> Tensor:
        """The noise of each of these images at ``t``, see ``Noise``."""
        if self.toward is None:
            return model.noise(self.seed, images)(t)
        ends = [model.noise(seed, [self.first])(t) for seed in (self.seed, self.toward)]
        return great_circle(*ends, torch.tensor(self.places(images), dtype=torch.float64))

    def labels(self, model: Model, images: Sequence[int]) -> list[Label]:
        """The label of each of these images; a mixture where a second class is asked for."""
        if self.label == "none":
            return [None] * len(images)
        count = len(self.classes(model))
        if self.toward is not None:
            stops = [*range(count)] if self.label == "all" else [self.label]
            stops += [] if self.mix is None else [self.mix]
            return [between(stops, place) for place in self.places(images)]
        labels = [i % count if self.label == "all" else self.label for i in images]
        if self.mix is None or self.share == 0:
            return labels
        return [k if k == self.mix else {k: 1 - self.share, self.mix: self.share} for k in labels]


def unused(requests: Sequence[Request]) -> set[str]:
    """The fields of guidance, of samplers, of a second class and of a second seed that none of
    these looks at."""
    chosen = {request.guidance for request in requests}
    idle = {name for name, ways in OF_GUIDANCE.items() if not chosen.intersection(ways)}
    idle |= OF_SAMPLERS.difference(*(SAMPLERS[request.sampler].options for request in requests))
    mixed = any(request.mix is not None and request.toward is None for request in requests)
    led = any(request.toward is not None for request in requests)
    return idle | (set() if mixed else {"share"}) | (set() if led else {"along"})


def between(stops: Sequence[int | None], place: float) -> Label:
    """The class at a place on the way from the first of these to the last, or a mixture of two."""
    before, share = divmod(place * (len(stops) - 1), 1)
    low, high = stops[int(before)], stops[min(int(before) + 1, len(stops) - 1)]
    return low if low == high or not share else {low: 1 - share, high: share}


def main_class(label: Label) -> int | None:
    """The larger part of a mixture; any other label as it is."""
    return max(label, key=label.get) if isinstance(label, dict) else label


def read(name: str, text: str, kind: type):
    """What was typed, as a value; an error names what cannot be read."""
    try:
        if kind is bool:
            return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
        return kind(text)
    except (ValueError, KeyError):
        raise InvalidInput(f"{name} = {text[:40]!r} cannot be read") from None


def _check_class(name: str, label, others: Sequence[str] = ()) -> int | str:
    if isinstance(label, str):
        text = label.strip().lower()
        if text in others:
            return text
        if any(map(str.isalpha, text)):
            return label.strip()  # a class's name, which only a model knows
        if not re.fullmatch(r"-?[0-9]{1,9}", text):
            known = " or ".join(["a number", "a name", *map(repr, others)])
            raise InvalidInput(f"{name} must be {known}, not {label[:40]!r}")
        label = int(text)
    return check_int(name, label, 0, 10_000)


def _number(label: int | str, classes: Sequence[str], name: str = "class") -> int:
    if isinstance(label, int):
        return check_int(name, label, 0, len(classes) - 1)
    if label in classes:
        return [*classes].index(label)
    names = [name.lower() for name in classes]
    if label.lower() not in names:
        raise InvalidInput(f"no class is called {label[:40]!r}: {', '.join(classes)[:300]}")
    return names.index(label.lower())
