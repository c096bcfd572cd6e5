"""The variational bound in bits per dimension (DDPM eq. 5; report eq. 8 and 9).

    L = L_T + sum over t of L_(t-1) + L_0

L_T, the prior term, is what x_T still tells of the image; for the others see
``ddpm_core.variational``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ddpm_core import processes
from ddpm_core.data import Images
from ddpm_core.denoiser import Denoiser, predict
from ddpm_core.diffusion import q_sample
from ddpm_core.errors import check_choice, check_int
from ddpm_core.noise import Noise
from ddpm_core.samplers import SHARES, VARIANCES
from ddpm_core.schedules import Schedule
from ddpm_core.variational import step_bits

from ..progress import Progress


@dataclass(frozen=True)
class Bound:
    """Bits per dimension, a mean over images."""

    bits: float  # the whole bound
    # Its standard error between images, None for one image. The draw of timesteps is not in it.
    error: float | None
    prior: float  # the part of L_T
    steps: float  # the part of all t >= 1
    decoder: float  # the part of t = 0
    # Parts of t = 0 and above in each quarter of [0, T), least noise first; with ``prior`` they add
    # up to ``bits``. None where no timestep was evaluated.
    quarters: tuple[float | None, ...]
    # Mean squared error of eps in each quarter (eq. 10), the same evaluations.
    losses: tuple[float | None, ...]


def bound(
    denoiser_of: Callable[[list[int]], Denoiser],
    schedule: Schedule,
    images: Images,
    *,
    variance: str = "beta",
    clip: bool = True,
    evaluations: int | None = None,
    seed: int = 0,
    batch: int = 64,
    device: torch.device | str = "cpu",
) -> Iterator[Progress | Bound]:
    """Measure the bound on some images.

    Args:
        denoiser_of: from the labels of a batch to its denoiser; see ``of_model``.
        variance: sigma² of the model's way back, as for ``samplers.ddpm``.
        evaluations: of the network for each image; T, all of them, unless given. They are dense
            where t is small, where most of the bound is, and drawn at random above, so that the
            mean is that of all.
        seed: of the noise, a function of (seed, image, t), and of the timesteps.

    Yields:
        ``Progress`` after every evaluation of a batch, then the ``Bound``.
    """
    check_choice("variance", variance, VARIANCES)
    last = schedule.num_timesteps - 1
    count = check_int(
        "evaluations", last + 1 if evaluations is None else evaluations, min(2, last + 1), last + 1
    )
    times, weights = _times(last, count, seed)
    n, shape = len(images), tuple(images.pixels.shape[1:])
    per_image = torch.zeros(n, dtype=torch.float64)
    prior = torch.zeros(n, dtype=torch.float64)
    share = np.zeros(count)  # of the bound
    losses = np.zeros(count)
    parts = processes.split(n, batch)
    done, total = 0, len(parts) * count
    for chosen in parts:
        x0, labels = images.batch(chosen)
        denoiser = denoiser_of(labels.tolist())
        noise = Noise(seed, chosen.tolist(), shape)
        prior[chosen] = prior_bits(schedule, x0)
        for place, t in enumerate(times.tolist()):
            eps = noise(last + 2 + t)
            x = q_sample(schedule, x0, t, eps)
            with torch.no_grad():  # the rest is in float64, which not every device has
                prediction = predict(denoiser, x.to(device), t)
            share_of_beta = SHARES[variance]
            if variance == "learned":
                share_of_beta = prediction.extras["variance"].cpu().double()
            clean, noisy, predicted = (tensor.cpu().double() for tensor in (x0, x, prediction.eps))
            bits = step_bits(schedule, clean, noisy, t, predicted, share_of_beta, clip)
            bits *= weights[place]
            per_image[chosen] += bits
            share[place] += float(bits.sum()) / n
            losses[place] += float((predicted - eps).square().flatten(1).mean(1).sum()) / n
            done += 1
            yield Progress("bound", done, total)
    processes.add_up([per_image, prior, *map(torch.from_numpy, (share, losses))])
    whole = per_image + prior
    edges = [q * (last + 1) // 4 for q in range(5)]
    within = [(low <= times) & (times < high) for low, high in pairwise(edges)]
    yield Bound(
        bits=float(whole.mean()),
        error=float(whole.std() / math.sqrt(n)) if n > 1 else None,
        prior=float(prior.mean()),
        steps=float(share[1:].sum()),
        decoder=float(share[0]),
        quarters=tuple(float(share[mask].sum()) if mask.any() else None for mask in within),
        losses=tuple(
            float(np.average(losses[mask], weights=weights[mask])) if mask.any() else None
            for mask in within
        ),
    )


def of_model(model, images: Images, **options):
    """``bound`` of a ``model.Model`` in float32, told the class if it knows classes."""
    model.check_variance(options.get("variance"))

    def denoiser_of(labels):
        return model.denoiser(labels if model.classes else None, "float32")

    return bound(denoiser_of, model.schedule, images, device=model.device, **options)


def prior_bits(schedule: Schedule, x0: Tensor) -> Tensor:
    """L_T: the divergence of q(x_T | x_0) from a standard normal, bits per dimension, (B,)."""
    signal2, sigma2 = float(schedule.signals[-1]) ** 2, float(schedule.sigmas[-1]) ** 2
    square = x0.double().square().flatten(1).mean(1)
    return 0.5 * (signal2 * square + sigma2 - 1 - math.log(sigma2)) / math.log(2)


def _times(last: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """0, then one timestep from each of ``count`` - 1 parts of the rest; and the number of
    timesteps that each stands for.

    The parts grow with t, by one factor once they are wider than one timestep: each then holds
    about as many bits. Parts of one width would leave the costliest, t = 1 to 5, to chance.
    """
    edges = [1]
    for left in range(count - 1, 0, -1):
        edge = round(edges[-1] * ((last + 1) / edges[-1]) ** (1 / left))
        edges.append(min(max(edge, edges[-1] + 1), last + 2 - left))
    generator = np.random.RandomState(seed % 2**32)
    times = [int(generator.randint(a, b)) for a, b in pairwise(edges)]
    return np.array([0, *times]), np.array([1.0, *np.diff(edges)])
