"""The Fréchet distance between features of samples and of real images (Heusel et al. 2017).

    FID = |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^(1/2))

A figure compares only with others of the same n, reference set and feature net: fewer samples
make it larger. So each figure comes with its *floor*, the distance of real images at the same n,
and its *spread*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

from ddpm_core.data import Images
from ddpm_core.errors import InvalidInput, check_int

from ..progress import Progress, passed
from .features import BATCH, Features, batches

BLOCKS = 20
FLOOR_DRAWS = 5


@dataclass(frozen=True)
class Moments:
    """Count, mean and spread of some features, in float64; ``+`` joins two of these."""

    n: int  # how many
    mean: Tensor  # (d,)
    scatter: Tensor  # (d, d), the sum of the outer products of the deviations from the mean

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """The moments of (n, d) features."""
        features = torch.as_tensor(features).double()
        mean = features.mean(0)
        centred = features - mean
        return cls(len(features), mean, centred.T @ centred)

    def __add__(self, other: Moments) -> Moments:
        """The moments of both together (Chan, Golub and LeVeque 1983), without loss where features
        lie far from zero."""
        n, shift = self.n + other.n, other.mean - self.mean
        mean = self.mean + shift * (other.n / n)
        scatter = self.scatter + other.scatter + torch.outer(shift, shift) * (self.n * other.n / n)
        return Moments(n, mean, scatter)

    @property
    def d(self) -> int:
        return len(self.mean)

    @property
    def covariance(self) -> Tensor:
        """(d, d), unbiased."""
        check_enough(self.n, self.d)
        return self.scatter / (self.n - 1)


def check_enough(n: int, d: int, what: str = "images") -> None:
    """Refuse n <= d: the covariance is singular there, and the distance means nothing."""
    if n <= d:
        raise InvalidInput(f"{n:,} {what} are too few for {d:,} features: take more")


def frechet(a: Moments, b: Moments) -> float:
    """The Fréchet distance between two normal distributions, squared as usual; never negative.

    The trace of (C1 C2)^(1/2) is the sum of the singular values of C1^(1/2) C2^(1/2). Either root
    comes from an eigen-decomposition of a symmetric matrix, so that nothing complex can appear,
    and no singular value is the root of a rounding error.
    """
    first, second = a.covariance, b.covariance
    cross = torch.linalg.svdvals(_root(first) @ _root(second)).sum()
    distance = (a.mean - b.mean).square().sum() + first.trace() + second.trace() - 2 * cross
    return max(0.0, float(distance))


@dataclass(frozen=True)
class Score:
    """A Fréchet distance, of samples or of real images."""

    value: float  # the distance; for several draws of real images, their mean
    # The standard error of the distance, by the jackknife over disjoint blocks of the samples (each
    # left out once): what another seed would change, itself known to about a fifth. For draws: the
    # standard deviation between them. None for one draw, or if a left-out block leaves too few
    # samples for the features.
    spread: float | None
    parts: tuple[float, ...] = ()  # the distances without each block, or those of each draw


def gather(
    net: Features, images: Iterable[np.ndarray], total: int, count: int = 1, what: str = "features"
) -> Iterator[Progress | list[Moments]]:
    """The moments of the features of ``total`` pictures, (n, H, W, C), uint8, in ``count`` blocks,
    one after another.

    Yields:
        ``Progress`` after every batch, then a list of ``Moments``.
    """
    check_int("images", total, count, 10**9)
    blocks: list[Moments | None] = [None] * count
    done = 0
    for batch in images:
        features = net.features(batch)
        place = (torch.arange(done, done + len(batch)) * count) // total
        for k in place.unique().tolist():
            moments = Moments.of(features[place == k])
            blocks[k] = moments if blocks[k] is None else blocks[k] + moments
        done += len(batch)
        yield Progress(what, done, total)
    yield blocks


def score(blocks: Sequence[Moments], reference: Moments) -> Score:
    """The distance of all blocks together to a reference, and its spread."""
    whole = reduce(add, blocks)
    value = frechet(whole, reference)
    if len(blocks) < 2 or whole.n - max(block.n for block in blocks) <= whole.d:
        return Score(value, None)
    rest = [[b for j, b in enumerate(blocks) if j != k] for k in range(len(blocks))]
    left_out = tuple(frechet(reduce(add, others), reference) for others in rest)
    return Score(value, jackknife(left_out), left_out)


def jackknife(left_out: Sequence[float]) -> float:
    """The standard error of a figure, from its values without each of some disjoint blocks."""
    count, mean = len(left_out), math.fsum(left_out) / len(left_out)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in left_out) * (count - 1) / count)


def floor(
    net: Features, images: Images, reference: Moments, n: int, seed: int = 0
) -> Iterator[Progress | list[float]]:
    """The distances of ``n`` real images that the reference does not hold, drawn at random up to
    ``FLOOR_DRAWS`` times without replacement: yields ``Progress``, then the distances."""
    draws = min(FLOOR_DRAWS, len(images) // n)
    order = np.random.RandomState(seed % 2**32).permutation(len(images))[: draws * n]
    pictures = batches(images, order, min(BATCH, n))
    blocks = yield from passed(gather(net, pictures, draws * n, draws, "floor"))
    yield [frechet(block, reference) for block in blocks]


def mean_of_draws(values: Sequence[float]) -> Score:
    """The score of some draws of real images, from the distance of each."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Score(float(np.mean(values)), spread, tuple(values))


def _root(matrix: Tensor) -> Tensor:
    """The symmetric root of a covariance; eigenvalues that rounding made negative count as 0."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
