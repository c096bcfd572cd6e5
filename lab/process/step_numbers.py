"""Numbers for each frame of a run, from its own pictures, to describe a step in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ddpm_core.recorder import Film
from ddpm_core.schedules import Schedule

from .trace import Trace

IMAGES = 16  # only these are read, the first ones of a film
# Pictures that a judge reads in a tenth of a second on one core, by their number of colours.
READ = {1: 160, 3: 16}
FEWEST = 8  # frames that are read; if there is time for fewer, none is
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
    """Numbers by name, one for each chosen frame, NaN where there is none.

    Args:
        film: with its x̂0; frame 0 has none.
        schedule: of the run.
        log_probs: of a classifier of clean images, (B, C, H, W) in [-1, 1] to (B, K).
        chosen: frames by number; all unless given.
        trace: what guidance did; if it has the judge's readings, nothing is read again.

    Returns:
        ``noise``: see ``noise_share``.
        ``contrast``: the standard deviation of x̂0, relative to that of the last x̂0.
        ``push``: the norm of what guidance added, relative to that of the predicted noise.
        A finished film also has:
        ``left``: the mean absolute difference of x̂0 from the last x̂0, relative to that of the last
        x̂0 from its own mean: 1 is as far as a blank picture, 0 is there.
        ``agree``: the share of images in which the judge reads the same as in the last x̂0, 0 to 1.
        ``reads``, ``sure``: for a film of one image, the class and its probability.
    """
    frames = np.arange(film.frames) if chosen is None else np.asarray(chosen)
    last = film.x0[-1, :IMAGES].astype(np.float32)
    spread = np.mean(np.std(last, axis=(1, 2, 3))) or 1.0
    deviation = np.mean(np.abs(last - last.mean(axis=(1, 2, 3), keepdims=True))) or 1.0
    numbers = {name: np.full(len(frames), np.nan) for name in ("noise", "contrast", "left")}
    for place, frame in enumerate(frames):  # one by one: a long film would not fit as floats
        numbers["noise"][place] = noise_share(schedule, film.t[frame])
        if frame:
            x0 = film.x0[frame, :IMAGES].astype(np.float32)
            numbers["contrast"][place] = np.mean(np.std(x0, axis=(1, 2, 3))) / spread
            numbers["left"][place] = np.mean(np.abs(x0 - last)) / deviation
    if not film.finished:
        del numbers["left"]
    if trace is not None:
        numbers |= _pushes(trace, frames)
    if film.finished and (probabilities := _traced(trace) or _judged(film.x0, frames, log_probs)):
        numbers |= _readings(probabilities, frames)
    return {name: np.asarray(values, float).tolist() for name, values in numbers.items()}


def readings(pictures: np.ndarray, log_probs: LogProbs) -> dict[str, list[float]]:
    """``reads`` and ``sure`` of any pictures, (frames, 1, H, W, C), uint8."""
    frames = np.arange(len(pictures))
    numbers = _readings(_judged(pictures, frames, log_probs, first=0), frames)
    return {name: numbers[name].tolist() for name in ("reads", "sure")}


def _pushes(trace: Trace, frames: np.ndarray) -> dict[str, np.ndarray]:
    guided = np.isfinite(trace.push_norm).all(0)
    if not guided.any():
        return {}
    push = trace.push_norm[:, guided].mean(1) / trace.eps_norm[:, guided].mean(1)
    pushes = dict(zip(trace.indices, push, strict=True))
    return {"push": np.array([pushes.get(k, np.nan) for k in frames])}


def _traced(trace: Trace | None) -> Mapping[int, np.ndarray]:
    if trace is None or trace.p is None:
        return {}
    return dict(zip(trace.indices, trace.p[:, :IMAGES], strict=True))


def _judged(pictures, frames, log_probs: LogProbs | None, first=1) -> Mapping[int, np.ndarray]:
    """The judge's probabilities for as many frames as ``READ`` allows, the last one among them."""
    frames = frames[frames >= first]
    if log_probs is None or not len(frames):
        return {}
    n, channels = min(IMAGES, pictures.shape[1]), pictures.shape[-1]
    count = min(len(frames), READ[channels] // n)
    if count < min(len(frames), FEWEST):
        return {}
    chosen = frames[np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))]
    x = pictures[chosen, :n].reshape(-1, *pictures.shape[2:])
    with torch.no_grad():
        log_p = log_probs(torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1)
    p = log_p.exp().cpu().numpy()
    return dict(zip(chosen, p.reshape(len(chosen), n, -1), strict=True))


def _readings(probabilities: Mapping[int, np.ndarray], frames) -> dict[str, np.ndarray]:
    """Numbers for all frames. A frame that was not read has those of the last read one before."""
    read_frames = sorted(probabilities)
    final = probabilities[read_frames[-1]].argmax(-1)
    numbers = {name: np.full(len(frames), np.nan) for name in ("agree", "reads", "sure")}
    for place, frame in enumerate(frames):
        before = np.searchsorted(read_frames, frame, side="right") - 1
        if before < 0:
            continue
        p = probabilities[read_frames[before]]
        numbers["agree"][place] = (p.argmax(-1) == final).mean()
        if len(final) == 1:
            numbers["reads"][place], numbers["sure"][place] = p[0].argmax(), p[0].max()
    return numbers if len(final) == 1 else {"agree": numbers["agree"]}
