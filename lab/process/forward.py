"""The forward process of a picture; bringing pictures back from noise; inversion by DDIM."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from ddpm_core.data import to_pictures, to_unit
from ddpm_core.denoiser import Denoiser
from ddpm_core.diffusion import check_images, q_sample, q_step
from ddpm_core.errors import InvalidInput, check_int
from ddpm_core.model import Model
from ddpm_core.recorder import Film, contact_sheet
from ddpm_core.request import Request
from ddpm_core.samplers import Step, ddim, ddim_inverse
from ddpm_core.sampling import Run
from ddpm_core.schedules import Schedule, spaced_timesteps

# Pixels of noise are counted from -REACH to REACH; 6 in 100,000 of a normal lie outside.
REACH = 4
BINS = 61  # -1, 0 and 1, the commonest values of a picture, lie within a bin, not on an edge
# From black, -1, to white, 1: the peak of the signal in a signal-to-noise ratio.
PEAK = 2.0
# The most values in a forward film: 64 x 64 pixels in colour at 1,000 timesteps fit.
MAX_VALUES = 16 * 10**6
# Values computed in one go. They take some hundredths of a second; other steps wait meanwhile.
VALUES_AT_A_TIME = 100_000
# A picture is noised to these shares of T, to see what the model makes of it: of 1,000 steps the
# times 50, 100, 200, ..., 800 and 1,000.
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
RETURN_STEPS, INVERSION_STEPS = 50, 100
# An inversion turns round at this share of T. Beyond, hardly any image is left to lead it back.
TOP = 0.9


# --- there ---


@dataclass(frozen=True)
class ForwardFilm:
    """The forward process of one picture, at every time from 0, the clean picture, to T."""

    # T + 1 frames, noise first as in every film: ``x`` by eq. 4 from one noise, ``x0`` by eq. 3
    # step by step.
    film: Film
    # (T + 1, bins), of the pixels by eq. 4, see ``histogram``; by time, 0 first.
    density: np.ndarray
    normal: np.ndarray  # (bins,), the standard normal's
    # mean, std: (T + 1,), of those pixels.
    mean: np.ndarray
    std: np.ndarray
    schedule: Schedule

    def sheet(self, times: Sequence[int] | None = None, scale: int = 4) -> np.ndarray:
        """The picture at some times side by side, by eq. 4 and below that by eq. 3; for a PNG.

        ``times`` are from 0 to T; 0 and ``return_times`` unless given.
        """
        last = self.film.frames - 1
        times = [0, *return_times(self.schedule)] if times is None else times
        places = [last - check_int("t", time, 0, last) for time in times]
        tiles = [pane[place, 0] for pane in (self.film.x, self.film.x0) for place in places]
        return contact_sheet(np.stack(tiles), times, ("eq. 4", "eq. 3"), scale=scale)


def forward_film(model: Model, picture: np.ndarray, seed: int = 0) -> ForwardFilm:
    """Noise a picture at once and step by step, at every timestep of a model's schedule.

    Args:
        picture: uint8 (H, W, C), of the model's shape.
        seed: of the noise; eq. 4 takes the noise from which image 0 of the seed would start.
    """
    *_, film = noising(model, picture, seed)
    return film


def noising(model: Model, picture: np.ndarray, seed: int = 0) -> Iterator[ForwardFilm | None]:
    """``forward_film`` a part at a time: None after each part, at the end the film."""
    schedule, x0 = model.schedule, from_picture(picture, model.shape)
    last, noise = schedule.num_timesteps, model.noise(seed, [0])
    if x0.numel() * last > MAX_VALUES:
        raise InvalidInput(
            f"{last:,} states of {x0.numel():,} values are {x0.numel() * last:,}, more than the "
            f"{MAX_VALUES:,} kept of a forward process"
        )
    size = (last + 1, 1, *picture.shape)
    x, by_steps = np.empty(size, np.uint8), np.empty(size, np.uint8)
    density, moments = np.empty((last + 1, BINS)), np.empty((2, last + 1))
    eps, part = noise(last), max(1, VALUES_AT_A_TIME // x0.numel())
    at_once = chain([x0], (q_sample(schedule, x0, t, eps) for t in range(last)))
    walk = chain([x0], stepwise(schedule, x0, noise))
    for time, (state, walked) in enumerate(zip(at_once, walk, strict=True)):
        x[last - time, 0], by_steps[last - time, 0] = to_picture(state), to_picture(walked)
        density[time], normal = histogram(state)
        moments[:, time] = float(state.mean()), float(state.std())
        if time % part == part - 1:
            yield None
    yield ForwardFilm(
        Film.of(x, by_steps, list(range(last, -1, -1))),
        density,
        normal,
        *moments,
        schedule,
    )


def stepwise(schedule: Schedule, x0: Tensor, noise: Callable[[int], Tensor]) -> Iterator[Tensor]:
    """x_t for t = 0, 1, ..., T - 1 by report eq. 3: a little of the image lost at every step.

    Args:
        x0: (B, C, H, W) or, one for all, (1, C, H, W); in [-1, 1].
        noise: ``t -> (B, C, H, W)``, standard normal, as ``Noise``. The step to ``t`` asks for
            ``T + 1 + t``: samplers ask for 0 to T, and must not add on the way back the noise
            that is already there.
    """
    x = x0
    for t in range(schedule.num_timesteps):
        eps = noise(schedule.num_timesteps + 1 + t)
        x = q_step(schedule, check_images(x, eps.shape), t, eps.to(x))
        yield x


def histogram(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The density of pixel values in each bin, and the standard normal's at the bins' centres.

    The bins are even from -4 to 4. Values beyond the edges count in the total.
    """
    counts, edges = np.histogram(x.cpu().double().numpy(), BINS, (-REACH, REACH))
    centres = (edges[:-1] + edges[1:]) / 2
    normal = np.exp(-(centres**2) / 2) / math.sqrt(2 * math.pi)
    return counts / (x.numel() * np.diff(edges)), normal


# --- there and back ---


@dataclass(frozen=True)
class Return:
    """A moment of ``returns``."""

    time: int  # from which the picture returns, as a ``ForwardFilm`` counts it: 1 to T
    noised: np.ndarray  # uint8 (H, W, C), the picture with the noise of that time
    state: np.ndarray  # uint8 (H, W, C), what the model has made of it so far
    arrived: bool  # True if ``state`` is the last one on the way from this time


def return_times(schedule: Schedule) -> list[int]:
    """The default times from which a picture is brought back."""
    return sorted({max(1, round(share * schedule.num_timesteps)) for share in SHARES})


def return_request(
    model: Model, label: int | str = "none", seed: int = 0, steps: int | None = None, **changes
) -> Request:
    """The default request that brings a picture back: DDIM with eta = 1."""
    few = min(RETURN_STEPS, model.schedule.num_timesteps)
    steps = few if steps is None else steps
    default = Request(n=1, label=label, seed=seed, steps=steps, sampler="ddim", eta=1.0)
    return replace(default.as_meant(model), **changes)


def return_work(times: Sequence[int], steps: int) -> int:
    """Denoisings of ``returns``: from a time t there are at most t steps."""
    return sum(min(steps, time) for time in times)


def returns(
    model: Model, picture: np.ndarray, times: Sequence[int], request: Request
) -> Iterator[Return]:
    """Noise a picture to each of these times and let the model denoise it from there, step by step.

    Args:
        picture: uint8 (H, W, C), of the model's shape.
        times: each from 1, the least noise, to T.
    """
    x0, request = from_picture(picture, model.shape), replace(request, n=1).for_model(model)
    for time in [check_int("t", time, 1, model.schedule.num_timesteps) for time in times]:
        run = Run(model, request, x0=x0, t=time - 1)
        noised = to_picture(run.start)
        for step in run.steps():
            yield Return(time, noised, to_picture(step.x), step.index == len(run.timesteps))


# --- inversion ---


@dataclass(frozen=True)
class Inversion:
    """A picture, its noise as DDIM finds it, and the picture again."""

    # uint8 (4, H, W, C): the picture, its noise, the picture that comes back, and four times the
    # difference of the two pictures.
    pictures: np.ndarray
    time: int  # where the walk turned round, 1 to T
    steps: int  # each way
    rmse: float  # the root of the mean squared error per pixel, pixels in [-1, 1]
    psnr: float  # the peak signal-to-noise ratio in dB, the peak being 2; infinite without error


def inversion_plan(
    schedule: Schedule, steps: int | None = None, top: int | None = None
) -> tuple[int, int]:
    """(steps each way, the time to turn round at), as given or by default."""
    last = schedule.num_timesteps
    top = max(1, round(TOP * last)) if top is None else check_int("top", top, 1, last)
    steps = min(INVERSION_STEPS, top) if steps is None else check_int("steps", steps, 1, top)
    return steps, top


def inverting(
    model: Model,
    picture: np.ndarray,
    label: int | str = "none",
    steps: int | None = None,
    top: int | None = None,
) -> Iterator[np.ndarray | Inversion]:
    """``round_trip`` of a picture, in float32: after each step the state as a picture, uint8
    (H, W, C); at the end the ``Inversion``. For ``steps`` and ``top`` see ``inversion_plan``.
    """
    x0 = from_picture(picture, model.shape).to(model.device)
    steps, top = inversion_plan(model.schedule, steps, top)
    labels = Request(n=1, label=label, steps=1).for_model(model).labels(model, [0])
    denoiser = model.denoiser(labels, "float32")
    for step in round_trip(denoiser, model.schedule, x0, steps, top - 1):
        if step.index == steps:
            noise = to_picture(step.x)
        yield to_picture(step.x)
    back, rmse = to_picture(step.x), (step.x - x0).square().mean().sqrt()
    difference = (4 * np.abs(back.astype(int) - picture)).clip(0, 255).astype(np.uint8)
    pictures = np.stack([picture, noise, back, difference])
    yield Inversion(pictures, top, steps, float(rmse), float(20 * torch.log10(PEAK / rmse)))


def round_trip(
    denoiser: Denoiser, schedule: Schedule, x0: Tensor, steps: int, top: int
) -> Iterator[Step]:
    """Invert images to the noise that DDIM makes them from, and denoise that noise by DDIM.

    Args:
        denoiser: in float32 throughout: ``model.denoiser(labels, "float32")``.
        x0: (B, C, H, W) in [-1, 1], float32 or float64.
        steps: N each way, over the same timesteps; the walk has 2 N steps, numbered through.
        top: the timestep to turn round at, in [0, T); for how high, see ``ddim_inverse``.
    """
    top = check_int("top", top, 0, schedule.num_timesteps - 1)
    timesteps = spaced_timesteps(schedule, steps, start=top)
    for step in ddim_inverse(denoiser, schedule, check_images(x0, x0.shape), timesteps[::-1]):
        yield step
    yield from ddim(denoiser, schedule, step.x, timesteps, clip=False, previous=step)


# --- pictures ---


def from_picture(picture: np.ndarray, shape: Sequence[int]) -> Tensor:
    """A uint8 (H, W, C) picture of ``shape``, (C, H, W), as (1, C, H, W) in [-1, 1]."""
    picture = np.asarray(picture)
    c, h, w = shape
    if picture.dtype != np.uint8 or picture.shape != (h, w, c):
        raise InvalidInput(
            f"a picture of {h} x {w} pixels and {c} channels is needed, not {picture.dtype} "
            f"{picture.shape}"
        )
    return to_unit(torch.from_numpy(picture.copy())).permute(2, 0, 1)[None]


def to_picture(x: Tensor) -> np.ndarray:
    """The first of (B, C, H, W) in [-1, 1], clamped, as uint8 (H, W, C)."""
    return to_pictures(x[:1])[0]
