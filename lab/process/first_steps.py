"""What networks answered at the first step of recent runs.

While a visitor moves a slider, one run after another begins with the same noise and classes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor, nn

KEPT = 16  # answers of one model
LARGEST = 2**18  # bytes of the images of such an answer: a row of photographs, guided


class FirstSteps:
    """Evaluates a network as ``evaluate`` does, but at the first step the same only once.

    Args:
        evaluate: called with a network, x (B, ...), t (B,) and labels (B, ...) or None.
        t: the timestep of the first step.
    """

    def __init__(self, evaluate: Callable[..., Tensor], t: int):
        self.evaluate, self.t = evaluate, t
        self._kept: deque[tuple[nn.Module, Tensor, Tensor | None, Tensor]] = deque(maxlen=KEPT)

    def __call__(self, net: nn.Module, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        if x.requires_grad or x.nbytes > LARGEST or bool((t != self.t).any()):
            return self.evaluate(net, x, t, labels)
        for known, *asked, answer in list(self._kept):
            if known is net and all(map(_same, asked, (x, labels))):
                return answer.clone()
        answer = self.evaluate(net, x, t, labels)
        self._kept.append((net, x, labels, answer.clone()))
        return answer


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and torch.equal(one, other)
