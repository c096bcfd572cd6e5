"""A denoiser: a function of (x, t) that returns eps, or a ``Prediction``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .diffusion import PREDICTION_TYPES, eps_from_x0
from .errors import InvalidInput
from .fast import Prepared
from .schedules import Schedule

# Below this timestep a rounding error of eps is magnified most in the picture that is kept.
FULL_PRECISION_BELOW = 20
# A predicted eps becomes a clean image by this factor, sigma / alpha; so does its error.
LARGEST_FACTOR = 6.0


@dataclass(frozen=True)
class Prediction:
    """What a denoiser knows about ``x`` at ``t``.

    Attributes:
        eps: (B, ...), the predicted noise.
        extras: whatever else it knows, by name: ``uncond``, ``cond`` and ``push`` from
            guidance; ``variance`` from a network that learned it, the share of ln beta_t in
            the logarithm of its variance, see ``samplers.SHARES``; all (B, ...).
    """

    eps: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)


# A bare tensor is eps; ``predict`` asks either kind.
Denoiser = Callable[[Tensor, int], Prediction | Tensor]
# From a network, x (B, C, H, W), t (B,) and labels or None to the network's output.
Evaluate = Callable[[torch.nn.Module, Tensor, Tensor, Tensor | None], Tensor]


def predict(denoiser: Denoiser, x: Tensor, t: int) -> Prediction:
    """The prediction of either kind of denoiser for ``x`` at ``t``."""
    output = denoiser(x, t)
    return output if isinstance(output, Prediction) else Prediction(output)


def evaluations(denoiser: Denoiser, t: int) -> int:
    """How often a denoiser evaluates its network for an image at ``t``: once, unless it has a
    method of this name."""
    count = getattr(denoiser, "evaluations", None)
    return count(t) if count else 1


class PartlyKnown:
    """A denoiser of images of which a part is known, and the rest is to be filled in.

    For the known part it predicts the noise that leads to it. There every sampler walks the
    forward process backwards, with its own noise, and arrives at what is known.

    Args:
        denoiser: predicts the rest; it sees the known part, noised as x is.
        x0: (B, ...) or (1, ...), the images, in [-1, 1].
        known: bool, broadcast against them: true where they are known.
    """

    def __init__(self, denoiser: Denoiser, schedule: Schedule, x0: Tensor, known: Tensor):
        self.denoiser, self.schedule, self.x0, self.known = denoiser, schedule, x0, known

    def __call__(self, x: Tensor, t: int) -> Prediction:
        rest = predict(self.denoiser, x, t)
        eps = eps_from_x0(self.schedule, x, t, self.x0.to(x))
        return Prediction(torch.where(self.known.to(x.device), eps, rest.eps), rest.extras)

    def evaluations(self, t: int) -> int:
        return evaluations(self.denoiser, t)


class ModelDenoiser:
    """A trained UNet as a denoiser, with its labels bound.

    Args:
        prepared: the frozen copies of the network, with float32 weights.
        prediction_type: a key of ``PREDICTION_TYPES``; turned into eps here.
        labels: (B,) class indices, (B, classes) proportions, or None.
        reduced: use the copy in bfloat16 for ``t >= 20`` (if the network predicts the noise: only
            where enough of the image is left), and float32 elsewhere; else float32 everywhere.
        evaluate: evaluates the network: a plain call, or ``Engine.evaluate``.
    """

    def __init__(
        self,
        prepared: Prepared,
        schedule: Schedule,
        prediction_type,
        labels=None,
        reduced: bool = False,
        evaluate: Evaluate = torch.nn.Module.__call__,
    ):
        self.prepared, self.reduced, self.evaluate = prepared, reduced, evaluate
        self.schedule, self.prediction_type, self.labels = schedule, prediction_type, labels

    def __call__(self, x: Tensor, t: int) -> Prediction:
        unet = self.prepared.network(self.reduced and self.bears(t))
        weights = unet.conv_in.weight
        if self.labels is not None and len(self.labels) != len(x):
            raise InvalidInput(f"{len(self.labels)} labels for {len(x)} images")
        steps = torch.full((len(x),), t, dtype=torch.long, device=x.device)
        output = self.evaluate(unet, x.to(weights.dtype), steps, self.labels).to(x.dtype)
        output, *share = output.split(x.shape[1], dim=1)
        eps = PREDICTION_TYPES[self.prediction_type].eps(self.schedule, x, t, output)
        # From -1 to 1 in the network, as diffusers' ``learned_range`` has it.
        return Prediction(eps, {"variance": (share[0] + 1) / 2} if share else {})

    def bears(self, t: int) -> bool:
        """Whether rounding to the shorter dtype at ``t`` leaves the picture as it is."""
        factor = self.schedule.sigma(t) / self.schedule.alpha(t)
        faint = self.prediction_type == "epsilon" and factor > LARGEST_FACTOR
        return t >= FULL_PRECISION_BELOW and not faint
