"""Guidance: a denoiser in, a denoiser out.

Every wrapper adds to ``extras`` what it did, all with the batch first:

- ``uncond``: the eps it started from, of no class;
- ``cond``: classifier-free only, the eps that knows the class;
- ``push``: what guidance added, so that ``eps = uncond + push``;
- ``gradient``: classifier only, of ln p(y | x_t) with respect to x_t;
- ``strength``: (B,), the s or λ in effect at this step;
- ``eps_norm``, ``push_norm``, ``cosine``: (B,), the norms of ``uncond`` and ``push`` and the
  cosine of the angle between the two (0 where there is no push).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .denoiser import Denoiser, Prediction, evaluations, predict
from .diffusion import x0_from_eps
from .errors import InvalidInput, check_choice, check_float, check_int
from .guides import classifier_for
from .model import Label, Model
from .schedules import Schedule

FORMS = ("plain", "scaled")
SITES = ("x", "x0", "x0-through")
PROFILES = ("constant", "early", "late")
MAX_SCALE = 10_000.0
# Up to so many images one call on both halves of classifier-free guidance beats two calls.
JOINT_UP_TO = 8


LogProbs = Callable[[Tensor, float], Tensor]


class Strength:
    """s(t) or λ(t), for each image.

    Args:
        scale: (B,), the full strength; at ``neutral`` guidance does nothing.
        low, high: guidance acts where ``low <= t <= high`` and rests elsewhere.
        profile: ``"constant"``; ``"early"``, in proportion to t; ``"late"``, to T - 1 - t.
    """

    def __init__(self, scale, neutral, num_timesteps, low=0, high=None, profile="constant"):
        last = num_timesteps - 1
        self.scale = torch.as_tensor(scale, dtype=torch.float32)
        self.neutral, self.last = float(neutral), last
        self.low = check_int("t_low", low, 0, last)
        self.high = check_int("t_high", last if high is None else high, 0, last)
        self.profile = check_choice("profile", profile, PROFILES)
        if self.low > self.high:
            raise InvalidInput(f"t_low = {self.low} lies above t_high = {self.high}")
        for value in self.scale.flatten().tolist():
            check_float("guidance scale", value, -MAX_SCALE, MAX_SCALE)

    def __call__(self, t: int) -> Tensor:
        share = t / self.last if self.last else 1.0
        course = {"constant": 1.0, "early": share, "late": 1 - share}[self.profile]
        if not self.low <= t <= self.high:
            course = 0.0
        return self.neutral + (self.scale - self.neutral) * course


class ClassifierFree:
    """Classifier-free guidance (Ho and Salimans 2022, eq. 6), in the scale s = w + 1:
    ``eps = uncond + s (cond - uncond)``; 0 is unconditional, 1 conditional (report eq. 14).

    Args:
        strength: ``t -> (B,)``, s.
        rescale: from 0 to 1, how far the result takes over the standard deviation of ``cond``,
            both as velocities, whatever the network predicts (Lin et al. 2023, section 3.4): near
            T, where the brightness of the image is decided, every eps has the spread of x.
        joint: both denoisers in one batch, conditional first: cheaper where B is small.
        complete: evaluate both even where one of them is the result.
    """

    def __init__(
        self,
        conditional: Denoiser,
        unconditional: Denoiser,
        strength: Callable[[int], Tensor],
        schedule: Schedule,
        rescale: float = 0.0,
        joint: Denoiser | None = None,
        complete: bool = True,
    ):
        self.conditional, self.unconditional, self.joint = conditional, unconditional, joint
        self.strength, self.schedule, self.complete = strength, schedule, complete
        self.rescale = check_float("rescale", rescale, 0, 1)

    def __call__(self, x: Tensor, t: int) -> Prediction:
        strength = self.strength(t)
        only, s = self._result(strength), strength.to(x.device, x.dtype)
        if only is not None and not self.complete:
            return predict(only, x, t)
        if self.joint is not None and only is None:
            both = predict(self.joint, torch.cat([x, x]), t)
            cond, uncond = both.eps.chunk(2)
            extras = {name: value.chunk(2)[0] for name, value in both.extras.items()}
        else:  # where one of them is the result, as it would be alone: to the last bit
            first, second = (predict(d, x, t) for d in (self.conditional, self.unconditional))
            cond, uncond, extras = first.eps, second.eps, first.extras
        # uncond + s (cond - uncond), but exact at s = 0 and s = 1.
        guided = torch.lerp(uncond, cond, _wide(s, x))
        if self.rescale:
            # eps less this is v, but for a factor: eps power = alpha v + sigma x.
            of_x = self.schedule.sigma(t) / self.schedule.power(t) * x
            ratio = _std(cond - of_x) / _std(guided - of_x).clamp_min(1e-12)
            # What is added is exactly nothing where the two spreads are one.
            guided = guided + self.rescale * (ratio - 1) * (guided - of_x)
        account = _account(uncond, guided - uncond, s)
        return Prediction(guided, {**extras, "cond": cond} | account)

    def evaluations(self, t: int) -> int:
        return 2 if self.complete or self._result(self.strength(t)) is None else 1

    def _result(self, s: Tensor) -> Denoiser | None:
        """The one denoiser whose answer is the result at this strength, if there is one."""
        if bool((s == 1).all()):
            return self.conditional
        if bool((s == 0).all()) and not self.rescale:
            return self.unconditional
        return None


class ClassifierGuided:
    """Classifier guidance: the gradient of a classifier pushes eps towards a class.

    ``"plain"`` is the report's eq. 11, ``eps - λ ∇ ln p(y | x_t)``. ``"scaled"`` has the factor
    sigma(t) that turns a score into an eps (Dhariwal and Nichol 2021, Algorithm 2): without it the
    push is too strong for small t, where little noise is left. λ acts per image.

    Args:
        log_probs: ``(x, alphas_cumprod) -> (B, K)``, differentiable in x.
        targets: (B, K), the wanted class or classes, in proportion; rows sum to 1.
        strength: ``t -> (B,)``, λ.
        at: where the classifier looks: ``"x"``, the noisy state; ``"x0"``, the predicted clean
            image with eps held constant; ``"x0-through"``, the same, differentiated through
            the denoiser.
        clip: whether the sampler clamps x̂0; the classifier then sees it clamped too.
        complete: evaluate the classifier even where λ = 0.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        log_probs: LogProbs,
        targets: Tensor,
        strength: Callable[[int], Tensor],
        schedule: Schedule,
        form: str = "scaled",
        at: str = "x",
        clip: bool = True,
        complete: bool = True,
    ):
        self.denoiser, self.log_probs, self.targets = denoiser, log_probs, targets
        self.strength, self.schedule = strength, schedule
        self.form = check_choice("form of classifier guidance", form, FORMS)
        self.at = check_choice("place of the classifier", at, SITES)
        self.clip, self.complete = clip, complete

    def __call__(self, x: Tensor, t: int) -> Prediction:
        strength = self.strength(t)
        if not self.complete and bool((strength == 0).all()):
            return predict(self.denoiser, x, t)
        strength = strength.to(x.device, x.dtype)
        prediction, gradient = self._differentiate(x, t)
        factor = self.schedule.sigma(t) if self.form == "scaled" else 1.0
        push = -_wide(strength, x) * factor * gradient
        account = _account(prediction.eps, push, strength)
        extras = {**prediction.extras, "gradient": gradient} | account
        return Prediction(prediction.eps + push, extras)

    def _differentiate(self, x, t) -> tuple[Prediction, Tensor]:
        """The unguided prediction, and the gradient of ln p(y | x_t)."""
        through = self.at == "x0-through"
        prediction = None if through else predict(self.denoiser, x, t)
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            if through:
                prediction = predict(self.denoiser, x, t)
            # A classifier that knows noise knows it at a variance of 1.
            seen, abar = x / self.schedule.power(t) ** 0.5, self.schedule.abar(t)
            if self.at != "x":
                seen, abar = x0_from_eps(self.schedule, x, t, prediction.eps), 1.0
                seen = seen.clamp(-1, 1) if self.clip else seen
            # The sum, not the mean: a mean would divide λ by the number of images.
            wanted = (self.log_probs(seen, abar) * self.targets).sum()
            (gradient,) = torch.autograd.grad(wanted, x)
        extras = {name: value.detach() for name, value in prediction.extras.items()}
        return Prediction(prediction.eps.detach(), extras), gradient


class SideBySide:
    """Several denoisers as one, each for its own part of the batch: (denoiser, images) in order.
    An entry of ``extras`` that only some of them have is NaN for the others."""

    def __init__(self, parts: Sequence[tuple[Denoiser, int]]):
        self.parts = list(parts)

    def __call__(self, x: Tensor, t: int) -> Prediction:
        denoisers, counts = zip(*self.parts, strict=True)
        parts = zip(denoisers, x.split(counts), strict=True)
        predictions = [predict(denoiser, part, t) for denoiser, part in parts]
        shapes = {name: v.shape[1:] for p in predictions for name, v in p.extras.items()}
        extras = {}
        for name, shape in shapes.items():
            missing = x.new_full((1, *shape), torch.nan)
            parts = [p.extras.get(name, missing.expand(len(p.eps), *shape)) for p in predictions]
            extras[name] = torch.cat(parts)
        return Prediction(torch.cat([p.eps for p in predictions]), extras)

    def evaluations(self, t: int) -> int:
        """Those for an image of the costliest part."""
        return max(evaluations(denoiser, t) for denoiser, _ in self.parts)


def _account(uncond: Tensor, push: Tensor, strength: Tensor) -> dict[str, Tensor]:
    eps_norm, push_norm = (torch.linalg.vector_norm(v.flatten(1), dim=1) for v in (uncond, push))
    inner = (uncond.flatten(1) * push.flatten(1)).sum(1)
    return {
        "uncond": uncond,
        "push": push,
        "strength": strength.expand(len(push)),
        "eps_norm": eps_norm,
        "push_norm": push_norm,
        "cosine": inner / (eps_norm * push_norm).clamp_min(1e-12),
    }


def _std(x: Tensor) -> Tensor:
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)


def _wide(per_image: Tensor, x: Tensor) -> Tensor:
    return per_image.view(-1, *[1] * (x.ndim - 1))


@dataclass(frozen=True)
class Aim:
    """What a run gives a guidance, for images of one batch.

    Attributes:
        model: the one to guide.
        denoiser: it, as ``labels -> Denoiser``, in the run's precision; None is no class.
        labels: of each image, where it is steered.
        strength: ``t -> (B,)``, s or λ.
        schedule: the one that the walk goes by.
        clip: whether the sampler clamps x̂0.
        complete: evaluate whatever guidance compares, even where it needs only a part.
    """

    model: Model
    denoiser: Callable[[Sequence[Label]], Denoiser]
    labels: list[Label]
    strength: Callable[[int], Tensor]
    schedule: Schedule
    clip: bool
    complete: bool


def _classifier_free(aim: Aim, rescale: float) -> Denoiser:
    labels, nothing = aim.labels, [None] * len(aim.labels)
    return ClassifierFree(
        aim.denoiser(labels),
        aim.denoiser(nothing),
        aim.strength,
        aim.schedule,
        rescale,
        aim.denoiser(labels + nothing) if len(labels) <= JOINT_UP_TO else None,
        aim.complete,
    )


def _by_classifier(role: str, aim: Aim, form: str, at: str = "x") -> Denoiser:
    guide = classifier_for(aim.model, role)
    targets = torch.zeros(len(aim.labels), len(guide.classes))
    for row, label in zip(targets, aim.labels, strict=True):
        for number, share in (label if isinstance(label, dict) else {label: 1.0}).items():
            row[number] = share
    # A model of classes that has no null class is guided from where it stands.
    ignorant = not aim.model.classes or aim.model.unet.null_index is not None
    return ClassifierGuided(
        aim.denoiser([None] * len(aim.labels) if ignorant else aim.labels),
        guide.log_probs,
        targets.to(aim.model.device),
        aim.strength,
        aim.schedule,
        form,
        at,
        aim.clip,
        aim.complete,
    )


@dataclass(frozen=True)
class Guidance:
    """An entry of ``GUIDANCE``.

    Attributes:
        label: what people call it.
        guide: makes the denoiser, of an ``Aim`` and its own options by name.
        symbol: of its scale.
        neutral: the scale at which it does nothing.
        default: the scale taken where none is given; measured, see docs/guidance.md.
        options: the fields of a request that only guidance reads, ``OVER_TIME`` for its strength.
        null_class: whether the model needs one.
        classifier: whether a classifier guides.
        cost: of a step, in evaluations of the network.
    """

    label: str
    guide: Callable[..., Denoiser] | None = None
    symbol: str = ""
    neutral: float = 0.0
    default: float | None = None
    options: tuple[str, ...] = ()
    null_class: bool = False
    classifier: bool = False
    cost: int = 1


OVER_TIME = ("t_low", "t_high", "profile")
BY_CLASSIFIER = {"symbol": "λ", "classifier": True, "cost": 2}
GUIDANCE = {
    "none": Guidance("no guidance"),
    # s = 1 is the conditional model itself (report eq. 14).
    "cfg": Guidance(
        "classifier-free",
        _classifier_free,
        "s",
        1.0,
        2.0,
        (*OVER_TIME, "rescale"),
        null_class=True,
        cost=2,
    ),
    "classifier": Guidance(
        "clean classifier",
        partial(_by_classifier, "classifier"),
        default=17.0,
        options=(*OVER_TIME, "form", "at"),
        **BY_CLASSIFIER,
    ),
    "classifier-noisy": Guidance(
        "noise-aware classifier",
        partial(_by_classifier, "classifier-noisy"),
        default=5.0,
        options=(*OVER_TIME, "form"),
        **BY_CLASSIFIER,
    ),
}
