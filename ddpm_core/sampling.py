"""From a request to pictures: the one door for the command line, the API and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .checkpoints import DTYPES, Model
from .data import to_uint8
from .errors import InvalidInput, check_choice, check_float, check_int
from .noise import MAX_SEED
from .recorder import Film
from .samplers import SAMPLERS, VARIANCES, Step
from .schedules import SPACINGS, spaced_timesteps

MAX_IMAGES = 100_000
BATCH = 64


@dataclass(frozen=True)
class Request:
    """What to sample. Checked when made; ``for_model`` checks what depends on the model.

    Attributes:
        n: how many images.
        first: the number of the first; images ``first`` to ``first + n - 1`` of the seed.
        label: a class index for all images, ``"all"`` (image i gets class i modulo the
            number of classes) or ``"none"`` (unconditional).
        sampler: ``"ddpm"``, ``"ddim"`` or ``"dpm_solver_pp"``.
        steps: denoising steps, at most T.
        seed: from 0 to 2**53 - 1, which a browser can hold too.
        spacing: how timesteps are spread: ``"linear"``, ``"quadratic"`` or ``"logsnr"``.
        eta: noise added by DDIM, 0 to 1; other samplers do not use it.
        variance: of DDPM: ``"beta"`` or ``"posterior"``; other samplers do not use it.
        clip: clamp x̂0 to [-1, 1] at every step.
        dtype: of the network: ``"auto"``, ``"float32"`` or ``"bfloat16"``.

    Raises:
        InvalidInput: naming the field and what is allowed.
    """

    n: int = 16
    first: int = 0
    label: int | str = "all"
    sampler: str = "dpm_solver_pp"
    steps: int = 20
    seed: int = 0
    spacing: str = "linear"
    eta: float = 0.0
    variance: str = "beta"
    clip: bool = True
    dtype: str = "auto"

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        put("n", check_int("n", self.n, 1, MAX_IMAGES))
        put("first", check_int("first", self.first, 0, 2**31 - 1))
        put("steps", check_int("steps", self.steps, 1, 10_000))
        put("seed", check_int("seed", self.seed, 0, MAX_SEED))
        put("eta", check_float("eta", self.eta, 0, 1))
        check_choice("sampler", self.sampler, SAMPLERS)
        check_choice("spacing", self.spacing, SPACINGS)
        check_choice("variance", self.variance, VARIANCES)
        check_choice("dtype", self.dtype, DTYPES)
        if not isinstance(self.clip, bool):
            raise InvalidInput(f"clip must be true or false, not {self.clip!r}")
        put("label", _check_label(self.label))

    @property
    def images(self) -> range:
        """The numbers of the images asked for."""
        return range(self.first, self.first + self.n)

    def for_model(self, model: Model, max_work: int | None = None) -> Request:
        """This request as the model can serve it.

        An unconditional model turns ``"all"`` into ``"none"``; a model without a null class
        needs labels.

        Args:
            max_work: the most images times steps that will be computed.
        """
        request = self
        check_int("steps", self.steps, 1, model.schedule.num_timesteps)
        if not model.classes and self.label == "all":
            request = replace(self, label="none")
        if isinstance(request.label, int):
            if not model.classes:
                raise InvalidInput(f"{model.name} knows no classes; choose label 'none'")
            check_int("class", request.label, 0, len(model.classes) - 1)
        if request.label == "none" and model.classes and model.unet.null_index is None:
            raise InvalidInput(f"{model.name} has no null class; choose a class")
        if max_work is not None and self.n * self.steps > max_work:
            raise InvalidInput(
                f"{self.n:,} images x {self.steps:,} steps are {self.n * self.steps:,} denoisings, "
                f"more than the {max_work:,} done at a time; take fewer images or steps"
            )
        return request

    def labels(self, model: Model, images: Sequence[int]) -> list[int | None]:
        """The label of each of these images."""
        if self.label == "all":
            return [i % len(model.classes) for i in images]
        return [None if self.label == "none" else self.label] * len(images)


class Run:
    """A request bound to a model: its start, its labels and its steps.

    Args:
        images: which images of the seed; those of the request unless given.

    Attributes:
        start: x_T, (B, C, H, W).
        timesteps: the decreasing list that will be visited.
        labels: one per image, None for no class.
        dtype: the one used by the network, resolved; part of what a result records.
    """

    def __init__(self, model: Model, request: Request, images: Sequence[int] | None = None):
        self.model, self.request = model, request.for_model(model)
        self.images = list(self.request.images if images is None else images)
        self.labels = self.request.labels(model, self.images)
        self.dtype = model.resolve_dtype(request.dtype)
        self.timesteps = spaced_timesteps(model.schedule, request.steps, request.spacing)
        self.noise = model.noise(request.seed, self.images)

    @property
    def start(self) -> Tensor:
        return self.noise(self.model.schedule.num_timesteps).to(self.model.device)

    def steps(self, x: Tensor | None = None, previous: Step | None = None) -> Iterator[Step]:
        """Iterate the sampler, from the start or on from ``previous``.

        Args:
            x: another start; (B, C, H, W).
            previous: a step of an earlier run of the same request; sampling goes on after it.
        """
        request, timesteps = self.request, self.timesteps
        if previous is not None:
            x, timesteps = previous.x, timesteps[previous.index :]
            if not timesteps:
                return iter(())
        options = {"clip": request.clip, "previous": previous}
        if request.sampler == "ddim":
            options["eta"] = request.eta
        if request.sampler == "ddpm":
            options["variance"] = request.variance
        return SAMPLERS[request.sampler](
            self.model.denoiser(self.labels, request.dtype),
            self.model.schedule,
            self.start if x is None else x,
            timesteps,
            self.noise,
            **options,
        )

    def film(self) -> Film:
        """An empty film of the right size, its first frame the opening noise."""
        return Film(self.start, len(self.timesteps), self.model.schedule.num_timesteps)

    def describe(self, **more) -> str:
        """Everything that made the result, and ``more``, as JSON for the files that leave."""
        about = {"model": self.model.name} | asdict(self.request) | {"dtype": self.dtype}
        return json.dumps(about | more | {"torch": torch.__version__.split("+")[0]})


def sample(model: Model, request: Request, batch: int = BATCH, progress=None) -> np.ndarray:
    """Sample all images of a request, in batches; the batch size changes rounding only.

    Args:
        progress: called with the number of steps just done, each time.

    Returns:
        (n, H, W, C), uint8.
    """
    pictures = []
    for start in range(0, request.n, batch):
        run = Run(model, request, request.images[start : start + batch])
        for step in run.steps():
            if progress:
                progress(1)
        pictures.append(to_uint8(step.x).permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(pictures)


def film(model: Model, request: Request, progress=None) -> Film:
    """Sample in one batch and keep every step.

    Raises:
        InvalidInput: if the film would not fit into memory (see ``Film``).
    """
    run = Run(model, request)
    film = run.film()
    for _ in film.record(run.steps()):
        if progress:
            progress(1)
    return film


def _check_label(label) -> int | str:
    if isinstance(label, str):
        text = label.strip().lower()
        if text in ("all", "none"):
            return text
        if not re.fullmatch(r"-?[0-9]{1,9}", text):
            raise InvalidInput(f"label must be a class number, 'all' or 'none', not {label[:40]!r}")
        label = int(text)
    return check_int("class", label, 0, 10_000)
