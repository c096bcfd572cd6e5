"""Stochastic gradient descent whose steps change every direction of a kernel alike."""

from __future__ import annotations

import torch
from torch import Tensor

from ddpm_core.muon import orthogonal

ITERATIONS = 3  # of making a step orthogonal


class Muon(torch.optim.Optimizer):
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
        kinds = {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "orthogonal": False}
        super().__init__(groups, kinds)

    def add_param_group(self, group: dict) -> None:
        super().add_param_group(group)
        if group["orthogonal"] and any(p.ndim < 2 for p in group["params"]):
            raise ValueError("a step is orthogonal only of parameters with two axes or more")

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                ahead = self._ahead(weight, group)
                if group["orthogonal"]:
                    weight.mul_(len(weight) ** 0.5 / weight.norm().clamp(min=1e-7))
                    ahead = orthogonal(ahead.flatten(1).to(self.dtype), ITERATIONS).view_as(weight)
                weight.add_(ahead.to(weight.dtype), alpha=-group["lr"])

    def _ahead(self, weight: Tensor, group: dict) -> Tensor:
        gradient = weight.grad.add(weight, alpha=group["weight_decay"])
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        past = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        return gradient.add(past, alpha=group["momentum"])
