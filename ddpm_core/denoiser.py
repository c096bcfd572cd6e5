"""A denoiser: a function of (x, t) that returns eps, or a ``Prediction``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .diffusion import check_shape, eps_from_x0
from .schedules import Schedule


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


def predict(denoiser: Denoiser, x: Tensor, t: int) -> Prediction:
    """The prediction of either kind of denoiser for ``x`` at ``t``.

    Raises:
        InvalidInput: for a prediction of another shape, which would be broadcast unseen.
    """
    output = denoiser(x, t)
    prediction = output if isinstance(output, Prediction) else Prediction(output)
    check_shape(prediction.eps, x)
    return prediction


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
