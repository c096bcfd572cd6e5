"""From a request to pictures, for the command line, the API and the page alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import accumulate, groupby

import numpy as np
import torch
from torch import Tensor

from .data import to_pictures
from .denoiser import Denoiser, PartlyKnown, evaluations
from .diffusion import check_images, q_sample
from .errors import InvalidInput, check_int
from .faults import FAULTS
from .guidance import GUIDANCE, OVER_TIME, Aim, SideBySide, Strength
from .model import Label, Model
from .recorder import Film, check_film
from .request import OF_GUIDANCE, Request
from .samplers import SAMPLERS, Step
from .schedules import spaced_timesteps

BATCH = 64
# Requests side by side are one walk: they must agree in these.
WALK = ("sampler", "steps", "spacing", "eta", "variance", "clip", "dtype", "fault")
# Requests that agree in these are one batch of one guided denoiser.
TOGETHER = ("guidance", *OF_GUIDANCE)


class Run:
    """A request bound to a model: its start, its labels and its steps.

    Args:
        request: what to sample; several requests run side by side in one batch, the images of
            the first one first. They may differ in everything but the walk itself (``WALK``).
        images: which images of the seed; those of the request unless given.
        x0: (B, C, H, W) or (1, C, H, W) in [-1, 1], images to start from, noised to ``t``.
        t: the timestep to start at, T - 1 unless given; with fewer than ``request.steps``
            timesteps from there to 0, every one of them is visited.
        known: bool, broadcast against ``x0``: of the images only this part is kept, and the rest
            is sampled from noise (see ``PartlyKnown``).

    Attributes:
        request, requests: the first, and all.
        start: x_T, (B, C, H, W); x_t of the images if there are any.
        timesteps: the decreasing list that will be visited.
        labels, scales: of each image.
        schedule: the one that the walk goes by: the model's, unless a fault is asked for.
        dtype: the one used by the network, resolved.
    """

    def __init__(
        self,
        model: Model,
        request: Request | Sequence[Request],
        images: Sequence[int] | None = None,
        x0: Tensor | None = None,
        t: int | None = None,
        known: Tensor | None = None,
    ):
        requests = [request] if isinstance(request, Request) else request
        if not requests:
            raise InvalidInput("a run needs a request")
        self.model, self.requests = model, [r.for_model(model) for r in requests]
        self.request = self.requests[0]
        for name in WALK:
            if any(getattr(r, name) != getattr(self.request, name) for r in self.requests):
                raise InvalidInput(f"requests side by side must agree in {name}")
        self._images = [list(r.images if images is None else images) for r in self.requests]
        self.labels: list[Label] = []
        self.scales: list[float | None] = []
        for r, numbers in zip(self.requests, self._images, strict=True):
            self.labels += r.labels(model, numbers)
            self.scales += [FAULTS[r.fault].scale(r.guidance_scale, r.n)] * len(numbers)
        self.dtype = model.resolve_dtype(self.request.dtype)
        self.schedule = FAULTS[self.request.fault].schedule(model.schedule)
        last = model.schedule.num_timesteps - 1
        last = last if t is None else check_int("t", t, 0, last)
        steps = min(self.request.steps, last + 1)
        self.timesteps = spaced_timesteps(model.schedule, steps, self.request.spacing, last)
        self._x0 = None if x0 is None else check_images(x0, (len(self.labels), *model.shape))
        if x0 is not None and x0.abs().max() > 1.5:  # what was not clipped goes a little too far
            raise InvalidInput("x0 must be images in [-1, 1], not from 0 to 255")
        self._known = known
        if known is not None:
            self._check_known(known, t)
        if t is not None and x0 is None:
            raise InvalidInput("only images, x0, can be noised to t and start there")

    def _check_known(self, known: Tensor, t: int | None) -> None:
        if known.dtype != torch.bool:
            raise InvalidInput("known must be a bool tensor: true where the images are known")
        if self._x0 is None or t is not None:
            raise InvalidInput("what is known of images is filled in from x_T: give x0, and no t")
        try:
            known.expand(self._x0.shape)
        except RuntimeError:
            shapes = f"{tuple(known.shape)} does not fit images of {tuple(self._x0.shape)}"
            raise InvalidInput(f"known of shape {shapes}") from None

    @property
    def images(self) -> list[int]:
        """The number of each image."""
        return [number for numbers in self._images for number in numbers]

    @property
    def start(self) -> Tensor:
        noise = self.noise(self.model.schedule.num_timesteps).to(self.model.device)
        power = self.schedule.power(self.schedule.num_timesteps - 1)
        if abs(power - 1) > 0.01:  # that of the straight schedule is within a thousandth
            noise = noise * power**0.5
        if self._x0 is None or self._known is not None:
            return noise
        return q_sample(self.schedule, self._x0.to(noise), self.timesteps[0], noise)

    def noise(self, t: int, again: int = 0) -> Tensor:
        """The noise of every image at ``t``, (B, C, H, W); for ``again`` see ``steps``."""
        t += again * (2 * self.model.schedule.num_timesteps + 1)
        pairs = zip(self.requests, self._images, strict=True)
        parts = [request.noise(self.model, images, t) for request, images in pairs]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def denoiser(self, complete: bool = False) -> Denoiser:
        """The model, guided as each request asks. ``complete``: evaluate everything that guidance
        compares, even where it needs only a part."""
        parts, place = [], 0
        pairs = zip(self.requests, map(len, self._images), strict=True)
        for _, group in groupby(pairs, lambda pair: [getattr(pair[0], n) for n in TOGETHER]):
            (request, *_), counts = zip(*group, strict=True)
            part = slice(place, place + sum(counts))
            parts.append((self._guided(request, part, complete), sum(counts)))
            place = part.stop
        whole = parts[0][0] if len(parts) == 1 else SideBySide(parts)
        if self._known is None:
            return whole
        return PartlyKnown(whole, self.schedule, self._x0, self._known)

    def _guided(self, request: Request, part: slice, complete: bool) -> Denoiser:
        labels, entry = self.labels[part], GUIDANCE[request.guidance]
        denoiser = partial(self.model.denoiser, dtype=self.dtype)
        if entry.guide is None:
            return denoiser(labels)
        over_time = [getattr(request, name) for name in OVER_TIME]
        strength = Strength(
            self.scales[part], entry.neutral, self.model.schedule.num_timesteps, *over_time
        )
        aim = Aim(self.model, denoiser, labels, strength, self.schedule, request.clip, complete)
        options = {k: getattr(request, k) for k in entry.options if k not in OVER_TIME}
        return entry.guide(aim, **options)

    def steps(
        self,
        x: Tensor | None = None,
        previous: Step | None = None,
        report: bool = False,
        again: int = 0,
    ) -> Iterator[Step]:
        """Iterate the sampler, from the start, from ``x``, (B, C, H, W), or on from ``previous``.

        Args:
            report: every step tells what guidance did (see ``guidance``).
            again: how often these timesteps were walked before; every walk adds new noise.
        """
        request, timesteps = self.request, self.timesteps
        shape = (len(self.labels), *self.model.shape)
        if x is not None and not (isinstance(x, Tensor) and x.shape == shape):
            raise InvalidInput(f"x must be a tensor of shape {shape}, as the run's start is")
        if previous is not None:
            x, timesteps = previous.x, timesteps[previous.index :]
            if not timesteps:
                return iter(())
        sampler = SAMPLERS[request.sampler]
        options = {name: getattr(request, name) for name in sampler.options}
        return sampler(
            self.denoiser(complete=report),
            self.schedule,
            self.start if x is None else x,
            timesteps,
            FAULTS[request.fault].noise(
                partial(self.noise, again=again), self.schedule, self.timesteps
            ),
            clip=request.clip,
            previous=previous,
            **options,
        )

    def calls(self, report: bool = False) -> list[int]:
        """Evaluations of the network per image so far, at the start and after every step. For
        requests run side by side: the counts of the costliest one."""
        denoiser = self.denoiser(complete=report)
        visits = SAMPLERS[self.request.sampler].visits(self.timesteps)
        counts = (sum(evaluations(denoiser, t) for t in visited) for visited in visits)
        return list(accumulate(counts, initial=0))

    def film(self) -> Film:
        """An empty film of the right size, its first frame the start."""
        steps = len(self.timesteps)
        check_film((len(self.labels), *self.model.shape), steps)  # before there is any noise
        return Film(self.start, steps, self.timesteps[0] + 1)

    def describe(self, **more) -> str:
        """Everything that made the result, and ``more``, as JSON: the note in a file."""
        first = asdict(self.request)
        about = {"model": self.model.name} | first | {"dtype": self.dtype}
        if len(self.requests) > 1:
            others = map(asdict, self.requests[1:])
            about["beside"] = [{k: v for k, v in r.items() if v != first[k]} for r in others]
        return json.dumps(about | more | {"torch": torch.__version__.split("+")[0]})


def sample(model: Model, request: Request, batch: int = BATCH, progress=None) -> np.ndarray:
    """Sample all images of a request: (n, H, W, C), uint8. The batch size changes rounding only
    (which a classifier that looks through the network can amplify into another image).

    ``progress`` is called with the number of steps just done, each time.
    """
    pictures = []
    check_int("batch", batch, 1, 10**6)
    for start in range(0, request.n, batch):
        run = Run(model, request, request.images[start : start + batch])
        for step in run.steps():
            if progress:
                progress(1)
        pictures.append(to_pictures(step.x))
    return np.concatenate(pictures)


def film(model: Model, request: Request | Sequence[Request], progress=None) -> Film:
    """Sample in one batch and keep every step; InvalidInput if that is too large a ``Film``."""
    run = Run(model, request)
    film = run.film()
    for _ in film.record(run.steps()):
        if progress:
            progress(1)
    return film


def branch(model: Model, request: Request, other: Request, at: int, progress=None) -> Film:
    """Run a request, and again with what ``other`` changes from step ``at`` on.

    The film has the images of the request, then those of its branch, which share the frames up to
    ``at``. The two must agree in the walk and in n.
    """
    first, second = Run(model, request), Run(model, [request, other])
    if len(first.images) * 2 != len(second.images):
        raise InvalidInput("a branch has as many images as what it branches from")
    at = check_int("branch_at", at, 0, len(first.timesteps))
    check_film((len(second.images), *model.shape), len(first.timesteps))
    film, start = first.film(), None
    for step in film.record(first.steps()):
        start = step if step.index == at else start
        if progress:
            progress(1)
    rest = Run(model, other).steps(first.start, previous=start)
    return film.beside(film.until(at).extended(rest))


def scale_sheet(
    request: Request, scales: Sequence[float], labels: Sequence[int] | None = None
) -> list[Request]:
    """Requests for one image at every scale, and in rows for every class: an atlas, all of it from
    the noise of the request's first image."""
    if request.guidance == "none":
        raise InvalidInput("scales are those of a guidance: choose one")
    rows = [request.label] if labels is None else labels
    one = replace(request, n=1)
    return [replace(one, label=row, guidance_scale=scale) for row in rows for scale in scales]
