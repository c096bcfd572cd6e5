"""The class that a diffusion model sees in a picture: the one under which it guesses noise best.

After Li et al. 2023, "Your Diffusion Model is Secretly a Zero-Shot Classifier" (arXiv:2303.16203):
the picture is noised, the network is asked for the noise once for every class, and the class with
the smallest mean error wins. All classes share t and the noise, because the errors of two classes
differ far less than those of two noises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ddpm_core.denoiser import predict
from ddpm_core.diffusion import check_images, q_sample
from ddpm_core.errors import InvalidInput, check_int
from ddpm_core.guides import classifier_for, roles_for
from ddpm_core.model import Label, Model
from ddpm_core.schedules import Schedule

from .forward import from_picture

ROUNDS = 24
# The picture is noised until its share of the variance, ᾱ, is between these. With more of it left
# every class does equally well, because the picture itself shows its class. With less, no class
# stands out.
FROM, TO = 0.5, 0.005


@dataclass(frozen=True)
class Thought:
    """What a model takes a picture for, so far.

    Attributes:
        round, rounds: the number of pairs of t and noise so far, and of all.
        gains: for each class, by what share the error of the guess is smaller than without a
            class; if the model always needs a class, than the mean error of all.
        judged: the judge's probability of each class; empty if no judge knows these classes.
    """

    round: int
    rounds: int
    gains: list[float]
    judged: list[float]


def thoughts(
    model: Model, picture: np.ndarray, rounds: int = ROUNDS, seed: int = 0
) -> Iterator[Thought]:
    """What a model takes one picture for, after every round, and what the judge does.

    Args:
        picture: uint8 (H, W, C), of the model's shape.
    """
    x0, labels = from_picture(picture, model.shape), asked_classes(model)
    judged, total = [], len(round_times(model.schedule, rounds))
    if "judge" in roles_for(model):
        judge = classifier_for(model, "judge")
        if judge.classes == model.classes:
            with torch.no_grad():
                judged = judge.log_probs(x0)[0].exp().tolist()
    for done, (errors,) in enumerate(recognising(model, x0, labels, rounds, seed), 1):
        class_errors = errors[: len(model.classes)]
        baseline = errors[-1] if labels[-1] is None else class_errors.mean()
        yield Thought(done, total, (1 - class_errors / baseline).tolist(), judged)


def asked_classes(model: Model) -> list[Label]:
    """The labels that are compared: every class, then None if the model can do without a class.

    Raises:
        InvalidInput: for a model of fewer than two classes.
    """
    if len(model.classes) < 2:
        raise InvalidInput(f"{model.name} knows no classes to choose from")
    return [*range(len(model.classes)), *([] if model.unet.null_index is None else [None])]


def round_times(schedule: Schedule, rounds: int = ROUNDS) -> list[int]:
    """The t of every round, at most as many as there are: evenly spaced from ᾱ = 0.5 to 0.005, in
    an order that covers the whole range early."""
    shares = [schedule.abar(t) for t in range(schedule.num_timesteps)]
    low, high = (min(sum(abar > share for abar in shares), len(shares) - 1) for share in (FROM, TO))
    count = min(check_int("rounds", rounds, 1, 10_000), high - low + 1)
    times = np.linspace(low, high, count).round().astype(int)
    return np.random.RandomState(0).permutation(times).tolist()


def recognising(
    model: Model,
    x0: Tensor,
    labels: Sequence[Label],
    rounds: int = ROUNDS,
    seed: int = 0,
    images: Sequence[int] = (0,),
    dtype: str = "auto",
) -> Iterator[np.ndarray]:
    """Compare labels: how well does a model guess the noise in images when it is told each label?

    Args:
        x0: (B, C, H, W) in [-1, 1].
        rounds: pairs of t and noise; each takes one evaluation of the network for every label.
        seed, images: of the noise; image k has the same noise for every label.

    Yields:
        (B, labels), float64, after every round: the mean squared error of eps under each label,
        over the rounds so far and pixels.
    """
    x0 = check_images(x0, (len(images), *model.shape))
    denoiser, noise = model.denoiser([*labels] * len(x0), dtype), model.noise(seed, images)
    total = 0.0
    for done, t in enumerate(round_times(model.schedule, rounds), 1):
        eps = noise(model.schedule.num_timesteps + 1 + t).to(model.device)
        x = q_sample(model.schedule, x0.to(eps), t, eps)
        x, eps = (tensor.repeat_interleave(len(labels), 0) for tensor in (x, eps))
        with torch.no_grad():
            error = predict(denoiser, x, t).eps - eps
        total = total + error.square().flatten(1).mean(1).cpu().double().view(len(x0), -1)
        yield (total / done).numpy()
