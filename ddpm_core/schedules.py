"""Noise schedules: how much noise an image carries at each timestep.

Timesteps are 0-based: row ``t`` of every table belongs to the report's step
``t + 1``, so that ``t = 0`` is the least and ``t = T - 1`` the most noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import InvalidInput, check_choice, check_int

KINDS = ("linear", "scaled_linear", "cosine")
SPACINGS = ("linear", "quadratic", "logsnr")


def linear_betas(num_timesteps: int, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """Evenly growing variances, as in the DDPM paper and the report's section 2.2."""
    return np.linspace(start, end, num_timesteps, dtype=np.float64)


def scaled_linear_betas(num_timesteps: int, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """Variances whose square roots grow evenly, as in latent diffusion models."""
    return np.linspace(np.sqrt(start), np.sqrt(end), num_timesteps, dtype=np.float64) ** 2


def cosine_betas(num_timesteps: int, s: float = 0.008, max_beta: float = 0.999) -> np.ndarray:
    """The squared-cosine schedule (Nichol and Dhariwal 2021, eq. 17), beta clipped."""
    edges = np.arange(num_timesteps + 1, dtype=np.float64) / num_timesteps
    curve = np.cos((edges + s) / (1 + s) * np.pi / 2) ** 2
    return np.minimum(1 - curve[1:] / curve[:-1], max_beta)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Every table that the forward and the reverse process need, in float64.

    Attributes (each of shape ``(T,)`` unless said otherwise):
        betas: variance added by step ``t`` (report eq. 2), in (0, 1).
        alphas: ``1 - betas``.
        alphas_cumprod: share of the image's variance left after step ``t``
            (report eq. 4), the product up to *and including* ``t``.
        alphas_cumprod_prev: the same one step earlier; 1 before the first step.
        posterior_variance: variance of ``q(x_{t-1} | x_t, x_0)``
            (DDPM eq. 7), 0 at ``t = 0``.
        log_snr: ``ln(alphas_cumprod / (1 - alphas_cumprod))``, in nats.
    """

    betas: np.ndarray
    kind: str = "custom"

    def __post_init__(self):
        betas = np.array(self.betas, dtype=np.float64)
        if betas.ndim != 1 or betas.size == 0:
            raise InvalidInput("betas must be a non-empty one-dimensional list")
        if not np.isfinite(betas).all() or (betas <= 0).any() or (betas >= 1).any():
            raise InvalidInput("every beta must lie strictly between 0 and 1")
        if 1 - betas[0] == 1:
            raise InvalidInput("the first beta adds less noise than a number can tell from none")
        if np.cumprod(1 - betas)[-1] < np.finfo(np.float32).tiny:
            raise InvalidInput("the betas leave less of the image than a number can tell from 0")
        betas.setflags(write=False)
        object.__setattr__(self, "betas", betas)

    @classmethod
    def make(cls, kind: str = "linear", num_timesteps: int = 1000, **options) -> NoiseSchedule:
        """Build a schedule by name.

        Args:
            kind: ``"linear"`` or ``"scaled_linear"`` (options ``start``, ``end``), or
                ``"cosine"`` (options ``s``, ``max_beta``).
            num_timesteps: T, from 1 to 10,000.

        Raises:
            InvalidInput: for an unknown kind or a T out of range.
        """
        num_timesteps = check_int("num_timesteps", num_timesteps, 1, 10_000)
        check_choice("schedule", kind, KINDS)
        build = dict(zip(KINDS, (linear_betas, scaled_linear_betas, cosine_betas), strict=True))
        try:
            betas = build[kind](num_timesteps, **options)
        except (TypeError, OverflowError) as error:
            raise InvalidInput(f"schedule {kind!r}: {error}") from None
        return cls(betas, kind)

    @property
    def num_timesteps(self) -> int:
        return len(self.betas)

    @cached_property
    def alphas(self) -> np.ndarray:
        return 1 - self.betas

    @cached_property
    def alphas_cumprod(self) -> np.ndarray:
        return np.cumprod(self.alphas)

    @cached_property
    def alphas_cumprod_prev(self) -> np.ndarray:
        return np.concatenate([[1.0], self.alphas_cumprod[:-1]])

    @cached_property
    def posterior_variance(self) -> np.ndarray:
        return self.betas * (1 - self.alphas_cumprod_prev) / (1 - self.alphas_cumprod)

    @cached_property
    def log_snr(self) -> np.ndarray:
        return np.log(self.alphas_cumprod) - np.log1p(-self.alphas_cumprod)

    def abar(self, t: int) -> float:
        """``alphas_cumprod`` at ``t``, and 1 for the clean image at ``t = -1``."""
        return 1.0 if t < 0 else float(self.alphas_cumprod[t])


def spaced_timesteps(
    schedule: NoiseSchedule, steps: int, spacing: str = "linear", start: int | None = None
) -> list[int]:
    """Choose the timesteps a sampler visits.

    Args:
        steps: N, from 1 to ``start`` + 1.
        spacing: ``"linear"`` in t, ``"quadratic"`` (dense near the image, DDIM
            appendix D.2) or ``"logsnr"`` (even in log-SNR, as DPM-Solver prefers).
        start: the first of them, T - 1 unless given.

    Returns:
        N strictly decreasing integers: ``start`` first and, for N > 1, 0 last.

    Raises:
        InvalidInput: if ``steps`` or ``start`` is not a whole number in range, or the spacing
            is unknown.
    """
    last = schedule.num_timesteps - 1
    last = last if start is None else check_int("start", start, 0, last)
    steps = check_int("steps", steps, 1, last + 1)
    if steps == 1:
        return [last]
    if spacing == "linear":
        ascending = np.linspace(0, last, steps)
    elif spacing == "quadratic":
        ascending = np.linspace(0, last**0.5, steps) ** 2
    elif spacing == "logsnr":
        # log_snr falls with t; np.interp wants its abscissae rising.
        rising = -schedule.log_snr[: last + 1]
        levels = np.linspace(rising[0], rising[-1], steps)
        ascending = np.interp(levels, rising, np.arange(last + 1))
    else:
        raise InvalidInput(f"unknown spacing {spacing!r}; known: {', '.join(SPACINGS)}")
    return _distinct(np.rint(ascending).astype(int), last)


def _distinct(ascending: np.ndarray, last: int) -> list[int]:
    """Push equal neighbours apart, ends kept, and turn the list round."""
    count = np.arange(len(ascending))
    # x[i] - i must not fall (from below) and x[i] must leave room for what follows.
    ascending = np.maximum.accumulate(ascending - count) + count
    ascending = np.minimum(ascending, last - count[::-1])
    return [int(t) for t in ascending[::-1]]
