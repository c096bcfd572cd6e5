"""Addressable noise: the noise of (seed, image, t) is a function of those three alone.

A counter-based generator (Philox) is asked for exactly the stream that belongs to one image at one
timestep: it is the same alone and in a batch of 64, and a run can be branched at any step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .errors import check_int

# The largest whole number that a browser, too, holds exactly: links and fields must keep it.
MAX_SEED = 2**53 - 1


class Noise:
    """Standard normal noise for a fixed list of images, to be asked for by timestep.

    Args:
        seed: from 0 to 2**53 - 1.
        images: which images of that seed the batch holds, e.g. ``range(64)``.
        shape: (C, H, W) of one image.

    Calling it with a timestep ``t`` returns float32 noise of shape (B, C, H, W). By
    convention samplers take their start x_T from ``t = T`` and the noise that they add
    after evaluating timestep ``t`` from ``t``; the forward process takes that of its step ``t``
    from ``T + 1 + t``, so that the way there and the way back share none.
    """

    def __init__(self, seed: int, images: Sequence[int], shape: tuple[int, ...]):
        self.seed = check_int("seed", seed, 0, MAX_SEED)
        self.images = [check_int("image index", image, 0, MAX_SEED) for image in images]
        self.shape = tuple(shape)

    def __call__(self, t: int) -> Tensor:
        count = int(np.prod(self.shape))
        bits = np.stack([self._bits(image, t, (count + 1) // 2) for image in self.images])
        normal = _box_muller(bits)[:, :count]
        return torch.from_numpy(normal.astype(np.float32)).view(-1, *self.shape)

    def _bits(self, image: int, t: int, words: int) -> np.ndarray:
        # The low counter word counts through the stream; t in the next one keeps streams apart.
        return np.random.Philox(key=[self.seed, image], counter=[0, t, 0, 0]).random_raw(words)


def great_circle(first: Tensor, last: Tensor, share: float | Tensor) -> Tensor:
    """The way from one noise to another along the great circle (Shoemake 1985; DDIM appendix D.5):
    it is as long as noise all the way, where a straight mix of two would be shorter.

    Args:
        first, last: (B, ...), or one of them (1, ...).
        share: how far: 0 is ``first``, 1 ``last``; one for all or (B,).
    """
    share = torch.as_tensor(share, dtype=torch.float64).view(-1, *[1] * (first.ndim - 1))
    a, b = (torch.nn.functional.normalize(x.double().flatten(1), dim=1) for x in (first, last))
    # By both chords: the arc cosine of what is nearly 1 would be off.
    angle = 2 * torch.atan2((a - b).norm(dim=1), (a + b).norm(dim=1)).view(-1, *share.shape[1:])
    share, whole = share.to(angle.device), angle.sin()
    # Where both lie on one line there is no circle, and the straight way is as good as any.
    line = whole < 1e-6
    whole = whole.masked_fill(line, 1)
    weights = ((1 - share) * angle).sin() / whole, (share * angle).sin() / whole
    weights = (torch.where(line, 1 - share, weights[0]), torch.where(line, share, weights[1]))
    return sum(w.to(first.dtype) * x for w, x in zip(weights, (first, last), strict=True))


def _box_muller(bits: np.ndarray) -> np.ndarray:
    """Turn 64 random bits into two normal numbers each, (B, K) to (B, 2 K).

    NumPy promises its bit streams for ever, but not its normal numbers: hence our own.
    """
    radius = np.sqrt(-2 * np.log(((bits >> np.uint64(32)) + 0.5) * 2.0**-32))
    angle = (bits & np.uint64(0xFFFFFFFF)) * (2 * np.pi * 2.0**-32)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
