"""Training a judge, with what gives a classifier its last per cent. A guide can do without it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_core import data, fields
from ddpm_core.classifier import ClassifierConfig
from ddpm_core.classifier_trainer import ClassifierRecipe, ClassifierTrainer
from ddpm_core.muon import orthogonal

WHITENED_BY = 5000  # images
MOMENTUM, MOMENTUM_OF_KERNELS = 0.85, 0.6
ITERATIONS = 3  # to make a step of kernels orthogonal


@fields.documented
@dataclass(frozen=True)
class JudgeRecipe(ClassifierRecipe):
    """What judge to train, and how."""

    classifier: dict = field(default_factory=lambda: {"kind": "whitened-ensemble"})
    cutout: int = fields.whole(
        0, 0, 1000, "make a square of so many pixels a side grey, somewhere in each"
    )
    label_smoothing: float = fields.number(
        0.0, 0, 1, "share of the target that all classes have in equal parts"
    )
    all_images: bool = fields.flag(
        False,
        "learn from the images held out as well: what is measured on them meanwhile tells how "
        "training goes, but not how well it will do",
    )
    kernel_lr: float = fields.number(
        0.08, 1e-6, 1, "learning rate of the convolutions' kernels, which do not decay"
    )
    bias_rate: float = fields.number(
        1.0,
        0.01,
        1000,
        "by how much faster the biases of normalisation learn than all else, and decay that much "
        "less (Jordan 2024, arXiv:2404.00498)",
    )

    def config(self, images: data.Images) -> ClassifierConfig:
        """As in ``ClassifierRecipe``."""
        config = super().config(images)
        if self.cutout:
            config.preprocessing["cutout"] = self.cutout
        return config


class JudgeTrainer(ClassifierTrainer):
    """Trains a ``WhitenedEnsemble`` by ``Muon``."""

    def _to_learn(self) -> data.Images:
        images = super()._to_learn()
        if not self.recipe.all_images:
            return images
        held_out = self._split("validation")
        pixels = torch.cat([images.pixels, held_out.pixels])
        return replace(images, pixels=pixels, labels=torch.cat([images.labels, held_out.labels]))

    def _build(self) -> None:
        super()._build()
        chosen = torch.randperm(len(self.images))[:WHITENED_BY]
        self.model.whiten(self.images.batch(chosen)[0])

    def _optimizer(self, parameters) -> torch.optim.Optimizer:
        dtype = torch.bfloat16 if self.bf16 else torch.float32
        return Muon(self._groups(), self.recipe.lr, momentum=MOMENTUM, dtype=dtype)

    def _groups(self) -> list[dict]:
        """The groups of parameters; each learns ``rate`` times as fast as ``lr``."""
        recipe = self.recipe
        norms = [m for m in self.model.modules() if isinstance(m, nn.BatchNorm2d)]
        biases = {id(norm.bias) for norm in norms} if recipe.bias_rate != 1 else set()
        kernels, fast, rest = [], [], []
        for p in self.model.parameters():
            if p.requires_grad:
                (kernels if p.ndim == 4 else fast if id(p) in biases else rest).append(p)
        groups = [
            {"params": params, "rate": rate, "weight_decay": recipe.weight_decay / rate}
            for params, rate in ((rest, 1.0), (fast, recipe.bias_rate))
        ]
        muon = {"orthogonal": True, "momentum": MOMENTUM_OF_KERNELS, "weight_decay": 0.0}
        groups.append({"params": kernels, "rate": recipe.kernel_lr / recipe.lr} | muon)
        return [group for group in groups if group["params"]]

    def _augmented(self, x: Tensor) -> Tensor:
        return cut_out(super()._augmented(x), self.recipe.cutout)

    def _loss(self, x: Tensor, t: Tensor | None, labels: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.model.votes(x).transpose(1, 2)
        labels = labels[:, None].expand(-1, logits.shape[2])
        smoothing = self.recipe.label_smoothing
        return F.cross_entropy(logits.float(), labels, label_smoothing=smoothing)

    def _training(self) -> dict:
        record = super()._training()
        return record | {"held_out": 0} if self.recipe.all_images else record


def cut_out(x: Tensor, size: int) -> Tensor:
    """Make a square of each image grey, at a place of its own (after DeVries and Taylor 2017).

    The square lies within the image if that has ``size`` pixels a side. Size 0 makes no square.
    """
    if not size:
        return x
    masks = []
    for length in x.shape[-2:]:
        start = torch.randint(0, max(length - size, 0) + 1, (len(x), 1))
        places = torch.arange(length)
        masks.append((places >= start) & (places < start + size))
    rows, columns = masks
    return x.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)


class Muon(torch.optim.SGD):
    """SGD with Nesterov's momentum; for kernels, with orthogonal steps, see ``ddpm_core.muon``.

    Before the step a kernel is scaled to a mean square of its outputs' norms of 1. A layer that
    normalises the outputs cancels this scale, and ``lr`` is a share of the kernel whatever its
    shape.

    Args:
        groups: dicts of ``params``, ``lr``, ``momentum`` and either ``orthogonal: True``, where
            each parameter has two axes or more, or ``weight_decay``.
        dtype: in which the steps are made orthogonal.
    """

    def __init__(self, groups: list[dict], lr: float, *, momentum: float, dtype: torch.dtype):
        self.dtype = dtype
        super().__init__(groups, lr, momentum, nesterov=True)

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for kernel in group["params"] if group.get("orthogonal") else ():
                if kernel.grad is not None:
                    self._move(kernel, group["lr"], group["momentum"])
                    kernel.grad = None  # nothing is left of it for SGD
        super().step()

    def _move(self, kernel: Tensor, lr: float, momentum: float) -> None:
        past = self.state[kernel].setdefault("momentum_buffer", torch.zeros_like(kernel))
        past.mul_(momentum).add_(kernel.grad)
        ahead = kernel.grad.add(past, alpha=momentum).flatten(1).to(self.dtype)
        kernel.mul_(len(kernel) ** 0.5 / kernel.norm().clamp(min=1e-7))
        step = orthogonal(ahead, ITERATIONS).view_as(kernel).to(kernel.dtype)
        kernel.add_(step, alpha=-lr)
