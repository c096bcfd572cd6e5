"""Adam, but of matrices, whose steps turn every direction alike: Muon."""

from __future__ import annotations

import torch
from torch import Tensor

# Of the polynomial whose iteration brings all singular values near to 1 (Jordan et al. 2024).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
# Root mean square of Adam's steps as they are met in practice, in units of the learning rate: an
# orthogonal one is brought to it, so that both go by one learning rate (Liu et al. 2025,
# arXiv:2502.16982).
RMS_OF_ADAM = 0.2


class Muon(torch.optim.Adam):
    """Adam of some parameters, and orthogonal steps of others (Muon, Jordan et al. 2024).

    The gradient of a matrix has few directions with large singular values and many with small
    ones, which Adam hardly moves along. Here its step, with Nesterov's momentum, has the same
    directions, with singular values of about 1.

    Args:
        matrices: parameters with two axes or more; a convolution's is one of (outputs, all else).
        others: moved by Adam.
        lr: of both.
        momentum: of the matrices.
        dtype: in which their steps are made orthogonal.
    """

    def __init__(self, matrices, others, lr: float, *, momentum=0.95, dtype=torch.float32):
        self.dtype = dtype
        groups = [{"params": list(others)}, {"params": list(matrices), "momentum": momentum}]
        super().__init__(groups, lr, fused=True)

    @torch.no_grad()
    def step(self) -> None:
        group = self.param_groups[1]
        for matrix in group["params"]:
            if matrix.grad is not None:
                self._move(matrix, group["lr"], group["momentum"])
                matrix.grad = None  # nothing is left of it for Adam
        super().step()

    def _move(self, matrix: Tensor, lr: float, momentum: float) -> None:
        state = self.state[matrix]
        if not state:  # by the names of Adam, which looks for them in a state that it loads
            state |= {"step": torch.tensor(0.0), "exp_avg": torch.zeros_like(matrix)}
        past = state["exp_avg"].lerp_(matrix.grad, 1 - momentum)
        ahead = matrix.grad.lerp(past, momentum).flatten(1)
        size = RMS_OF_ADAM * max(ahead.shape) ** 0.5
        step = orthogonal(ahead.to(self.dtype)).to(matrix.dtype).view(matrix.shape)
        matrix.add_(step, alpha=-lr * size)


def orthogonal(matrix: Tensor, iterations: int = 5) -> Tensor:
    """Roughly the nearest matrix with orthogonal rows, or columns where there are fewer of them.

    It has the same singular vectors, with singular values near to 1, but for those far below the
    largest ones, which are nearer to it than they were; the nearer, the more iterations.
    """
    a, b, c = COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(iterations):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide if wide.shape == matrix.shape else wide.T
