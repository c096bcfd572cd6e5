"""Muon: descent whose steps turn every direction of a kernel alike."""

import pytest
import torch

from ddpm_core.muon import orthogonal
from lab.measure.muon import ITERATIONS, Muon


def kernel(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def step(weight, *gradients, lr=0.1, **group):
    weight = torch.nn.Parameter(weight.clone())
    muon = Muon([{"params": [weight], **group}], lr)
    for gradient in gradients:
        weight.grad = gradient
        muon.step()
    return weight.detach()


def test_a_kernel_moves_by_a_share_of_itself_whatever_the_scale_of_it_and_of_its_gradient():
    weight, gradient = kernel(16, 8, 3, 3), kernel(16, 8, 3, 3, seed=1)
    result = step(weight, gradient, orthogonal=True)
    scaled = weight * 16**0.5 / weight.norm()
    direction = orthogonal(gradient.flatten(1), ITERATIONS).view_as(weight)
    torch.testing.assert_close(result, scaled - 0.1 * direction)
    torch.testing.assert_close(step(9 * weight, 1e-4 * gradient, orthogonal=True), result)
    with pytest.raises(ValueError, match="two axes"):
        step(kernel(5), kernel(5), orthogonal=True)


def test_all_else_moves_as_under_stochastic_gradient_descent():
    weight, gradients = kernel(7), [kernel(7, seed=k) for k in (1, 2, 3)]
    theirs = torch.nn.Parameter(weight.clone())
    sgd = torch.optim.SGD([theirs], 0.1, momentum=0.85, nesterov=True, weight_decay=0.3)
    for gradient in gradients:
        theirs.grad = gradient
        sgd.step()
    ours = step(weight, *gradients, weight_decay=0.3)
    torch.testing.assert_close(ours, theirs.detach())
