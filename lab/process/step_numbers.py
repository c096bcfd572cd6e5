"""What a run's own pictures say at each of its frames, for whoever puts a step into words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ddpm_core.recorder import Film

IMAGES = 16  # that are looked at; of more, the first
# Pictures that a judge reads in a fifth of a second on one core, by their number of colours.
READ = {1: 320, 3: 32}


def step_numbers(
    film: Film,
    alphas_cumprod: Sequence[float],
    log_probs: Callable[[Tensor], Tensor] | None = None,
    chosen: Sequence[int] | None = None,
) -> dict[str, list[float]]:
    """By name one number for each chosen frame, NaN where there is none.

    Args:
        film: with its x̂0, which frame 0 has none of.
        alphas_cumprod: (T,), of the schedule that the run went by.
        log_probs: of a classifier of clean images, (B, C, H, W) in [-1, 1] to (B, K).
        chosen: frames by number; all unless given.

    Returns:
        ``noise``: the share of noise in the variance of x_t, 1 - ᾱ_t; 0 at the picture.
        ``contrast``: the standard deviation of x̂0, in those of the last x̂0.
        And of a film that is finished:
        ``left``: how far x̂0 is from the last one, its mean absolute difference in those of the last
        x̂0 from its own mean: 1 is as far as a blank picture, 0 is there.
        ``agree``: in how many of the images the judge reads what it reads in the last x̂0, 0 to 1.
        ``reads``, ``sure``: of a film of one image, the class and its probability.
    """
    frames = list(range(film.frames)) if chosen is None else list(chosen)
    abar = np.array([1.0, *alphas_cumprod])
    x0 = film.x0[frames][:, :IMAGES].astype(np.float32)
    blank = np.array([frame == 0 for frame in frames])
    last = film.x0[-1][:IMAGES].astype(np.float32)
    pixels = tuple(range(1, x0.ndim))
    spread = float(np.mean(np.std(last, axis=(1, 2, 3)))) or 1.0
    contrast = np.mean(np.std(x0, axis=(2, 3, 4)), axis=1) / spread
    contrast[blank] = np.nan
    numbers = {"noise": 1 - abar[[film.t[k] for k in frames]], "contrast": contrast}
    if film.finished:
        away = np.mean(np.abs(last - last.mean(axis=(1, 2, 3), keepdims=True))) or 1.0
        left = np.mean(np.abs(x0 - last), axis=pixels) / away
        left[blank] = np.nan
        numbers |= {"left": left} | (_read(x0, last, blank, log_probs) if log_probs else {})
    return {name: np.asarray(values, float).tolist() for name, values in numbers.items()}


def _read(x0, last, blank, log_probs) -> dict[str, np.ndarray]:
    """What a judge reads in as many frames as it can in no time; between them the frame before."""
    n, channels = x0.shape[1], x0.shape[-1]
    places = np.flatnonzero(~blank)
    if not len(places):
        return {}
    count = max(2, min(len(places), READ[channels] // n))
    read = places[np.unique(np.linspace(0, len(places) - 1, count).round().astype(int))]
    p = _probabilities(np.concatenate([x0[read].reshape(-1, *x0.shape[2:]), last]), log_probs)
    p, final = p[:-n].reshape(len(read), n, -1), p[-n:].argmax(-1)
    found = {"agree": (p.argmax(-1) == final).mean(1)}
    if n == 1:
        found |= {"reads": p[:, 0].argmax(-1), "sure": p[:, 0].max(-1)}
    numbers = {}
    for name, values in found.items():
        numbers[name] = np.full(len(x0), np.nan)
        which = np.searchsorted(read, places, side="right") - 1
        numbers[name][places] = values[which]
    return numbers


def _probabilities(pictures: np.ndarray, log_probs) -> np.ndarray:
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        return log_probs(x).exp().numpy()
