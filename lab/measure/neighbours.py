"""Nearest training images: does a model make new pictures, or give back those it was shown?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ddpm_core.data import Images
from ddpm_core.errors import check_int

from ..progress import Progress
from .features import BATCH, Features, batches

QUANTILE = 0.01


def nearest(
    pictures: np.ndarray, images: Images, k: int = 5, net: Features | None = None
) -> Iterator[Progress | tuple[Tensor, Tensor]]:
    """Find the ``k`` training images nearest to each picture, (m, H, W, C), uint8.

    Yields:
        ``Progress`` after every batch of training images, then indices into them, (m, k), the
        nearest first, and Euclidean distances, (m, k), float64: of features, or without a net of
        pixels from 0 to 1.
    """
    check_int("k", k, 1, len(images))

    def vectors(batch: np.ndarray) -> Tensor:
        if net is not None:
            return net.features(batch)
        return torch.from_numpy(batch).flatten(1).double() / 255

    queries = torch.cat([vectors(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH)])
    mean = queries.mean(0)
    queries = queries - mean
    squares = queries.square().sum(1, keepdim=True)
    best = torch.full((len(queries), k), torch.inf, dtype=torch.float64)
    indices = torch.full((len(queries), k), -1)
    done = 0
    for batch in batches(images):
        others = vectors(batch) - mean
        # Centred and in float64: the difference of squares keeps some 15 digits.
        squared = squares + others.square().sum(1) - 2 * queries @ others.T
        numbers = torch.arange(done, done + len(batch)).expand(len(queries), -1)
        best, order = torch.cat([best, squared], 1).topk(k, largest=False)
        indices = torch.cat([indices, numbers], 1).gather(1, order)
        done += len(batch)
        yield Progress("neighbours", done, len(images))
    yield indices, best.clamp_min(0).sqrt()


def memorised(samples: Tensor, real: Tensor, quantile: float = QUANTILE) -> float:
    """The share of samples that lie as close to a training image as the closest ``quantile`` of the
    real images that the model never saw.

    A model that memorised nothing scores about ``quantile``, one that gives back training images
    near 1.

    Args:
        samples, real: distances to the nearest training image, of samples and of test images.
    """
    return float((samples <= torch.quantile(real, quantile)).double().mean())


def memorised_error(share: float, n: int, compared: int, quantile: float = QUANTILE) -> float:
    """The standard error of ``memorised``, from n samples and a limit that is itself estimated
    from ``compared`` real images. If the share is k times the quantile, k times as many samples lie
    about the limit, so an error of the limit moves the share k times as much.
    """
    of_samples = share * (1 - share) / n
    of_limit = (share / quantile) ** 2 * quantile * (1 - quantile) / compared
    return math.sqrt(of_samples + of_limit)
