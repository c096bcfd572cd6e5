"""One picture turned into another: invert both, then denoise the noises that lie between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ddpm_core.data import to_pictures
from ddpm_core.diffusion import check_images
from ddpm_core.errors import check_int
from ddpm_core.model import Model
from ddpm_core.noise import great_circle
from ddpm_core.request import Request, between
from ddpm_core.samplers import ddim, ddim_inverse
from ddpm_core.schedules import spaced_timesteps

from .forward import from_picture, inversion_plan

IMAGES, STEPS = 17, 50


def turning(
    model: Model,
    pictures: Sequence[np.ndarray],
    labels: Sequence[int | str] = ("none", "none"),
    n: int = IMAGES,
    steps: int = STEPS,
) -> Iterator[np.ndarray]:
    """Invert two pictures by DDIM, and denoise along the great circle between their noises.

    Args:
        pictures: the first and the last, uint8 (H, W, C), of the model's shape.
        labels: of both, a class or "none"; between the pictures they are mixed.
        n: images; the first and the last are what comes back of the two pictures.
        steps: each way, at most as many as there are timesteps below 9/10 of T.

    Yields:
        uint8 (2, H, W, C) after each step up to the noises, (n, H, W, C) after each step back.
    """
    n, schedule = check_int("n", n, 2, 1000), model.schedule
    x0 = torch.cat([from_picture(picture, model.shape) for picture in pictures]).to(model.device)
    _, top = inversion_plan(schedule)
    steps = min(check_int("steps", steps, 1, 10_000), top)
    requests = [Request(n=1, label=label, steps=1).for_model(model) for label in labels]
    ends = [request.labels(model, [0])[0] for request in requests]
    timesteps = spaced_timesteps(schedule, steps, start=top - 1)
    denoiser = model.denoiser(ends, "float32")
    for step in ddim_inverse(denoiser, schedule, check_images(x0, x0.shape), timesteps[::-1]):
        yield to_pictures(step.x)
    places = torch.linspace(0, 1, n, dtype=torch.float64)
    start = great_circle(*step.x.cpu().split(1), places).to(model.device)  # in float64
    mixed = [between(ends, place) for place in places.tolist()]
    for step in ddim(model.denoiser(mixed, "float32"), schedule, start, timesteps, clip=False):
        yield to_pictures(step.x)
