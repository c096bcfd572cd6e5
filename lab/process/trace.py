"""What guidance did at every step of a run, and a few of its states to go on from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ddpm_core.classifier import Classifier
from ddpm_core.data import to_pictures
from ddpm_core.diffusion import x0_from_eps
from ddpm_core.errors import InvalidInput, check_int
from ddpm_core.guides import classifier_for, roles_for
from ddpm_core.samplers import Step
from ddpm_core.sampling import Run

MAX_BYTES = 256 * 2**20
KEEP = 24
NUMBERS = ("strength", "eps_norm", "push_norm", "cosine")
PICTURES, FIELDS = ("uncond", "cond", "guided"), ("push", "gradient")


def reported(run: Run, x: Tensor | None = None, previous: Step | None = None) -> Iterator[Step]:
    """The steps of a run, each with what guidance did and what the judge sees in it.

    Their ``extras`` are those of ``guidance``, and ``p``, (B, K), p(class | x̂0), if the model's
    dataset has a judge. For ``x`` and ``previous`` see ``Run.steps``.
    """
    steps = run.steps(x, previous, report=True)
    if "judge" not in roles_for(run.model):
        return steps
    return _judged(steps, classifier_for(run.model, "judge"))  # loaded now, not at the first step


def _judged(steps: Iterator[Step], judge: Classifier) -> Iterator[Step]:
    for step in steps:
        with torch.no_grad():
            p = judge.log_probs(step.x0.clamp(-1, 1), 1.0).exp()
        yield replace(step, extras={**step.extras, "p": p})


class Trace:
    """A record of ``reported`` steps; it takes its memory at the start.

    Of its states it keeps some, at most ``KEEP``; ``state`` computes those between again.

    Attributes (N steps so far, B images, K classes):
        indices, t: (N,) lists: step numbers, and the timesteps the network was evaluated at.
        p: (N, B, K), float32: p(class | x̂0) as the judge sees it; None without a judge.
        strength, eps_norm, push_norm, cosine: (N, B), float32, see ``guidance``; NaN for images
            that are not guided.
        uncond, cond, guided: (N, B, H, W, C), uint8: x̂0 of each prediction; mid-grey where
            there is none.
        push, gradient: (N, B, H, W), float32, mean over colours; NaN where there is none.

    Raises:
        InvalidInput: if it would take more than 256 MiB.
    """

    def __init__(self, run: Run):
        self.run, steps = run, len(run.timesteps)
        c, h, w = run.model.shape
        batch = len(run.images)
        size = trace_bytes((batch, c, h, w), steps)
        if size > MAX_BYTES:
            raise InvalidInput(
                f"a record of {batch} images and {steps} steps takes {size / 2**20:,.0f} MiB, more "
                f"than the {MAX_BYTES // 2**20} allowed; take fewer images or steps"
            )
        self._states: dict[int, Step] = {}
        self._state_indices = {round(i) for i in np.linspace(1, steps, min(KEEP, steps))}
        self.indices: list[int] = []
        self.t: list[int] = []
        self._p: list[np.ndarray] = []
        self._kept = {k: np.full((steps, batch), np.nan, np.float32) for k in NUMBERS}
        self._kept |= {k: np.full((steps, batch, h, w, c), 128, np.uint8) for k in PICTURES}
        self._kept |= {k: np.full((steps, batch, h, w), np.nan, np.float32) for k in FIELDS}

    def record(self, steps: Iterator[Step], before: Tensor | None = None) -> Iterator[Step]:
        """Pass a run's steps through and record each.

        Args:
            before: the state before the first step; the run's own start unless given.
        """
        x = self.run.start if before is None else before
        for step in steps:
            self._add(step, x)
            x = step.x
            yield step

    def state(self, index: int) -> Step:
        """The state after a recorded step: exact to the last bit, or but for rounding where an
        engine evaluates the steps of several runs in one batch.

        It starts from the nearest kept state before, and takes the steps since then again.
        """
        if not self.indices:
            raise InvalidInput("no step is recorded yet")
        index = check_int("step", index, self.indices[0], self.indices[-1])
        nearest = max(i for i in self._states if i <= index)
        state = self._states[nearest]
        if nearest != index:
            steps = reported(self.run, previous=state)
            state = next(step for step in steps if step.index == index)
        return replace(state, extras={})

    @property
    def p(self) -> np.ndarray | None:
        return np.stack(self._p) if self._p else None

    @property
    def abar(self) -> list[float]:
        """``alphas_cumprod`` at every ``t``."""
        return [self.run.schedule.abar(t) for t in self.t]

    @property
    def nbytes(self) -> int:
        states = sum(s.x.nbytes + s.x0.nbytes + s.eps.nbytes for s in self._states.values())
        return sum(array.nbytes for array in self._kept.values()) + states

    def __getattr__(self, name):
        if name not in NUMBERS + PICTURES + FIELDS:
            raise AttributeError(name)
        return self._kept[name][: len(self.indices)]

    def _add(self, step: Step, before: Tensor) -> None:
        row = {name: array[len(self.indices)] for name, array in self._kept.items()}
        self.indices.append(step.index)
        self.t.append(step.t)
        row["guided"][:] = to_pictures(step.x0)
        for name, value in step.extras.items():
            if name == "p":
                self._p.append(value.float().cpu().numpy())
            elif name in NUMBERS:
                row[name][:] = value.cpu().numpy()
            elif name in PICTURES:
                x0 = x0_from_eps(self.run.schedule, before, step.t, value)
                row[name][:] = to_pictures(torch.nan_to_num(x0))
            elif name in FIELDS:
                row[name][:] = value.mean(1).cpu().numpy()
        # The first is always kept: a run that goes on from another's step has no state 1.
        if step.index in self._state_indices or not self._states:
            self._states[step.index] = replace(step, extras={})


def trace_bytes(shape: tuple[int, ...], steps: int) -> int:
    """Memory of a record of ``steps`` steps of a batch of ``shape``, in bytes."""
    n, c, h, w = shape
    numbers = 4 * len(NUMBERS)
    pictures, fields = 3 * c * h * w, 2 * 4 * h * w
    state = 3 * 4 * c * h * w  # x, x̂0 and eps
    return n * (steps * (numbers + pictures + fields) + min(KEEP, steps) * state)
