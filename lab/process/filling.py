"""Filling a hole in a picture by a model: the known pixels lead the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import torch

from ddpm_core.diffusion import q_between
from ddpm_core.errors import InvalidInput, check_int
from ddpm_core.model import Model
from ddpm_core.request import Request
from ddpm_core.samplers import Step
from ddpm_core.sampling import Run

from .forward import RETURN_STEPS, from_picture, return_request

PROPOSALS, STEPS = 8, RETURN_STEPS
STRETCH = 5  # steps that are walked before they are walked again
MAX_RESAMPLE = 10


def fill_request(
    model: Model, label: int | str = "none", seed: int = 0, steps: int | None = None, **changes
) -> Request:
    """The default request that fills a hole: eight proposals by DDIM with eta = 1."""
    request = return_request(model, label, seed, steps, **{"n": PROPOSALS} | changes)
    return request.for_model(model)


def fill_run(model: Model, picture: np.ndarray, hole: np.ndarray, request: Request) -> Run:
    """The run that fills a hole.

    Args:
        picture: uint8 (H, W, C), of the model's shape.
        hole: bool (H, W), true where the picture is not known.
    """
    x0, hole = from_picture(picture, model.shape), np.asarray(hole, bool)
    if hole.shape != picture.shape[:2]:
        raise InvalidInput(f"a hole of {hole.shape} pixels is not one in {picture.shape[:2]}")
    if not hole.any():
        raise InvalidInput("there is no hole to fill")
    return Run(model, request, x0=x0, known=torch.from_numpy(~hole)[None, None])


def filling(run: Run, resample: int = 1) -> Iterator[tuple[Step, bool]]:
    """The steps of a run; each stretch of them is walked ``resample`` times (RePaint, Lugmayr et
    al. 2022, section 4.2). New noise in between lets the rest adapt to what is known.

    Yields:
        a step, and whether it is kept: it is in the last walk over its stretch.
    """
    check_int("resample", resample, 1, MAX_RESAMPLE)
    total, step = run.model.schedule.num_timesteps, None
    for first in range(0, len(run.timesteps), STRETCH):
        mark, state, top = step, step.x if step else run.start, run.timesteps[first]
        for again in range(resample):
            if again:
                noise = run.noise(total + 1 + top, again).to(state)
                state = q_between(run.schedule, step.x, step.t_next, top, noise)
            previous = mark and replace(mark, x=state)
            for step in islice(run.steps(state, previous, again=again), STRETCH):
                yield step, again == resample - 1


def fill_calls(run: Run, resample: int = 1) -> list[int]:
    """Evaluations of the network for each image, at the start and at every step that is kept."""
    calls, totals = run.calls(), [0]
    for step in range(1, len(calls)):
        first = (step - 1) // STRETCH * STRETCH
        last = min(first + STRETCH, len(calls) - 1)
        before = resample * calls[first] + (resample - 1) * (calls[last] - calls[first])
        totals.append(before + calls[step] - calls[first])
    return totals
