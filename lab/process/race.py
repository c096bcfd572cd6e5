"""Several runs on one timeline: two schedules, many samplers, a run with and without an error.

A *lane* is a run with a record of everything. A *race* always advances the lane that is furthest
behind, so that all lanes are at about the same t.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ddpm_core.data import to_pictures
from ddpm_core.errors import InvalidInput, check_choice, check_int
from ddpm_core.model import Model
from ddpm_core.recorder import MAX_FILM_BYTES, PAPER, Film, enlarge, film_bytes, grid
from ddpm_core.request import Request
from ddpm_core.samplers import SAMPLERS, Step
from ddpm_core.sampling import Run

from .report_errors import REPORT_ERRORS

LANE_PANES = ("x", "x0", "eps", "change")
# A newcomer compares all T steps with these few.
FEW_STEPS = (10, 20, 50)
ERRORS = ("no-clip", *REPORT_ERRORS)
# Fields of a request that a race sets itself.
OWN = {
    "schedules": (),
    "samplers": ("sampler", "steps", "eta"),
    "break": ("fault", "clip"),
}
LABEL_HEIGHT = 18


class Lane(Film):
    """A run that keeps every step, as pictures of four panes and as numbers.

    Args:
        name: of the lane, beside others.

    Attributes, besides those of ``Film``:
        schedule: of the run; a run with an error may have another than the model's own.
        kind: of the model's schedule, a key of ``SCHEDULES``.
        eps: (frames, n, H, W, C), uint8: the noise that goes with x̂0, shown as x_t is; where x̂0
            is clipped it is not the network's output.
        change: likewise what the step added to x, relative to its own size (mid-grey is none, the
            ends are twice its root mean square).
        numbers: by name, (frames,) float, NaN where there is none: ``norm`` and ``change``, root
            mean squares over pixels and images of x_t and of what the step added to it;
            ``straight``, how far x_t is from where it began, as a share of the length of its path
            so far, the mean over images: 1 on a straight line.
        seconds: spent in its steps, by the clock of ``advance``.
        failed: why the run ended before its last step, if it did: a run with an error may leave
            the range.
        calls: evaluations of the network for each image.
    """

    def __init__(self, model: Model, request: Request, name: str):
        run = Run(model, request)
        self.request, self.name, self.kind = run.request, name, model.schedule.kind
        self.schedule, self._description = run.schedule, run.describe()
        start, steps = run.start, len(run.timesteps)
        super().__init__(start, steps, run.timesteps[0] + 1)
        self._eps, self._change = np.full_like(self._x, 128), np.full_like(self._x, 128)
        self._numbers = {"norm": [_rms(start)], "change": [math.nan], "straight": [math.nan]}
        self.seconds, self.failed = 0.0, ""
        self._state, self._steps = start, run.steps(start)
        self._start, self._length = start, torch.zeros(len(start), dtype=torch.float64)
        self._calls = run.calls()

    def advance(self, clock: Callable[[], float] = time.perf_counter) -> bool:
        """Take one step; False if there is none left. ``clock`` may leave some seconds out."""
        start = clock()
        try:
            step = next(self._steps, None)
        except InvalidInput as error:
            step, self.failed = None, str(error)
        self.seconds += clock() - start
        if step is None:
            self.close()
            return False
        self.add(step)
        return True

    def close(self) -> None:
        """End the lane here; it keeps its record and releases the model."""
        self._steps, self._state, self._start = iter(()), None, None

    def describe(self, **more) -> str:
        """Everything that made the run, and ``more``, as JSON."""
        return json.dumps(json.loads(self._description) | more)

    def add(self, step: Step) -> None:
        change = step.x - self._state
        rms = _rms(change)
        index = self.frames
        self._eps[index] = _pixels(step.eps)
        self._change[index] = _pixels(change / (2 * max(rms, 1e-12)))
        self._length += _sizes(change)
        self._numbers["norm"].append(_rms(step.x))
        self._numbers["change"].append(rms)
        straight = float((_sizes(step.x - self._start) / self._length).mean())
        self._numbers["straight"].append(straight)
        self._state = step.x
        super().add(step)

    @property
    def eps(self) -> np.ndarray:
        return self._eps[: self.frames]

    @property
    def change(self) -> np.ndarray:
        return self._change[: self.frames]

    @property
    def nbytes(self) -> int:
        return super().nbytes + self._eps.nbytes + self._change.nbytes

    @property
    def calls(self) -> int:
        return self._calls[self.frames - 1]

    @property
    def log_snr(self) -> np.ndarray:
        """(frames,): the log-SNR of each frame's state, rising; infinite for the clean image."""
        levels = [np.inf, *self.schedule.log_snr]
        return np.array([levels[t] for t in self.t])

    @property
    def numbers(self) -> dict[str, np.ndarray]:
        times, betas = np.array(self.t), np.append(np.nan, self.schedule.betas)
        return {
            "beta": betas[times],
            "abar": np.array([self.schedule.abar(t - 1) for t in self.t]),
            "log_snr": self.log_snr,
            **{name: np.array(values) for name, values in self._numbers.items()},
        }


class Race:
    """Lanes that advance together.

    Args:
        lanes: model, request and name of each.
        about: which race it is; part of ``describe``.
        max_bytes: the most that its films may take.

    Raises:
        InvalidInput: if their films would not fit into memory.
    """

    def __init__(
        self,
        lanes: Sequence[tuple[Model, Request, str]],
        about: Mapping | None = None,
        max_bytes: int = MAX_FILM_BYTES,
    ):
        if len({model.shape for model, _, _ in lanes}) > 1:
            raise InvalidInput("models that race must make pictures of one size")
        size = sum(2 * film_bytes((r.n, *model.shape), r.steps) for model, r, _ in lanes)
        if size > max_bytes:  # all of them together, before memory is taken
            raise InvalidInput(
                f"these lanes take {size / 2**20:,.0f} MiB, more than the "
                f"{max_bytes / 2**20:,.0f} allowed; take fewer images or steps"
            )
        self.lanes, self.about = [Lane(*lane) for lane in lanes], dict(about or {})

    def describe(self, **more) -> str:
        """Everything that made the result, and ``more``, as JSON for downloaded files."""
        return self.lanes[0].describe(**self.about, **more)

    def close(self) -> None:
        """End all lanes where they are."""
        for lane in self.lanes:
            lane.close()

    def steps(self, clock: Callable[[], float] = time.perf_counter) -> Iterator[Lane]:
        """Advance the lane furthest behind, step by step; yields the lane after each step."""
        under_way = list(self.lanes)
        while under_way:
            lane = max(under_way, key=lambda lane: lane.t[-1])
            if lane.advance(clock):
                yield lane
            else:
                under_way.remove(lane)

    @property
    def finished(self) -> bool:
        return all(lane.finished or lane.failed for lane in self.lanes)

    @property
    def nbytes(self) -> int:
        return sum(lane.nbytes for lane in self.lanes)

    def moments(self) -> list[int]:
        """Every time at which any lane has a frame, from T down."""
        return sorted({t for lane in self.lanes for t in lane.t}, reverse=True)

    def frames_at(self, moment: int) -> list[int]:
        """For each lane the number of its last frame with t >= ``moment``; at least 0."""
        return [max(0, sum(t >= moment for t in lane.t) - 1) for lane in self.lanes]

    def pictures(self, panes=("x",), stride: int = 1, scale: int = 1) -> Pages:
        """The race as ``Pages``."""
        return Pages(self, panes, stride, scale)


class Pages(Sequence):
    """A race as labelled pictures, (H', W', C), uint8, one for every denoising step of any lane.
    Each picture is laid out when it is asked for.

    Args:
        panes: of each lane, side by side.
        stride: one picture for every so many moments; the first and the last always.
        scale: whole-number enlargement of the images; the names are not enlarged.
    """

    def __init__(self, race: Race, panes: Sequence[str], stride: int, scale: int):
        for pane in panes:
            check_choice("pane", pane, LANE_PANES)
        if not panes:
            raise InvalidInput("choose a pane at least")
        stride = check_int("stride", stride, 1, 10_000)
        self._race, self._panes = race, panes
        self._scale = check_int("scale", scale, 1, 64)
        self._font = ImageFont.load_default(size=12)
        names = (self._font.getlength(lane.name) for lane in race.lanes)
        self._name_width = round(max(names)) + 4
        moments = race.moments()
        self._moments = [*moments[:-1:stride], moments[-1]]

    def __len__(self) -> int:
        return len(self._moments)

    def __getitem__(self, number: int) -> np.ndarray:
        cells = []
        frames = self._race.frames_at(self._moments[number])
        for lane, frame in zip(self._race.lanes, frames, strict=True):
            sheets = [grid(getattr(lane, pane)[frame]) for pane in self._panes]
            side_by_side = grid(np.stack(sheets), len(sheets), gap=2)
            cells.append(self._labelled(enlarge(side_by_side, self._scale), lane.name))
        return grid(np.stack(cells), min(4, len(cells)), gap=2 * self._scale)

    def _labelled(self, pixels: np.ndarray, name: str) -> np.ndarray:
        """A picture below its name, as wide as the longest name at least."""
        height, width, channels = pixels.shape
        label = Image.new("L", (max(width, self._name_width), LABEL_HEIGHT), PAPER)
        pen = ImageDraw.Draw(label)
        pen.text((2, LABEL_HEIGHT / 2), name, fill=0, font=self._font, anchor="lm")
        page = np.full((LABEL_HEIGHT + height, label.width, channels), PAPER, np.uint8)
        page[:LABEL_HEIGHT], page[LABEL_HEIGHT:, :width] = np.asarray(label)[..., None], pixels
        return page


def schedules(
    first: Model, second: Model, request: Request, max_bytes: int = MAX_FILM_BYTES
) -> Race:
    """The same noise through two models, as the report's Figure 3 sets them side by side."""
    lengths = [model.schedule.num_timesteps for model in (first, second)]
    if lengths[0] != lengths[1] and first.shape == second.shape:
        raise InvalidInput(
            f"{first.name} has {lengths[0]:,} timesteps and {second.name} {lengths[1]:,}: from the "
            "same noise only models of as many can start"
        )
    names = [first.name, second.name if second.name != first.name else f"{second.name}, again"]
    lanes = [(m, request, name) for m, name in zip((first, second), names, strict=True)]
    return Race(lanes, {"race": "schedules", "against": second.name}, max_bytes)


def samplers(
    model: Model,
    request: Request,
    few: Sequence[int] = FEW_STEPS,
    max_bytes: int = MAX_FILM_BYTES,
) -> Race:
    """All T steps of ancestral sampling, beside few steps, at most T, of every other sampler."""
    total, about = model.schedule.num_timesteps, {"race": "samplers", "few": list(few)}
    few = [n for n in few if n <= total]
    lanes = [(replace(request, sampler="ddpm", steps=total), f"{SAMPLERS['ddpm'].label} {total}")]
    for name, sampler in SAMPLERS.items():
        if name != "ddpm":
            quick = replace(request, sampler=name, eta=0.0)
            lanes += [(replace(quick, steps=n), f"{sampler.label} {n}") for n in few]
    return Race([(model, *lane) for lane in lanes], about, max_bytes)


def broken(model: Model, request: Request, error: str, max_bytes: int = MAX_FILM_BYTES) -> Race:
    """A request without an error, beside the same request with one of ``ERRORS``."""
    check_choice("error", error, ERRORS)
    correct = replace(request, fault="none", clip=True)
    wrong = replace(correct, clip=False) if error == "no-clip" else replace(correct, fault=error)
    names = ("as it should be", error)
    lanes = [(model, r, name) for r, name in zip((correct, wrong), names, strict=True)]
    return Race(lanes, {"race": "break", "error": error}, max_bytes)


def _rms(x: Tensor) -> float:
    return float(x.cpu().double().pow(2).mean().sqrt())


def _sizes(x: Tensor) -> Tensor:
    """(B,): the length of each image's vector."""
    return torch.linalg.vector_norm(x.cpu().double().flatten(1), dim=1)


def _pixels(x: Tensor) -> np.ndarray:
    return to_pictures(torch.nan_to_num(x))
