"""The forward process, the conversions between x0, eps and v, and the training loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .errors import InvalidInput, check_choice
from .schedules import Schedule


def at(table: np.ndarray | Tensor, t: int | Tensor, x: Tensor) -> Tensor:
    """Look ``t`` up in a table, (T,), shaped to multiply ``x`` of shape (B, ...).

    Args:
        t: one timestep for the whole batch, or (B,) of them; each in [0, T).
    """
    t = torch.as_tensor(t)
    # What lies on another device is not looked at here: that would wait for the device.
    in_sight = t.device.type == "cpu" and t.numel()
    if in_sight and not (int(t.min()) >= 0 and int(t.max()) < len(table)):
        raise InvalidInput(f"t must be between 0 and {len(table) - 1}")
    values = torch.as_tensor(table).to(x.dtype).to(x.device)[t.to(x.device)]
    return values.view(-1, *[1] * (x.ndim - 1))


def q_step(schedule: Schedule, x_prev: Tensor, t: int | Tensor, noise: Tensor) -> Tensor:
    """One step of the forward process (report eq. 2, 3): x_{t-1} to x_t."""
    return (
        at(np.sqrt(schedule.alphas), t, x_prev) * x_prev
        + at(np.sqrt(schedule.betas), t, x_prev) * noise
    )


def q_sample(schedule: Schedule, x0: Tensor, t: int | Tensor, noise: Tensor) -> Tensor:
    """The forward process in closed form (report eq. 4, 5): x_0 to x_t."""
    signal, sigma = signal_and_noise(schedule, t, x0)
    return signal * x0 + sigma * noise


def q_between(schedule: Schedule, x: Tensor, before: int, t: int, noise: Tensor) -> Tensor:
    """The forward process from ``before``, -1 for the clean image, to a later timestep."""
    kept = schedule.alpha(t) / schedule.alpha(before)
    return kept * x + (schedule.sigma(t) ** 2 - (kept * schedule.sigma(before)) ** 2) ** 0.5 * noise


def check_images(x0: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``x0`` if it can be noised by noise of ``shape``, (B, ...): finite, float32 or
    float64, and of this shape or a single one, (1, ...), which then stands for all B."""
    if not isinstance(x0, Tensor) or x0.dtype not in (torch.float32, torch.float64):
        raise InvalidInput("images must be a float32 or float64 tensor with values in [-1, 1]")
    if tuple(x0.shape) not in (tuple(shape), (1, *shape[1:])):
        raise InvalidInput(f"images of shape {tuple(x0.shape)} do not fit noise of {tuple(shape)}")
    if not torch.isfinite(x0).all():
        raise InvalidInput("images must be finite")
    return x0


def check_shape(output: Tensor, x: Tensor) -> None:
    """Refuse what a denoiser predicted for ``x`` if it is of another shape."""
    if output.shape != x.shape:
        shapes = f"{tuple(output.shape)} for x of {tuple(x.shape)}"
        raise InvalidInput(f"the denoiser predicted {shapes}: both must be of one shape")


def signal_and_noise(schedule: Schedule, t: int | Tensor, x: Tensor):
    """alpha and sigma at ``t``, to multiply ``x`` by: tensors, or numbers where ``t`` is one, of
    which a sampler asks several times a step.
    """
    if isinstance(t, int):
        if not 0 <= t < schedule.num_timesteps:
            raise InvalidInput(f"t must be between 0 and {schedule.num_timesteps - 1}")
        return schedule.alpha(t), schedule.sigma(t)
    return at(schedule.signals, t, x), at(schedule.sigmas, t, x)


def x0_from_eps(schedule: Schedule, x: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """Solve eq. 4 for the clean image."""
    signal, sigma = signal_and_noise(schedule, t, x)
    return (x - sigma * eps) / signal


def eps_from_x0(schedule: Schedule, x: Tensor, t: int | Tensor, x0: Tensor) -> Tensor:
    """Solve eq. 4 for the noise."""
    signal, sigma = signal_and_noise(schedule, t, x)
    return (x - signal * x0) / sigma


def v_from_eps(schedule: Schedule, x0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """The velocity v = alpha eps - sigma x0 (Salimans and Ho 2022, section 4)."""
    signal, sigma = signal_and_noise(schedule, t, x0)
    return signal * eps - sigma * x0


def eps_from_v(schedule: Schedule, x: Tensor, t: int | Tensor, v: Tensor) -> Tensor:
    """The noise that a predicted velocity implies; well behaved at every t."""
    signal, sigma = signal_and_noise(schedule, t, x)
    return (signal * v + sigma * x) / (signal**2 + sigma**2)


def flow_from_eps(schedule: Schedule, x0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """The velocity eps - x0 of a straight path, the same at every t (Liu et al. 2023, eq. 1)."""
    return eps - x0


def eps_from_flow(schedule: Schedule, x: Tensor, t: int | Tensor, velocity: Tensor) -> Tensor:
    """The noise that such a velocity implies; well behaved at every t, on every schedule."""
    signal, sigma = signal_and_noise(schedule, t, x)
    return (x + signal * velocity) / (signal + sigma)


@dataclass(frozen=True)
class PredictionType:
    """An entry of ``PREDICTION_TYPES``.

    Attributes:
        says: what the network says, in words.
        symbol: of it.
        target: from (schedule, x0, t, eps) to what it is to say.
        eps: from (schedule, x_t, t, what it says) to the noise.
    """

    says: str
    symbol: str
    target: Callable[[Schedule, Tensor, int | Tensor, Tensor], Tensor]
    eps: Callable[[Schedule, Tensor, int | Tensor, Tensor], Tensor]


def _the_noise(schedule: Schedule, x: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    return eps


PREDICTION_TYPES = {
    "epsilon": PredictionType("the noise", "ε", _the_noise, _the_noise),
    "v_prediction": PredictionType("v", "v", v_from_eps, eps_from_v),
    "flow_prediction": PredictionType("the velocity u = ε − x₀", "u", flow_from_eps, eps_from_flow),
}


def denoising_loss(
    model,
    schedule: Schedule,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    labels: Tensor | None = None,
    prediction_type: str = "epsilon",
) -> Tensor:
    """L_simple (report eq. 10), one value per image; or the same squared error of another
    prediction: with ``"flow_prediction"`` flow matching.

    Args:
        model: called as ``model(x_t, t, labels)``; the variance that it may predict after the
            image, ``variational.hybrid_loss``, has no part here.
        x0: (B, ...), images or points, in [-1, 1].
        t: (B,) timesteps in [0, T).
        noise: (B, ...), standard normal.

    Returns:
        (B,), float32, the mean over pixels; average it for the training loss.
    """
    check_choice("prediction type", prediction_type, PREDICTION_TYPES)
    target = PREDICTION_TYPES[prediction_type].target(schedule, x0, t, noise)
    output = model(q_sample(schedule, x0, t, noise), t, labels)[:, : x0.shape[1]]
    check_shape(output, x0)
    return (output.float() - target).square().flatten(1).mean(1)
