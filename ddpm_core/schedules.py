"""Noise schedules: how much noise an image carries at each timestep.

Timesteps are 0-based: row ``t`` of every table belongs to the report's step
``t + 1``, so that ``t = 0`` is the least and ``t = T - 1`` the most noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .errors import InvalidInput, check_choice, check_int

SPACINGS = {"linear": "even in t", "quadratic": "quadratic in t", "logsnr": "even in log-SNR"}


class Schedule:
    """How much image and how much noise there is at each timestep: x_t = alpha x_0 + sigma eps.

    Args:
        signals: (T,), alpha(t), above 0.
        sigmas: (T,), sigma(t), above 0.

    Attributes:
        signals, sigmas: float64.
        log_snr: (T,), ``2 ln(alpha / sigma)``, in nats; falls as t grows.
        alphas, betas: (T,), of step ``t`` of the forward process alone: the square of what it
            shrinks the image by, and the variance that it adds (report eq. 2).
        posterior_variance: (T,), that of ``q(x_{t-1} | x_t, x_0)`` (DDPM eq. 7), 0 at ``t = 0``.
    """

    kind = "custom"
    config: dict | None = None  # arguments by which ``NoiseSchedule.make`` makes it again, for JSON

    def __init__(self, signals: np.ndarray, sigmas: np.ndarray):
        self.signals, self.sigmas = np.array(signals, np.float64), np.array(sigmas, np.float64)
        if self.signals.shape != self.sigmas.shape or self.signals.ndim != 1 or not len(signals):
            raise InvalidInput("signals and sigmas must be lists of numbers, as many of each")
        self.signals.setflags(write=False), self.sigmas.setflags(write=False)
        both = np.stack([self.signals, self.sigmas])
        if not (np.isfinite(both) & (both > 0)).all():
            raise InvalidInput("every signal and every sigma must be a number above 0")
        if not (np.diff(self.log_snr) < 0).all():
            raise InvalidInput("a schedule must add noise at every step")

    @property
    def num_timesteps(self) -> int:
        return len(self.signals)

    @cached_property
    def log_snr(self) -> np.ndarray:
        return 2 * (np.log(self.signals) - np.log(self.sigmas))

    @cached_property
    def alphas(self) -> np.ndarray:
        return (self.signals / np.append(1.0, self.signals[:-1])) ** 2

    @cached_property
    def betas(self) -> np.ndarray:
        return self.sigmas**2 - self.alphas * np.append(0.0, self.sigmas[:-1]) ** 2

    @cached_property
    def posterior_variance(self) -> np.ndarray:
        return self.betas * np.append(0.0, self.sigmas[:-1]) ** 2 / self.sigmas**2

    def alpha(self, t: int) -> float:
        """The factor of the image at ``t``, and 1 for the clean image at ``t = -1``."""
        return 1.0 if t < 0 else float(self.signals[t])

    def sigma(self, t: int) -> float:
        """The factor of the noise at ``t``, and 0 for the clean image at ``t = -1``."""
        return 0.0 if t < 0 else float(self.sigmas[t])

    def abar(self, t: int) -> float:
        """The image's share of the variance at ``t``: alpha² / (alpha² + sigma²)."""
        return self.alpha(t) ** 2 / self.power(t)

    def power(self, t: int) -> float:
        """The variance of x_t where that of the image is 1: alpha² + sigma²."""
        return self.alpha(t) ** 2 + self.sigma(t) ** 2


class NoiseSchedule(Schedule):
    """A schedule of DDPM: each step shrinks the image and adds as much noise as keeps the variance.

    Args:
        betas: (T,), variance added by step ``t`` (report eq. 2), in (0, 1).
        kind: a key of ``SCHEDULES``, or another name.

    Attributes (float64, each of shape ``(T,)``):
        alphas: ``1 - betas``; these and ``posterior_variance`` as for ``Schedule``.
        alphas_cumprod: share of the image's variance left after step ``t`` (report eq. 4), the
            product up to *and including* ``t``; alpha(t) is its root.
        alphas_cumprod_prev: the same one step earlier; 1 before the first step.
    """

    def __init__(self, betas: np.ndarray, kind: str = "custom"):
        betas = np.array(betas, dtype=np.float64)
        if betas.ndim != 1 or betas.size == 0:
            raise InvalidInput("betas must be a non-empty one-dimensional list")
        if not np.isfinite(betas).all() or (betas <= 0).any() or (betas >= 1).any():
            raise InvalidInput("every beta must lie strictly between 0 and 1")
        if 1 - betas[0] == 1:
            raise InvalidInput("the first beta adds less noise than a number can tell from none")
        if np.cumprod(1 - betas)[-1] < np.finfo(np.float32).tiny:
            raise InvalidInput("the betas leave less of the image than a number can tell from 0")
        betas.setflags(write=False)
        self.betas, self.alphas, self.kind = betas, 1 - betas, kind
        self.signals = np.sqrt(self.alphas_cumprod)
        self.sigmas = np.sqrt(1 - self.alphas_cumprod)
        self.log_snr = np.log(self.alphas_cumprod) - np.log1p(-self.alphas_cumprod)
        self.config = {"kind": "custom", "num_timesteps": len(betas), "betas": betas.tolist()}

    @classmethod
    def make(cls, kind: str = "linear", num_timesteps: int = 1000, **options) -> Schedule:
        """Build a schedule by name, a key of ``SCHEDULES``, with options of that kind; or
        ``"custom"``, with its ``betas``."""
        num_timesteps = check_int("num_timesteps", num_timesteps, 1, 10_000)
        try:
            if kind == "custom":
                made = cls(**options)
            else:
                check_choice("schedule", kind, SCHEDULES)
                # The entry's options stand in the config: another default changes no saved model.
                options = {**SCHEDULES[kind].options, **options}
                made = SCHEDULES[kind].make(num_timesteps, **options)
        except (TypeError, OverflowError) as error:
            raise InvalidInput(f"schedule {kind!r}: {error}") from None
        made = made if isinstance(made, Schedule) else cls(made)
        if made.num_timesteps != num_timesteps:
            raise InvalidInput(f"{made.num_timesteps} betas for {num_timesteps} timesteps")
        if kind != "custom":
            made.kind, made.config = kind, {"kind": kind, "num_timesteps": num_timesteps, **options}
        return made

    @cached_property
    def alphas_cumprod(self) -> np.ndarray:
        return np.cumprod(self.alphas)

    @cached_property
    def alphas_cumprod_prev(self) -> np.ndarray:
        return np.concatenate([[1.0], self.alphas_cumprod[:-1]])

    def abar(self, t: int) -> float:
        """``alphas_cumprod`` at ``t``, and 1 for the clean image at ``t = -1``."""
        return 1.0 if t < 0 else float(self.alphas_cumprod[t])

    def power(self, t: int) -> float:
        """1: it is what the variance is kept at."""
        return 1.0


def linear_betas(num_timesteps: int, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """Evenly growing variances, as in the DDPM paper and the report's section 2.2."""
    return np.linspace(start, end, num_timesteps, dtype=np.float64)


def scaled_linear_betas(num_timesteps: int, start: float = 1e-4, end: float = 0.02) -> np.ndarray:
    """Variances whose square roots grow evenly, as in latent diffusion models."""
    return np.linspace(np.sqrt(start), np.sqrt(end), num_timesteps, dtype=np.float64) ** 2


def cosine_betas(num_timesteps: int, s: float = 0.008, max_beta: float = 0.999) -> np.ndarray:
    """The squared-cosine schedule (Nichol and Dhariwal 2021, eq. 17), beta clipped."""
    edges = np.arange(num_timesteps + 1, dtype=np.float64) / num_timesteps
    return _betas_of(np.cos((edges + s) / (1 + s) * np.pi / 2) ** 2, max_beta)


def sigmoid_betas(
    num_timesteps: int, start: float = -3, end: float = 3, tau: float = 1, max_beta: float = 0.999
) -> np.ndarray:
    """The sigmoid schedule (Jabri et al. 2022, Algorithm 1): log-SNR falls evenly in the middle.

    Args:
        start, end: which stretch of the sigmoid ``alphas_cumprod`` follows.
        tau: its temperature; the smaller, the steeper the middle.
    """
    edges = np.linspace(start, end, num_timesteps + 1, dtype=np.float64) / tau
    falling = 1 / (1 + np.exp(edges))
    return _betas_of(falling - falling[-1], max_beta)


def straight(num_timesteps: int) -> Schedule:
    """The straight paths of flow matching (Lipman et al. 2023; Liu et al. 2023): at the time s
    x_s = (1 - s) x_0 + s eps.

    The timesteps divide s evenly and stop one short of 1, pure noise, where no eps tells of x_0.
    """
    s = np.arange(1, num_timesteps + 1) / (num_timesteps + 1)
    return Schedule(1 - s, s)


def _betas_of(curve: np.ndarray, max_beta: float) -> np.ndarray:
    """The betas that make a curve of T + 1 values in proportion to ``alphas_cumprod``, clipped."""
    return np.minimum(1 - curve[1:] / curve[:-1], max_beta)


@dataclass(frozen=True)
class ScheduleKind:
    """An entry of ``SCHEDULES``.

    Attributes:
        make: from T and options to betas, (T,), or a ``Schedule``.
        options: what a recipe writes into a config, with T = 1000.
        per_step: those of them that grow as T shrinks: fewer steps as small as before would leave
            the image in sight.
    """

    make: Callable[..., np.ndarray | Schedule]
    options: Mapping[str, float] = field(default_factory=dict)
    per_step: tuple[str, ...] = ()

    def config(self, kind: str, num_timesteps: int = 1000) -> dict:
        """Keyword arguments of ``NoiseSchedule.make`` for a schedule of so many steps."""
        share = 1000 / check_int("timesteps", num_timesteps, 2, 10_000)
        changed = {name: min(self.options[name] * share, 0.999) for name in self.per_step}
        return {"kind": kind, "num_timesteps": num_timesteps, **self.options, **changed}


FROM_TO = {"start": 1e-4, "end": 0.02}
SCHEDULES = {
    "linear": ScheduleKind(linear_betas, FROM_TO, per_step=("start", "end")),
    "scaled_linear": ScheduleKind(scaled_linear_betas, FROM_TO, per_step=("start", "end")),
    "cosine": ScheduleKind(cosine_betas, {"s": 0.008}),
    "sigmoid": ScheduleKind(sigmoid_betas, {"start": -3.0, "end": 3.0, "tau": 1.0}),
    "straight": ScheduleKind(straight),
}


def spaced_timesteps(
    schedule: Schedule, steps: int, spacing: str = "linear", start: int | None = None
) -> list[int]:
    """Choose the timesteps a sampler visits: ``start`` first and, of more than one, 0 last.

    Args:
        steps: from 1 to ``start`` + 1.
        spacing: ``"linear"`` in t, ``"quadratic"`` (dense near the image, DDIM
            appendix D.2) or ``"logsnr"`` (even in log-SNR, as DPM-Solver prefers).
        start: T - 1 unless given.
    """
    check_choice("spacing", spacing, SPACINGS)
    last = schedule.num_timesteps - 1
    last = last if start is None else check_int("start", start, 0, last)
    steps = check_int("steps", steps, 1, last + 1)
    if steps == 1:
        return [last]
    if spacing == "linear":
        ascending = np.linspace(0, last, steps)
    elif spacing == "quadratic":
        ascending = np.linspace(0, last**0.5, steps) ** 2
    else:
        # log_snr falls with t; np.interp wants its abscissae rising.
        rising = -schedule.log_snr[: last + 1]
        levels = np.linspace(rising[0], rising[-1], steps)
        ascending = np.interp(levels, rising, np.arange(last + 1))
    return _distinct(np.rint(ascending).astype(int), last)


def _distinct(ascending: np.ndarray, last: int) -> list[int]:
    """Push equal neighbours apart, ends kept, and turn the list round."""
    count = np.arange(len(ascending))
    # x[i] - i must not fall (from below) and x[i] must leave room for what follows.
    ascending = np.maximum.accumulate(ascending - count) + count
    ascending = np.minimum(ascending, last - count[::-1])
    return [int(t) for t in ascending[::-1]]
