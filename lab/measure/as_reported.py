"""The FID as the report's code takes it. Its numbers compare only with others of this kind.

That code is src/metrics.py and src/postprocessing.py of ``report_errors.REPORT_CODE``. Its features
are the ten logits of a classifier of clean digits. It shows that net the pictures of CIFAR-10 too,
turned grey. Its figure is the mean of the distances of minibatches. Logits have no bound: pictures
far from anything that the net has learned can make the logits, and the figure, very large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_core import checkpoints
from ddpm_core.data import to_unit

from .features import Features
from .fid import Moments, Score, frechet, jackknife
from .results import fingerprint

NET = "mnist-classifier"
MINIBATCH = 128  # the report's batch; it does not say how many images each distance was of
LAYER = f"its ten logits, of pictures in grey at its size, mean over minibatches of {MINIBATCH}"
LUMA = (0.299, 0.587, 0.114)


def logits_in_grey() -> Features:
    """The logits of the shipped classifier of digits, of pictures of any size and colour."""
    classifier = checkpoints.load_classifier(NET)
    net, size = classifier.net, classifier.shape[-1]

    def logits(images: Tensor) -> Tensor:
        return net(in_grey(images, size).to(classifier.device))

    return Features(NET, LAYER, fingerprint(net), logits)


def in_grey(images: Tensor, size: int) -> Tensor:
    """(n, C, H, W), uint8, to (n, 1, size, size) in [-1, 1]."""
    x = to_unit(images)
    if x.shape[1] == 3:
        x = (x * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x, (size, size), mode="bilinear", antialias=True)


def mean_distance(blocks: Sequence[Moments], reference: Sequence[Moments]) -> Score:
    """The mean of the distances of minibatches, pair by pair, with its standard error."""
    distances = [frechet(a, b) for a, b in zip(blocks, reference, strict=True)]
    total, count = math.fsum(distances), len(distances)
    left_out = tuple((total - distance) / (count - 1) for distance in distances)
    return Score(total / count, jackknife(left_out), left_out)
