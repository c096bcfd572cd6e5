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

from .denoiser import Denoiser, predict
from .diffusion import eps_from_x0, q_sample, x0_from_eps
from .errors import InvalidInput, check_choice, check_float, check_int
from .schedules import Schedule

# ln variance = share * ln beta + (1 - share) * ln of the posterior's. A network that learned its
# variance predicts a share for every pixel.
SHARES = {"beta": 1.0, "posterior": 0.0, "learned": None}
VARIANCES = tuple(SHARES)


@dataclass(frozen=True)
class Step:
    """One denoising step.

    Attributes:
        index: 1 for the first step, N for the last.
        t: the timestep at which the denoiser was evaluated.
        x: (B, ...), the state *after* the step; it carries the noise of ``t_next``.
        x0: (B, ...), the clean image predicted at ``t``, clipped if asked for.
        eps: (B, ...), the predicted noise, consistent with ``x0``.
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
    schedule: Schedule,
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
        x: (B, ...), images or points, the state at ``timesteps[0]``; noise x_T for a whole run.
        timesteps: strictly decreasing, in [0, T).
        noise: ``t -> (B, ...)``, standard normal; see ``Noise``.
        variance: ``"beta"``: sigma² = beta_t (report 1.2); ``"posterior"``: the variance
            of q(x_{t-1} | x_t, x_0); ``"learned"``: where the denoiser tells, between the two
            or beyond (Nichol and Dhariwal 2021, eq. 15). All for the stride actually taken.
        clip: clamp x̂0 to [-1, 1] and re-derive eps from it.
        previous: the step before, when a run is resumed in the middle.

    Raises:
        InvalidInput: while iterating, if the state ceases to be finite, or the denoiser tells of no
            variance that was learned.
    """
    check_choice("variance", variance, VARIANCES)

    def advance(x, x0, eps, t, t_next, extras):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        alpha_next, sigma_next = schedule.alpha(t_next), schedule.sigma(t_next)
        kept = alpha / alpha_next
        beta = sigma**2 - (kept * sigma_next) ** 2
        mean = alpha_next * beta / sigma**2 * x0 + kept * (sigma_next / sigma) ** 2 * x
        if t_next < 0:
            return mean
        share = extras.get("variance") if variance == "learned" else SHARES[variance]
        if share is None:
            raise InvalidInput("this denoiser learned no variance: take beta or posterior")
        # The posterior's variance is beta (sigma_next / sigma)².
        spread = math.sqrt(beta) * (sigma_next / sigma) ** (1 - share)
        return mean + spread * noise(t).to(x)

    return _walk(denoiser, schedule, x, timesteps, advance, clip, previous)


def ddim(
    denoiser: Denoiser,
    schedule: Schedule,
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

    def advance(x, x0, eps, t, t_next, extras):
        if t_next < 0:
            return x0
        alpha_next, sigma_next = schedule.alpha(t_next), schedule.sigma(t_next)
        if not eta:
            return alpha_next * x0 + sigma_next * eps
        sigma = schedule.sigma(t)
        beta = sigma**2 - (schedule.alpha(t) / alpha_next * sigma_next) ** 2
        added2 = eta**2 * beta * (sigma_next / sigma) ** 2
        x = alpha_next * x0 + math.sqrt(max(0, sigma_next**2 - added2)) * eps
        return x + math.sqrt(added2) * noise(t).to(x)

    return _walk(denoiser, schedule, x, timesteps, advance, clip, previous)


def ddim_inverse(
    denoiser: Denoiser, schedule: Schedule, x: Tensor, timesteps: Sequence[int]
) -> Iterator[Step]:
    """DDIM inversion (Song et al. 2021, section 4.3): from an image up to the noise it came from.

    DDIM's step backwards, with the noise predicted at t, for want of the state there from the state
    below: DDIM over the same timesteps leads back to the image but for an error in proportion to
    1/N. x̂0 is never clipped: what clipping cuts off cannot be found again.

    Args:
        x: (B, ...), the clean image.
        timesteps: strictly increasing, in [0, T). The higher the last, the larger the error of the
            way back, above all with the cosine schedule, which leaves almost no image at T - 1.

    Each step has ``t_next = t``: it ends at the timestep at which the denoiser was evaluated.
    """
    rising = check_timesteps(schedule, timesteps, rising=True)

    def advance(x, x0, eps, t, t_next, extras):
        return q_sample(schedule, x0, t_next, eps)

    stops = list(zip([-1, *rising], rising, rising, strict=False))
    return _steps(denoiser, schedule, x, stops, advance, clip=False, previous=None)


def dpm_solver_pp(
    denoiser: Denoiser,
    schedule: Schedule,
    x: Tensor,
    timesteps: Sequence[int],
    noise: Callable[[int], Tensor] | None = None,
    *,
    clip: bool = True,
    previous: Step | None = None,
) -> Iterator[Step]:
    """DPM-Solver++(2M) (Lu et al. 2022, Algorithm 2), deterministic.

    The first and the last step are of first order. The step to t = 0 takes the line through the
    last two x̂0 no further than one as long as the step before it would: evenly in t it is many
    times as long in log-SNR, and there the paper's rule leads far past the image. Arguments as for
    ``ddpm``; ``noise`` is accepted and not used. ``previous`` restores the multistep memory of a
    resumed run.
    """
    last = previous and (previous.t, previous.x0)

    def advance(x, x0, eps, t, t_next, extras):
        nonlocal last
        before, last = last, (t, x0)
        if t_next < 0:
            return x0
        h = _log_ratio(schedule, t, t_next)
        direction = x0
        if before is not None:
            ratio = h / _log_ratio(schedule, before[0], t)
            weight = (min(ratio, 1) if t_next == 0 else ratio) / 2
            direction = (1 + weight) * x0 - weight * before[1]
        return _exponential_step(schedule, x, direction, t, t_next)

    return _walk(denoiser, schedule, x, timesteps, advance, clip, previous)


def heun(
    denoiser: Denoiser,
    schedule: Schedule,
    x: Tensor,
    timesteps: Sequence[int],
    noise: Callable[[int], Tensor] | None = None,
    *,
    clip: bool = True,
    previous: Step | None = None,
) -> Iterator[Step]:
    """Heun's method (Karras et al. 2022, Algorithm 1), deterministic: two evaluations a step.

    A step is tried with the x̂0 of its beginning, then made with the mean of that and the x̂0 of
    where it led; the last takes one evaluation. The steps are in log-SNR and predict the image, as
    those of DPM-Solver++: in sigma, as in the paper, the first ones are far too long for a schedule
    as the cosine one. Arguments as for ``ddpm``; ``noise`` is accepted and not used.
    """

    def advance(x, x0, eps, t, t_next, extras):
        if t_next < 0:
            return x0
        tried = _exponential_step(schedule, x, x0, t, t_next)
        eps_next = predict(denoiser, tried, t_next).eps
        x0_next, _ = _clean(schedule, tried, t_next, eps_next, clip)
        return _exponential_step(schedule, x, (x0 + x0_next) / 2, t, t_next)

    return _walk(denoiser, schedule, x, timesteps, advance, clip, previous)


@dataclass(frozen=True)
class Sampler:
    """An entry of ``SAMPLERS``, to be called as ``ddpm`` is.

    Attributes:
        label: what people call it.
        options: the fields of a request that only it reads, handed on by name.
        adds_noise: whether it adds noise on its way; the name of an option for one that does where
            that is not 0.
        evaluations: of the denoiser in a step, 1 or 2. The last step, to the clean image, takes
            one; the second of the others is made at the timestep that the step leads to.
    """

    walk: Callable[..., Iterator[Step]]
    label: str
    options: tuple[str, ...] = ()
    adds_noise: bool | str = False
    evaluations: int = 1

    def __call__(self, *args, **options) -> Iterator[Step]:
        return self.walk(*args, **options)

    def calls(self, steps: int) -> int:
        """Evaluations in a run of so many steps."""
        return self.evaluations * (steps - 1) + 1

    def visits(self, timesteps: Sequence[int]) -> list[tuple[int, ...]]:
        """For every step, the timesteps at which it evaluates the denoiser."""
        between = [(t, t_next)[: self.evaluations] for t, t_next in pairwise(timesteps)]
        return [*between, (timesteps[-1],)]

    def is_noisy(self, request) -> bool:
        """Whether other noise on the way would change what a request asks for."""
        noisy = self.adds_noise
        return bool(getattr(request, noisy)) if isinstance(noisy, str) else noisy


SAMPLERS = {
    "ddim": Sampler(ddim, "DDIM", options=("eta",), adds_noise="eta"),
    "dpm_solver_pp": Sampler(dpm_solver_pp, "DPM-Solver++"),
    "heun": Sampler(heun, "Heun", evaluations=2),
    "ddpm": Sampler(ddpm, "DDPM", options=("variance",), adds_noise=True),
}


def check_timesteps(
    schedule: Schedule, timesteps: Sequence[int], *, rising: bool = False
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
        prediction = predict(denoiser, x, t)
        x0, eps = _clean(schedule, x, level, prediction.eps, clip)
        x = advance(x, x0, eps, t, t_next, prediction.extras)
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


def _log_ratio(schedule: Schedule, t: int, t_next: int) -> float:
    """How much ln(alpha / sigma) grows from ``t`` to ``t_next``."""
    grown = schedule.alpha(t_next) / schedule.alpha(t)
    return math.log(grown) - math.log(schedule.sigma(t_next) / schedule.sigma(t))


def _exponential_step(schedule: Schedule, x, x0, t: int, t_next: int) -> Tensor:
    """From ``t`` to ``t_next`` as if x̂0 were the same all the way (Lu et al. 2022, eq. 9)."""
    h = _log_ratio(schedule, t, t_next)
    shrink = schedule.sigma(t_next) / schedule.sigma(t)
    return shrink * x - schedule.alpha(t_next) * math.expm1(-h) * x0
