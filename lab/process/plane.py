"""Diffusion in the plane: points instead of images, a small network that learns them in seconds,
and beside it what a perfect network would predict.

Samplers, schedules, guidance and the loss are those of the images.
"""

from __future__ import annotations

import math
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from ddpm_core.denoiser import Denoiser, predict
from ddpm_core.diffusion import denoising_loss, q_sample
from ddpm_core.errors import InvalidInput, check_choice, check_float, check_int
from ddpm_core.guidance import ClassifierFree, Strength
from ddpm_core.noise import MAX_SEED, Noise
from ddpm_core.samplers import SAMPLERS
from ddpm_core.schedules import SCHEDULES, NoiseSchedule, Schedule, spaced_timesteps
from ddpm_core.unet import sinusoidal_embedding

LEARNED = 300  # points that the network is shown
FEWEST_DRAWN, MOST_DRAWN = 5, 300
REACH = 0.85  # the data reach this far in each direction
TIMESTEPS = 1000
TRAINING_STEPS = 2500  # about ten seconds of one core
BATCH = 256
LEARNING_RATE = 1.5e-2
UNLABELLED = 0.4  # the share of points whose class is hidden from the network
SAMPLED = 240  # points that a flow samples
MOST_STEPS = 200
MOST_FRAMES = 61  # frames that a flow keeps, at most
MAX_SCALE = 10.0
LABELS = {"none": None, "0": 0, "1": 1}  # any point, or a point of one class
GRID, EDGE = 15, 1.5  # arrows to a side; the view reaches from -EDGE to EDGE
COPIED = 0.01  # a sampled point this near to a learned one is a copy of it


# --- data -------------------------------------------------------------------------------------


def moons(along: np.ndarray, which: np.ndarray) -> np.ndarray:
    angle = np.pi * along
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], 1)
    return np.where(which[:, None] == 0, upper, -upper) / 1.5


def spiral(along: np.ndarray, which: np.ndarray) -> np.ndarray:
    radius, angle = 0.2 + 0.8 * along, np.pi * (1.8 * np.sqrt(along) + which)
    return (radius * np.array([np.cos(angle), np.sin(angle)])).T


def rings(along: np.ndarray, which: np.ndarray) -> np.ndarray:
    radius, angle = np.where(which == 0, 0.4, 1.0), 2 * np.pi * along
    return (radius * np.array([np.cos(angle), np.sin(angle)])).T


def letters(along: np.ndarray, which: np.ndarray) -> np.ndarray:
    return np.where(which[:, None] == 0, _along(A, along), _along(B, along))


# A letter is a list of strokes, a stroke is a list of corners.
A = [[(-0.95, -0.6), (-0.55, 0.65), (-0.15, -0.6)], [(-0.8, -0.15), (-0.3, -0.15)]]
B = [
    [(0.25, -0.6), (0.25, 0.62), (0.6, 0.62), (0.76, 0.5), (0.76, 0.2), (0.6, 0.05), (0.25, 0.05)],
    [(0.6, 0.05), (0.84, -0.12), (0.84, -0.44), (0.66, -0.6), (0.25, -0.6)],
]


def _along(strokes, along: np.ndarray) -> np.ndarray:
    """The points at these shares of the total length of all strokes."""
    pieces = np.array([(a, b) for s in strokes for a, b in zip(s, s[1:], strict=False)])
    ends = np.linalg.norm(pieces[:, 1] - pieces[:, 0], axis=1).cumsum()
    piece = np.searchsorted(ends, along * ends[-1]).clip(max=len(pieces) - 1)
    starts = np.concatenate([[0], ends[:-1]])
    share = ((along * ends[-1] - starts[piece]) / (ends - starts)[piece])[:, None]
    return pieces[piece, 0] * (1 - share) + pieces[piece, 1] * share


@dataclass(frozen=True)
class Shape:
    """An entry of ``SHAPES``: two classes of points along curves.

    Attributes:
        place: shares of the way, (N,), and classes 0 or 1, (N,), to points, (N, 2), in [-1, 1].
        spread: standard deviation of the points about their curve.
    """

    label: str
    place: Callable[[np.ndarray, np.ndarray], np.ndarray]
    spread: float = 0.04


SHAPES = {
    "moons": Shape("Moons", moons, 0.05),
    "spiral": Shape("Spiral", spiral, 0.02),
    "rings": Shape("Rings", rings),
    "letters": Shape("Letters", letters, 0.015),
}
DRAWN = "drawn"


def packed(drawn: Sequence) -> str:
    """Drawn points as a text that an address can hold: three bytes for each."""
    numbers = np.array(drawn, float).reshape(-1, 3)
    numbers[:, :2] = np.rint((numbers[:, :2] + 1) * 127.5)
    return urlsafe_b64encode(numbers.astype(np.uint8).tobytes()).decode("ascii")


def unpacked(text: object) -> tuple[tuple[float, float, int], ...]:
    """The points in a text of ``packed``.

    Raises:
        InvalidInput: if it is no text of ``packed``, or holds too many points.
    """
    if not isinstance(text, str) or len(text) > 4 * MOST_DRAWN:
        raise InvalidInput(f"what was drawn must be a text of at most {MOST_DRAWN} points")
    try:
        numbers = b64decode(text, altchars=b"-_", validate=True)
        rows = np.frombuffer(numbers, np.uint8).reshape(-1, 3)
    except ValueError:
        raise InvalidInput("what was drawn cannot be read") from None
    return tuple((x / 127.5 - 1, y / 127.5 - 1, label) for x, y, label in rows.tolist())


@dataclass(frozen=True)
class Task:
    """What a network learns; equal tasks give equal networks.

    Attributes:
        data: a key of ``SHAPES``, or ``"drawn"``.
        drawn: the points drawn, each x and y in [-1, 1] and its class, 0 or 1.

    Raises:
        InvalidInput: naming what is out of bounds.
    """

    data: str = "moons"
    schedule: str = "cosine"
    seed: int = 0
    drawn: tuple[tuple[float, float, int], ...] = ()

    def __post_init__(self):
        check_choice("data", self.data, [*SHAPES, DRAWN])
        check_choice("schedule", self.schedule, SCHEDULES)
        object.__setattr__(self, "seed", check_int("seed", self.seed, 0, MAX_SEED))
        drawn = self._checked_points() if self.data == DRAWN else ()
        object.__setattr__(self, "drawn", drawn)

    def _checked_points(self) -> tuple:
        if len(self.drawn) < FEWEST_DRAWN:
            raise InvalidInput(f"draw something first: at least {FEWEST_DRAWN} points")
        check_int("number of points drawn", len(self.drawn), FEWEST_DRAWN, MOST_DRAWN)
        points = []
        for x, y, label in self.drawn:
            xy = (check_float(name, value, -1, 1) for name, value in (("x", x), ("y", y)))
            points.append((*xy, check_int("class of a point", label, 0, 1)))
        return tuple(points)

    @cached_property
    def points(self) -> Tensor:
        """The points that the network learns, (N, 2)."""
        return self._dataset[0]

    @cached_property
    def labels(self) -> Tensor:
        """The classes of the points, (N,), 0 or 1."""
        return self._dataset[1]

    @cached_property
    def noise_schedule(self) -> Schedule:
        options = SCHEDULES[self.schedule].config(self.schedule, TIMESTEPS)
        return NoiseSchedule.make(**options)

    @cached_property
    def _dataset(self) -> tuple[Tensor, Tensor]:
        if self.drawn:
            drawn = torch.tensor(self.drawn)
            return drawn[:, :2].contiguous() * REACH, drawn[:, 2].long()
        shape, noise = SHAPES[self.data], _noise(self, LEARNED)
        labels = np.arange(LEARNED) % 2
        along = (np.arange(LEARNED) // 2 + 0.5) / (LEARNED // 2)
        places = torch.from_numpy(shape.place(along, labels)).float()
        points = REACH * places + shape.spread * noise(0)
        return points.clamp(-1, 1), torch.from_numpy(labels)


# --- what predicts the noise ------------------------------------------------------------------


def exact(schedule: Schedule, points: Tensor) -> Denoiser:
    """The best possible prediction if these points, (N, 2), are all of the data.

    x̂0 is the mean of the points, weighted by how likely each has become x: softmax of
    -|x - alpha x_i|² / 2 sigma². Every sample ends close to the points; on one, but for what noise
    sigma at t = 0 leaves.
    """

    def denoise(x: Tensor, t: int) -> Tensor:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        distances = torch.cdist(x, alpha * points, compute_mode="donot_use_mm_for_euclid_dist")
        weights = (distances.square() / (-2 * sigma**2)).softmax(dim=1)
        return (x - alpha * (weights @ points)) / sigma

    return denoise


class Network(nn.Module):
    """A few layers over the place, its sines and cosines, the time as in the UNet, and the class.

    Called as ``network(x, t, labels)`` with (B, 2), (B,), and (B,) or None; label 2 is none.
    """

    def __init__(self, width: int = 128):
        super().__init__()
        self.register_buffer("waves", torch.pi * torch.tensor([0.5, 1, 2, 4]))
        sizes = [2 + 2 * 2 * 4 + 32 + 3, width, width, width]
        layers = [
            layer
            for a, b in zip(sizes, sizes[1:], strict=False)
            for layer in (nn.Linear(a, b), nn.SiLU())
        ]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 2))

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        phases = (x[:, :, None] * self.waves).flatten(1)
        labels = torch.full_like(t, 2) if labels is None else labels
        classes = nn.functional.one_hot(labels, 3).to(x.dtype)
        time = sinusoidal_embedding(t, 32)
        return self.layers(torch.cat([x, phases.sin(), phases.cos(), time, classes], dim=1))


class Training:
    """A training under way.

    Attributes:
        done, steps: the steps done, and all steps.
        losses: (done,), the loss of each step.
    """

    def __init__(self, task: Task):
        self.task, self.done, self.steps = task, 0, TRAINING_STEPS
        self.losses: list[float] = []
        # A generator of its own: others compute on the same thread meanwhile.
        self._random = torch.Generator().manual_seed(task.seed)
        with torch.random.fork_rng():
            torch.manual_seed(task.seed)
            self.network = Network()
        self._optimizer = torch.optim.Adam(self.network.parameters(), LEARNING_RATE, fused=True)

    def advance(self, steps: int) -> None:
        """Take this many steps, or all that are left."""
        for _ in range(min(steps, self.steps - self.done)):
            self._step()

    def _step(self) -> None:
        task, random = self.task, self._random
        indices = torch.randint(len(task.points), (BATCH,), generator=random)
        t = torch.randint(TIMESTEPS, (BATCH,), generator=random)
        noise = torch.randn(BATCH, 2, generator=random)
        hidden = torch.rand(BATCH, generator=random) < UNLABELLED
        labels = task.labels[indices].masked_fill(hidden, 2)
        schedule, x0 = task.noise_schedule, task.points[indices]
        loss = denoising_loss(self.network, schedule, x0, t, noise, labels).mean()
        self._optimizer.zero_grad()
        loss.backward()
        rate = LEARNING_RATE * (0.5 + 0.5 * math.cos(math.pi * self.done / self.steps))
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.step()
        self.losses.append(loss.item())
        self.done += 1

    def curve(self, width: int) -> list[float]:
        """The mean loss of every ``width`` steps."""
        parts = [self.losses[i : i + width] for i in range(0, self.done, width)]
        return [sum(part) / len(part) for part in parts]

    @torch.no_grad()
    def sample(self, steps: int = 10) -> Tensor:
        """Points that the network makes now, (P, 2): by DDIM, always from the same noise."""
        task, noise = self.task, _noise(self.task, SAMPLED)
        timesteps = spaced_timesteps(task.noise_schedule, steps)
        start, sampler = noise(TIMESTEPS), SAMPLERS["ddim"]
        *_, last = sampler(learned(self.network), task.noise_schedule, start, timesteps)
        return last.x


def learned(network: Network, label: int | None = None, evaluate=None) -> Denoiser:
    """A network as a denoiser of one class, or of none.

    Args:
        evaluate: ``(network, x, t, labels)``, for an ``Engine``; by default the network itself.
    """

    def denoise(x: Tensor, t: int) -> Tensor:
        labels = torch.full((len(x),), 2 if label is None else label)
        inputs = x, torch.full((len(x),), t), labels
        return network(*inputs) if evaluate is None else evaluate(network, *inputs)

    return denoise


# --- from noise to points ---------------------------------------------------------------------


@dataclass(frozen=True)
class Walk:
    """How points are sampled.

    Attributes:
        label: a key of ``LABELS``.
        scale: of classifier-free guidance towards the class; 1 is the class alone.

    Raises:
        InvalidInput: naming what is out of bounds.
    """

    sampler: str = "ddim"
    steps: int = 50
    label: str = "none"
    scale: float = 1.0

    def __post_init__(self):
        check_choice("sampler", self.sampler, SAMPLERS)
        check_choice("class", self.label, LABELS)
        object.__setattr__(self, "steps", check_int("steps", self.steps, 1, MOST_STEPS))
        scale = check_float("guidance scale", self.scale, 0, MAX_SCALE)
        object.__setattr__(self, "scale", scale)


class Flow:
    """Points from the same noise, by the learned and by the exact prediction.

    Attributes:
        indices: the steps that are kept, from 0, the noise, to the last.
        t: the time at each of these steps, from T to 0.
        points: by ``"learned"`` and ``"exact"``, the points at each of these steps, (P, 2).
        fields: likewise the predicted noise at the places of ``grid``, (G, 2).
        distance: for each t, the mean squared difference of the two predictions, for points noised
            to this t.
        calls: evaluations of the network for a point.
    """

    def __init__(self, network: Network, task: Task, walk: Walk, evaluate=None):
        self.check(task, walk)
        self.task, self.walk = task, walk
        label = LABELS[walk.label]
        self.denoisers = {
            "learned": self._guided(lambda label: learned(network, label, evaluate)),
            "exact": self._guided(lambda label: exact(task.noise_schedule, _points(task, label))),
        }
        steps = np.linspace(0, walk.steps, min(walk.steps + 1, MOST_FRAMES))
        self.indices = [int(i) for i in np.rint(steps)]
        self.timesteps = spaced_timesteps(task.noise_schedule, walk.steps)
        self.t = [[*self.timesteps, -1][i] + 1 for i in self.indices]
        self.points: dict[str, list[Tensor]] = {name: [] for name in self.denoisers}
        self.fields: dict[str, list[Tensor]] = {name: [] for name in self.denoisers}
        self.distance: list[float] = []
        calls = 1 if label is None or walk.scale in (0, 1) else 2
        self.calls = calls * SAMPLERS[walk.sampler].calls(walk.steps)

    @staticmethod
    def check(task: Task, walk: Walk) -> None:
        """Raise InvalidInput unless there are points of the class that is asked for."""
        label = LABELS[walk.label]
        if label is not None and not len(_points(task, label)):
            name = ("first", "second")[label]
            raise InvalidInput(f"no point of the {name} class was drawn: draw one, or ask for any")

    def _guided(self, make: Callable[[int | None], Denoiser]) -> Denoiser:
        label, schedule = LABELS[self.walk.label], self.task.noise_schedule
        if label is None:
            return make(None)
        strength = Strength([self.walk.scale], 1.0, schedule.num_timesteps)
        return ClassifierFree(make(label), make(None), strength, schedule, complete=False)

    def making(self) -> Iterator[None]:
        """Make the flow, step by step."""
        noise = _noise(self.task, SAMPLED)
        indices, start = set(self.indices), noise(TIMESTEPS)
        for name, denoiser in self.denoisers.items():
            schedule, sampler = self.task.noise_schedule, SAMPLERS[self.walk.sampler]
            self.points[name].append(start)
            for step in sampler(denoiser, schedule, start, self.timesteps, noise):
                if step.index in indices:
                    self.points[name].append(step.x)
                yield
        for t in self.t:
            self._compare(max(0, t - 1))
            yield

    @torch.no_grad()
    def _compare(self, t: int) -> None:
        """Record both predictions on the grid, and their distance for noised points."""
        points = _points(self.task, LABELS[self.walk.label])
        noise = _noise(self.task, len(points))(TIMESTEPS + 1)
        x = torch.cat([grid(), q_sample(self.task.noise_schedule, points, t, noise)])
        predicted = {name: predict(denoiser, x, t).eps for name, denoiser in self.denoisers.items()}
        for name, eps in predicted.items():
            self.fields[name].append(eps[: GRID**2])
        difference = (predicted["learned"] - predicted["exact"])[GRID**2 :]
        self.distance.append(difference.square().mean().item())

    def copies(self) -> dict[str, float]:
        """The share of the points that ended on a learned point, to within ``COPIED``."""
        return {
            name: (torch.cdist(points[-1], self.task.points).amin(1) < COPIED).float().mean().item()
            for name, points in self.points.items()
        }


def grid() -> Tensor:
    """The places of the arrows, (G, 2), row by row from the upper left."""
    line = torch.linspace(-EDGE, EDGE, GRID) * (1 - 1 / GRID)  # in the middle of their cells
    y, x = torch.meshgrid(-line, line, indexing="ij")
    return torch.stack([x, y], dim=2).view(-1, 2)


def _noise(task: Task, points: int) -> Callable[[int], Tensor]:
    """``t -> (points, 2)``; see ``Noise``: it takes all points as one image."""
    noise = Noise(task.seed, [0], (points, 2))
    return lambda t: noise(t)[0]


def _points(task: Task, label: int | None) -> Tensor:
    return task.points if label is None else task.points[task.labels == label]


# --- as pictures ------------------------------------------------------------------------------

PAPER, SOFT = (244, 245, 242), (176, 182, 178)
TIME = np.array([(111, 102, 128), (61, 96, 176), (10, 107, 92)])  # noise, halfway, data
SIDE, GAP = 280, 10  # pixels


def picture(flow: Flow, frame: int) -> np.ndarray:
    """A frame of a flow, learned beside exact, over the points of the task, uint8 (H, W, 3)."""
    share = 1 - flow.t[frame] / TIMESTEPS
    ink = [np.interp(share, (0, 0.5, 1), channel) for channel in TIME.T]
    panes = []
    for points in flow.points.values():
        pane = np.full((SIDE, SIDE, 3), PAPER, np.uint8)
        _dot(pane, flow.task.points, SOFT, 1)
        _dot(pane, points[frame], ink, 2)
        panes += [np.full((SIDE, GAP, 3), 255, np.uint8), pane]
    return np.concatenate(panes[1:], axis=1)


def _dot(pane: np.ndarray, points: Tensor, colour, radius: int) -> None:
    x, y = ((points.numpy() * (1, -1) / EDGE + 1) / 2 * SIDE).round().astype(int).T
    for dx in range(-radius, radius + 1):
        for dy in range(-radius, radius + 1):
            if dx**2 + dy**2 <= radius**2 + 1:
                at_x, at_y = x + dx, y + dy
                inside = (at_x >= 0) & (at_x < SIDE) & (at_y >= 0) & (at_y < SIDE)
                pane[at_y[inside], at_x[inside]] = colour
