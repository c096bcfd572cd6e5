"""Stable targets: the mean of all training images that may have led to a noisy one."""

from __future__ import annotations

from itertools import accumulate, pairwise

import torch
from torch import Tensor

from .data import Images
from .diffusion import q_sample, signal_and_noise
from .schedules import Schedule


class StableTargets:
    """For a noisy image: the mean of the training images that it may have come from.

    A network learns E[x0 | x_t], but a training step shows it a single x0. Near T thousands of
    images are about as likely, and their differences are most of the noise in the gradient. The
    mean can be computed: a training image weighs p(x0 | x_t), which is proportional to
    exp(-|x_t - alpha x0|² / 2 sigma²). The expected gradient stays the same (Xu, Tong, Jaakkola
    2023, arXiv:2302.00670, who take the mean over a part of the images).

    Args:
        images: the training set; held in float32.
        conditional: the model is told a class: only images of that class count.
        flip: the mirror images count too.
        device: where they lie, and where the means are made.
    """

    def __init__(
        self, images: Images, conditional: bool, flip: bool, device: str | torch.device = "cpu"
    ):
        order = images.labels.argsort(stable=True) if conditional else slice(None)
        x0, labels = images.batch(order)
        self.flat, self.shape, self.flip = x0.flatten(1).to(device), x0.shape[1:], flip
        self.half_norms = self.flat.square().sum(1) / 2
        counts = torch.bincount(labels).tolist() if conditional else []
        ends = list(accumulate(counts, initial=0))
        self.pieces = [slice(*of_class) for of_class in pairwise(ends)]

    def __call__(
        self, schedule: Schedule, x0: Tensor, t: Tensor, noise: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The mean image of each and the noise that leads from it to the same x_t, which stand for
        ``x0`` and ``noise`` in any loss that is linear in them before it is squared.

        Args:
            x0, noise: (B, C, H, W).
            t: (B,).
            labels: (B,); one beyond the classes stands for all of them.
        """
        x = q_sample(schedule, x0, t, noise)
        signal, sigma = signal_and_noise(schedule, t, x)
        towards = (x * signal / sigma**2, signal**2 / sigma**2)
        mean = torch.empty_like(x0)
        labels = labels.clamp(max=len(self.pieces))
        for label in labels.unique().tolist():
            chosen = labels == label
            where = [*self.pieces, slice(None)][label]
            mean[chosen] = self._mean(*(factor[chosen] for factor in towards), where)
        return mean, (x - signal * mean) / sigma

    def _mean(self, towards: Tensor, sharpness: Tensor, where: slice) -> Tensor:
        flat, half_norms = self.flat[where], self.half_norms[where]
        views = torch.stack([towards, towards.flip(-1)] if self.flip else [towards], 1)
        logits = (views.flatten(0, 1).flatten(1) @ flat.T).view(*views.shape[:2], -1)
        logits -= sharpness.flatten(1)[:, None] * half_norms
        weights = logits.flatten(1).softmax(1).view(-1, len(flat))
        means = (weights @ flat).view(views.shape)
        plain, *mirrored = means.unbind(1)
        return plain + sum(mean.flip(-1) for mean in mirrored)
