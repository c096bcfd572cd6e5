"""Feature nets: from pictures to the numbers that distances and nearest neighbours compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_core import checkpoints
from ddpm_core.classifier import Classifier
from ddpm_core.data import Images, to_unit
from ddpm_core.errors import InvalidInput
from ddpm_core.guides import classifier_for
from ddpm_core.model import Model

from .results import fingerprint

BATCH = 250
STAND_IN, SIDE, DIRECTIONS = "cifar10-judge", 32, 64


@dataclass(frozen=True)
class Features:
    """A feature net, in eval mode."""

    # name, layer: the net, and the layer of its activations, for the protocol of a figure.
    name: str
    layer: str
    mark: str  # equal for equal weights
    take: Callable[[Tensor], Tensor]  # (n, C, H, W), uint8, to (n, d)

    @torch.no_grad()
    def features(self, images: np.ndarray) -> Tensor:
        """(n, H, W, C), uint8, to (n, d), float64, on the CPU."""
        features = self.take(torch.from_numpy(images).permute(0, 3, 1, 2)).cpu().double()
        if not torch.isfinite(features).all():
            raise InvalidInput(f"{self.name} gives numbers that are not finite")
        return features


def classifier_features(classifier: Classifier) -> Features:
    """The penultimate layer of a classifier, of clean images."""
    count = len(getattr(classifier.net, "members", [0]))
    layer = "the penultimate layer" if count == 1 else f"the penultimate layers of {count} networks"
    if getattr(classifier.net, "mirror", False):
        layer += ", mean over image and mirror image"
    return Features(
        classifier.name,
        layer,
        fingerprint(classifier.net),
        lambda images: classifier.features(to_unit(images), 1.0),
    )


def features_for(model: Model) -> Features:
    """The judge of a model's dataset; where it has none, ``stand_in``."""
    try:
        return classifier_features(classifier_for(model, "judge"))
    except InvalidInput:
        return stand_in()


def stand_in() -> Features:
    """For data without a judge: ``STAND_IN`` of pictures brought to 32 x 32 pixels, its features
    projected to few directions, drawn at random once and for all, so that few images will do."""
    classifier = checkpoints.load_classifier(STAND_IN)
    judge = classifier_features(classifier)
    count = classifier.features(torch.zeros(1, *classifier.shape), 1.0).shape[1]
    noise = np.random.RandomState(0).standard_normal((count, DIRECTIONS))
    directions = torch.from_numpy(np.linalg.qr(noise)[0])

    def take(images: Tensor) -> Tensor:
        x = to_unit(images).expand(-1, 3, -1, -1)
        if x.shape[-1] != SIDE:
            x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        return judge.take(x).double().cpu() @ directions

    layer = (
        f"{judge.layer}, of pictures brought to {SIDE} x {SIDE}, in {DIRECTIONS} random directions"
    )
    return Features(f"{STAND_IN}-{DIRECTIONS}", layer, judge.mark, take)


def batches(images: Images, chosen=None, size: int = BATCH) -> Iterator[np.ndarray]:
    """A dataset's pictures as (n, H, W, C), uint8: those ``chosen``, in that order, or all."""
    chosen = torch.arange(len(images)) if chosen is None else torch.as_tensor(chosen)
    for part in chosen.split(size):
        yield images.pixels[part].permute(0, 2, 3, 1).numpy()
