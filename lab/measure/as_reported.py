"""The FID as the report's code takes it: its numbers compare with nothing but others of this kind.

That code is src/metrics.py and src/postprocessing.py of ``faults.REPORT_CODE``. Its features are
the ten logits of a classifier of clean digits; it shows that net the pictures of CIFAR-10 too,
turned grey; and its figure is the mean of the distances of minibatches. Logits have no bound:
pictures far from anything the net was taught can make them, and the figure, very large.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_core import checkpoints, data
from ddpm_core.checkpoints import Model
from ddpm_core.data import to_unit
from ddpm_core.errors import InvalidInput, check_choice
from ddpm_core.hardware import describe
from ddpm_core.request import Request
from ddpm_core.sampling import BATCH

from ..progress import Progress, passed
from .evaluation import FLOOR_SEED, REFERENCES, Fid, about, real_images
from .features import Features, NetFeatures, batches
from .fid import Floor, Moments, Score, frechet, gather_blocks, jackknife
from .shards import HOME, Shards

NET = "mnist-classifier"
MINIBATCH = 128  # the report's batch; over how many images it took each distance, it does not say
LAYER = f"its ten logits, of pictures in grey at its size, mean over minibatches of {MINIBATCH}"
SHORT = "as the report takes it"  # for a card
LUMA = (0.299, 0.587, 0.114)


def evaluate_as_reported(
    model: Model,
    request: Request,
    *,
    reference: str = "test",
    net: Features | None = None,
    root: str | Path | None = None,
    home: Path = HOME,
    batch: int = BATCH,
) -> Iterator[Progress | Fid]:
    """Sample a request, or read what is on disk of it, and measure its FID in the report's way.

    Each minibatch of samples is compared with one of real images, drawn at random once and for all.

    Args:
        net: the feature net; ``logits_in_grey()`` unless given.
        reference, root, home, batch: as of ``evaluation.evaluate_fid``.

    Yields:
        ``Progress`` after every step, then ``Fid``; its floor is what real images of the other
        split get in as many minibatches.

    Raises:
        InvalidInput: before anything is sampled, if n is no multiple of a minibatch, at least two
            of them, or if there are fewer real images.
    """
    check_choice("reference set", reference, REFERENCES)
    started = time.monotonic()
    shards, net = Shards(model, request, home, batch), net or logits_in_grey()
    images, rest = real_images(model, reference, root)
    n = shards.request.n
    if n < 2 * MINIBATCH or n % MINIBATCH:
        raise InvalidInput(f"n = {n:,} does not make two or more minibatches of {MINIBATCH}")
    if min(len(images), len(rest)) < n:
        raise InvalidInput(f"there are fewer than n = {n:,} real images to compare with")
    yield from passed(shards.sampling())
    pictures = (it for it in shards.sampling() if isinstance(it, np.ndarray))
    ours = yield from passed(gather_blocks(net, pictures, n, n // MINIBATCH))
    real = yield from passed(_of_real_images(net, images, n))
    beside = yield from passed(_of_real_images(net, rest, n))
    lowest = mean_distance(beside, real)
    there = about(model, images, reference)
    there["reference"] |= {"images": n, "drawn_of": len(images), "seed": FLOOR_SEED}
    protocol = (
        there
        | shards.protocol()
        | {
            "features": {"name": net.name, "layer": net.layer, "count": 10, "mark": net.mark},
            "floor": {"split": REFERENCES[reference], "draws": 1, "seed": FLOOR_SEED},
        }
    )
    yield Fid(
        mean_distance(ours, real),
        Floor(lowest.value, lowest.spread, n, 1),
        protocol,
        time.monotonic() - started,
        describe(model.device),
    )


def logits_in_grey(name: str = NET) -> NetFeatures:
    """The logits of a shipped classifier of grey pictures, of pictures of any size and colour.

    Raises:
        InvalidInput: if that classifier does not ship.
    """
    if name not in checkpoints.available_classifiers():
        raise InvalidInput(f"the report's FID needs the checkpoint {name}")
    classifier = checkpoints.load_classifier(checkpoints.HOME / name)

    def take(images: Tensor) -> Tensor:
        return classifier.net(in_grey(images, classifier.shape[-1]))

    return NetFeatures(classifier.name, LAYER, classifier.net, take)


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
    apart = [frechet(a, b) for a, b in zip(blocks, reference, strict=True)]
    total, count = math.fsum(apart), len(apart)
    without = tuple((total - it) / (count - 1) for it in apart)
    n = sum(block.n for block in blocks)
    return Score(total / count, jackknife(without), n, blocks[0].d, without)


def _of_real_images(net: Features, images: data.Images, n: int) -> Iterator[Progress | list]:
    order = np.random.RandomState(FLOOR_SEED).permutation(len(images))[:n]
    return gather_blocks(net, batches(images, order), n, n // MINIBATCH, "real images")
