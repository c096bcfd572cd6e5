"""What a run's own pictures say at each of its frames, for whoever puts a step into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ddpm_core.recorder import Film
from ddpm_core.schedules import Schedule

from .trace import Trace

IMAGES = 16  # that are looked at; of more, the first
# Pictures that a judge reads in a tenth of a second on one core, by their number of colours.
READ = {1: 160, 3: 16}
LogProbs = Callable[[Tensor], Tensor]


def noise_share(schedule: Schedule, t: int) -> float:
    """The share of noise in the variance of x_t, 1 - ᾱ_t, t as the report counts it, 0 to T."""
    return 1 - schedule.abar(t - 1)


def step_numbers(
    film: Film,
    schedule: Schedule,
    log_probs: LogProbs | None = None,
    chosen: Sequence[int] | None = None,
    trace: Trace | None = None,
) -> dict[str, list[float]]:
    """By name one number for each chosen frame, NaN where there is none.

    Args:
        film: with its x̂0, which frame 0 has none of.
        schedule: that the run went by.
        log_probs: of a classifier of clean images, (B, C, H, W) in [-1, 1] to (B, K).
        chosen: frames by number; all unless given.
        trace: what guidance did; where it has what the judge read, nothing is read again.

    Returns:
        ``noise``: see ``noise_share``.
        ``contrast``: the standard deviation of x̂0, in those of the last x̂0.
        ``push``: the norm of what guidance added, in those of the noise that the network predicted.
        And of a film that is finished:
        ``left``: how far x̂0 is from the last one, its mean absolute difference in those of the last
        x̂0 from its own mean: 1 is as far as a blank picture, 0 is there.
        ``agree``: in how many of the images the judge reads what it reads in the last x̂0, 0 to 1.
        ``reads``, ``sure``: of a film of one image, the class and its probability.
    """
    frames = np.arange(film.frames) if chosen is None else np.asarray(chosen)
    last = film.x0[-1, :IMAGES].astype(np.float32)
    spread = np.mean(np.std(last, axis=(1, 2, 3))) or 1.0
    away = np.mean(np.abs(last - last.mean(axis=(1, 2, 3), keepdims=True))) or 1.0
    numbers = {name: np.full(len(frames), np.nan) for name in ("noise", "contrast", "left")}
    for place, frame in enumerate(frames):  # one by one: a long film would not fit as floats
        numbers["noise"][place] = noise_share(schedule, film.t[frame])
        if frame:
            x0 = film.x0[frame, :IMAGES].astype(np.float32)
            numbers["contrast"][place] = np.mean(np.std(x0, axis=(1, 2, 3))) / spread
            numbers["left"][place] = np.mean(np.abs(x0 - last)) / away
    if not film.finished:
        del numbers["left"]
    if trace is not None:
        numbers |= _pushes(trace, frames)
    if film.finished and (read := _traced(trace) or _judged(film.x0, frames, log_probs)):
        numbers |= _readings(read, frames)
    return {name: np.asarray(values, float).tolist() for name, values in numbers.items()}


def readings(pictures: np.ndarray, log_probs: LogProbs) -> dict[str, list[float]]:
    """``reads`` and ``sure`` of pictures (frames, 1, H, W, C), uint8, whatever they are of."""
    frames = np.arange(len(pictures))
    found = _readings(_judged(pictures, frames, log_probs, first=0), frames)
    return {name: found[name].tolist() for name in ("reads", "sure")}


def _pushes(trace: Trace, frames: np.ndarray) -> dict[str, np.ndarray]:
    guided = np.isfinite(trace.push_norm).all(0)
    if not guided.any():
        return {}
    push = trace.push_norm[:, guided].mean(1) / trace.eps_norm[:, guided].mean(1)
    found = dict(zip(trace.indices, push, strict=True))
    return {"push": np.array([found.get(k, np.nan) for k in frames])}


def _traced(trace: Trace | None) -> Mapping[int, np.ndarray]:
    if trace is None or trace.p is None:
        return {}
    return dict(zip(trace.indices, trace.p[:, :IMAGES], strict=True))


def _judged(pictures, frames, log_probs: LogProbs | None, first=1) -> Mapping[int, np.ndarray]:
    """What a judge reads in as many frames as it can in no time, the last one among them."""
    frames = frames[frames >= first]
    if log_probs is None or not len(frames):
        return {}
    n, channels = min(IMAGES, pictures.shape[1]), pictures.shape[-1]
    count = max(2, min(len(frames), READ[channels] // n))
    read = frames[np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))]
    x = pictures[read, :n].reshape(-1, *pictures.shape[2:])
    with torch.no_grad():
        read_in = log_probs(torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1)
    p = read_in.exp().cpu().numpy()
    return dict(zip(read, p.reshape(len(read), n, -1), strict=True))


def _readings(probabilities: Mapping[int, np.ndarray], frames) -> dict[str, np.ndarray]:
    """Between two frames that were read, what was read in the first of them."""
    known = sorted(probabilities)
    final = probabilities[known[-1]].argmax(-1)
    found = {name: np.full(len(frames), np.nan) for name in ("agree", "reads", "sure")}
    for place, frame in enumerate(frames):
        before = np.searchsorted(known, frame, side="right") - 1
        if before < 0:
            continue
        p = probabilities[known[before]]
        found["agree"][place] = (p.argmax(-1) == final).mean()
        if len(final) == 1:
            found["reads"][place], found["sure"][place] = p[0].argmax(), p[0].max()
    return found if len(final) == 1 else {"agree": found["agree"]}
