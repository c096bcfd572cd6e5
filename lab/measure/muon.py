"""Stochastic gradient descent whose steps change every direction of a kernel alike."""

from __future__ import annotations

import torch
from torch import Tensor

from ddpm_core.muon import orthogonal

ITERATIONS = 3  # of making a step orthogonal


class Muon(torch.optim.SGD):
    """SGD with Nesterov's momentum; for kernels, with orthogonal steps (Jordan et al. 2024, Muon).

    The gradient of a kernel, seen as a matrix of (outputs, all else), has few directions with
    large singular values and many with small ones, which plain descent hardly moves along. Here
    each step keeps the directions, with singular values of about 1. Before the step a kernel is
    scaled to a mean square of its outputs' norms of 1. A layer that normalises the outputs cancels
    this scale, and ``lr`` is a share of the kernel whatever its shape.

    Args:
        groups: dicts of ``params``, ``lr``, ``momentum`` and either ``orthogonal: True``, where
            each parameter has two axes or more, or ``weight_decay``.
        dtype: in which the steps are made orthogonal.
    """

    def __init__(self, groups: list[dict], lr: float, *, momentum=0.85, dtype=torch.float32):
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
