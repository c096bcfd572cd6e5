"""How well samples match the class that was asked for, and how much they vary."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ddpm_core.data import to_uint8, to_unit
from ddpm_core.guides import classifier_for
from ddpm_core.model import Model
from ddpm_core.request import Request, main_class
from ddpm_core.sampling import BATCH, Run

# ``Distances`` of real images, to compare with: the first 3,000 of the test set.
REAL_DISTANCE = {"mnist": 8.76, "cifar10": 18.14}


@dataclass(frozen=True)
class Measured:
    """Figures of n samples: the share that the judge takes for the wanted class, and the mean of
    their ``Distances``."""

    n: int
    accuracy: float
    distance: float

    @property
    def error(self) -> float:
        """The standard error of the accuracy."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.n)


def wanted(model: Model, request: Request) -> list[int]:
    """The class that each image of a request is measured against.

    A request without a class is measured as if image i had been asked for class i modulo the
    number of classes; a mixture, against its larger part.
    """
    request, count = request.for_model(model), len(classifier_for(model, "judge").classes)
    labels = request.labels(model, request.images)
    known = map(main_class, labels)
    return [i % count if k is None else k for k, i in zip(known, request.images, strict=True)]


def measuring(model: Model, request: Request, batch: int = BATCH) -> Iterator[Measured | None]:
    """Sample a request and measure it; yields None after every step, and figures after a batch.

    The figures are of all images up to there; the last ones are of the whole request. The
    pictures are rounded to 8 bits first, as they would be looked at.
    """
    tally = Tally(model, request)
    for start in range(0, request.n, batch):
        run = Run(model, request, request.images[start : start + batch])
        for step in run.steps():
            yield None
        yield tally.add(to_uint8(step.x))


class Tally:
    """Figures of a request's pictures as they come, with a ``judge`` that looks at them."""

    def __init__(self, model: Model, request: Request):
        self.judge, self._classes = classifier_for(model, "judge"), wanted(model, request)
        self._distances, self._hits, self._count = Distances(), 0, 0

    @torch.no_grad()
    def add(self, seen: Tensor) -> Measured:
        """The figures with the next pictures, (n, C, H, W), uint8, in the request's order."""
        first, self._count = self._count, self._count + len(seen)
        classes = torch.tensor(self._classes[first : self._count])
        judged = self.judge.log_probs(to_unit(seen), 1.0).argmax(1).cpu()
        self._hits += int((judged == classes).sum())
        self._distances.add(seen.cpu(), classes)
        return Measured(self._count, self._hits / self._count, self._distances.mean)


class Distances:
    """How much images of one class differ: diversity, in the simplest terms.

    The distance of two images is Euclidean, over all pixels from 0 to 1. ``mean`` is its mean over
    all pairs within a class, averaged over the classes with at least two images. The images come
    in batches, and no pair is measured twice.
    """

    def __init__(self):
        self._images: dict[int, Tensor] = {}
        self._sums: dict[int, float] = {}

    def add(self, images: Tensor, labels: Tensor) -> None:
        """Count in some images, (n, ...), uint8, of classes (n,)."""
        for label in labels.unique().tolist():
            new = images[labels == label].flatten(1)
            old = self._images.get(label, new[:0])
            self._images[label] = torch.cat([old, new])
            new, old = new.double() / 255, old.double() / 255
            exact = "donot_use_mm_for_euclid_dist"
            total = torch.cdist(new, old, compute_mode=exact).sum() + torch.pdist(new).sum()
            self._sums[label] = self._sums.get(label, 0.0) + float(total)

    @property
    def mean(self) -> float:
        """NaN if no class has two images."""
        counts = {label: len(images) for label, images in self._images.items() if len(images) > 1}
        means = [self._sums[label] / (n * (n - 1) / 2) for label, n in counts.items()]
        return sum(means) / len(means) if means else float("nan")
