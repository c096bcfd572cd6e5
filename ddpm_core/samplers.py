"""Samplers: generators that walk a denoiser from noise to image, one ``Step`` at a time.

There is one loop, ``_walk``; a sampler is the rule by which it goes from one timestep to
the next. All of them take an explicit, strictly decreasing list of timesteps and end with
the clean prediction of the last one; only ``ddim_inverse`` goes the other way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .denoiser import Denoiser
from .diffusion import eps_from_x0, q_sample, x0_from_eps
from .errors import InvalidInput, check_choice, check_float, check_int
from .schedules import NoiseSchedule

VARIANCES = ("beta", "posterior")


@dataclass(frozen=True)
class Step:
    """One denoising step.

    Attributes:
        index: 1 for the first step, N for the last.
        t: the timestep at which the denoiser was evaluated.
        x: (B, C, H, W), the state *after* the step; it carries the noise of ``t_next``.
        x0: (B, C, H, W), the clean image predicted at ``t``, clipped if asked for.
        eps: (B, C, H, W), the predicted noise, consistent with ``x0``.
        t_next: the timestep the state has reached; -1 is the clean image.
        extras: what else the denoiser told (see ``Prediction``).
    """

    index: int
    t: int
    x: Tensor
    x0: Tensor
    eps: Tensor
    t_next: int
    extras: Mapping[str, Tensor]


def ddpm(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x: Tensor,
    timesteps: Sequence[int],
    noise: Callable[[int], Tensor],
    *,
    variance: str = "beta",
    clip: bool = True,
    previous: Step | None = None,
) -> Iterator[Step]:
    """Ancestral sampling (DDPM Algorithm 2), also over fewer timesteps than T.

    Args:
        denoiser: ``(x, t) -> Prediction``.
        x: (B, C, H, W), the state at ``timesteps[0]``; noise x_T for a whole run.
        timesteps: strictly decreasing, in [0, T).
        noise: ``t -> (B, C, H, W)``, standard normal; see ``Noise``.
        variance: ``"beta"``: sigma² = beta_t (report 1.2); ``"posterior"``: the variance
            of q(x_{t-1} | x_t, x_0). Both for the stride actually taken.
        clip: clamp x̂0 to [-1, 1] and re-derive eps from it.
        previous: the step before, when a run is resumed in the middle.

    Raises:
        InvalidInput: while iterating, if the state ceases to be finite.
    """
    check_choice("variance", variance, VARIANCES)

    def advance(x, x0, eps, t, t_next):
        abar, abar_next = schedule.abar(t), schedule.abar(t_next)
        alpha = abar / abar_next
        beta = 1 - alpha
        mean = (
            math.sqrt(abar_next) * beta / (1 - abar) * x0
            + math.sqrt(alpha) * (1 - abar_next) / (1 - abar) * x
        )
        if t_next < 0:
            return mean
        sigma2 = beta if variance == "beta" else beta * (1 - abar_next) / (1 - abar)
        return mean + math.sqrt(sigma2) * _like(noise(t), x)

    return _walk(denoiser, schedule, x, timesteps, advance, clip, previous)


def ddim(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x: Tensor,
    timesteps: Sequence[int],
    noise: Callable[[int], Tensor] | None = None,
    *,
    eta: float = 0.0,
    clip: bool = True,
    previous: Step | None = None,
) -> Iterator[Step]:
    """DDIM (Song et al. 2021, eq. 12): deterministic at ``eta = 0``, ancestral at 1.

    Arguments as for ``ddpm``; ``noise`` is needed for ``eta > 0`` only.
    """
    eta = check_float("eta", eta, 0, 1)
    if eta and noise is None:
        raise InvalidInput("DDIM with eta > 0 adds noise: give it a noise function")

    def advance(x, x0, eps, t, t_next):
        if t_next < 0:
            return x0
        abar, abar_next = schedule.abar(t), schedule.abar(t_next)
        sigma2 = eta**2 * (1 - abar_next) / (1 - abar) * (1 - abar / abar_next)
        x = math.sqrt(abar_next) * x0 + math.sqrt(1 - abar_next - sigma2) * eps
        return x + math.sqrt(sigma2) * _like(noise(t), x) if eta else x

    return _walk(denoiser, schedule, x, timesteps, advance, clip, previous)


def ddim_inverse(
    denoiser: Denoiser, schedule: NoiseSchedule, x: Tensor, timesteps: Sequence[int]
) -> Iterator[Step]:
    """DDIM inversion (Song et al. 2021, section 4.3): from an image up to the noise it came from.

    DDIM at ``eta = 0`` goes from t to the timestep below it with the noise predicted at t. This
    is the same step backwards, the noise predicted at t too, for want of the state there from the
    state below. Over the same timesteps DDIM therefore leads back to the image, but for an error
    in proportion to 1/N. x̂0 is never clipped: what clipping cuts off cannot be found again.

    Args:
        x: (B, C, H, W), the clean image.
        timesteps: strictly increasing, in [0, T). The higher the last, the larger the error of the
            way back, above all with the cosine schedule, which leaves almost no image at T - 1.

    Returns:
        As many steps as timesteps; each has ``t_next = t``: it ends at the timestep at which the
        denoiser was evaluated.

    Raises:
        InvalidInput: for other timesteps; while iterating, if the state ceases to be finite.
    """
    rising = check_timesteps(schedule, timesteps, rising=True)

    def advance(x, x0, eps, t, t_next):
        return q_sample(schedule, x0, t_next, eps)

    stops = list(zip([-1, *rising], rising, rising, strict=False))
    return _steps(denoiser, schedule, x, stops, advance, clip=False, previous=None)


def dpm_solver_pp(
    denoiser: Denoiser,
    schedule: NoiseSchedule,
    x: Tensor,
    timesteps: Sequence[int],
    noise: Callable[[int], Tensor] | None = None,
    *,
    clip: bool = True,
    previous: Step | None = None,
) -> Iterator[Step]:
    """DPM-Solver++(2M) (Lu et al. 2022, Algorithm 2), deterministic.

    The first and the last step are of first order. Arguments as for ``ddpm``; ``noise``
    is accepted and not used. ``previous`` restores the multistep memory of a resumed run.
    """

    def level(t):
        abar = schedule.abar(t)
        return 0.5 * (math.log(abar) - math.log1p(-abar))

    last = previous and (previous.t, previous.x0)

    def advance(x, x0, eps, t, t_next):
        nonlocal last
        before, last = last, (t, x0)
        if t_next < 0:
            return x0
        h = level(t_next) - level(t)
        direction = x0
        if before is not None:
            weight = h / (2 * (level(t) - level(before[0])))
            direction = (1 + weight) * x0 - weight * before[1]
        abar, abar_next = schedule.abar(t), schedule.abar(t_next)
        shrink = math.sqrt((1 - abar_next) / (1 - abar))
        return shrink * x - math.sqrt(abar_next) * math.expm1(-h) * direction

    return _walk(denoiser, schedule, x, timesteps, advance, clip, previous)


SAMPLERS = {"ddpm": ddpm, "ddim": ddim, "dpm_solver_pp": dpm_solver_pp}


def check_timesteps(
    schedule: NoiseSchedule, timesteps: Sequence[int], *, rising: bool = False
) -> list[int]:
    """Return the list as ints if it is a walk within the schedule: down, or up if ``rising``."""
    steps = [check_int("timestep", t, 0, schedule.num_timesteps - 1) for t in timesteps]
    if not steps or any((b <= a) if rising else (b >= a) for a, b in pairwise(steps)):
        order = "increasing" if rising else "decreasing"
        raise InvalidInput(f"timesteps must be a non-empty, strictly {order} list")
    return steps


def _walk(denoiser, schedule, x, timesteps, advance, clip, previous) -> Iterator[Step]:
    # A plain function first: bad timesteps are refused when the sampler is made, not on first use.
    falling = check_timesteps(schedule, timesteps)
    stops = list(zip(falling, falling, [*falling[1:], -1], strict=True))
    return _steps(denoiser, schedule, x, stops, advance, clip, previous)


@torch.no_grad()
def _steps(denoiser, schedule, x, stops, advance, clip, previous) -> Iterator[Step]:
    """The loop. ``stops``: for every step (the level that x is at, t, t_next)."""
    done = previous.index if previous else 0
    for index, (level, t, t_next) in enumerate(stops, start=1):
        prediction = denoiser(x, t)
        x0, eps = _clean(schedule, x, level, prediction.eps, clip)
        x = advance(x, x0, eps, t, t_next)
        if not torch.isfinite(x).all():
            raise InvalidInput(
                f"the numbers ran out of range at t = {t}; clip x̂0 or take a smaller guidance scale"
            )
        yield Step(done + index, t, x, x0, eps, t_next, prediction.extras)


def _clean(schedule, x, t, eps, clip) -> tuple[Tensor, Tensor]:
    """x̂0, and the eps that goes with it."""
    if t < 0:
        return x, eps
    x0 = x0_from_eps(schedule, x, t, eps)
    if clip:
        x0 = x0.clamp(-1, 1)
        eps = eps_from_x0(schedule, x, t, x0)
    return x0, eps


def _like(noise: Tensor, x: Tensor) -> Tensor:
    return noise.to(x.device, x.dtype)
