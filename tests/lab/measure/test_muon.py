"""Muon: descent whose steps turn every direction of a kernel alike."""

import pytest
import torch

from lab.measure.muon import Muon, orthogonal


def kernel(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(24, 90), (90, 24), (24, 24)])
def test_an_orthogonal_step_keeps_directions_and_evens_their_sizes(shape):
    """Of singular values that span a factor of 20, within a half of 1."""
    u, _, v = torch.linalg.svd(kernel(*shape).double(), full_matrices=False)
    sizes = torch.linspace(1, 0.05, u.shape[1]).double()
    between = u.T @ orthogonal(7 * u * sizes @ v) @ v.T
    evened = between.diagonal()
    torch.testing.assert_close(between, evened.diag(), rtol=0, atol=1e-9)
    assert evened.min() > 0.5 and evened.max() < 1.3
    assert orthogonal(torch.tensor([1.0, 0.001]).diag())[1, 1] > 20 * 0.001
    with pytest.raises(ValueError, match="two axes"):
        Muon([{"params": [torch.nn.Parameter(kernel(5))], "orthogonal": True}], 0.1)


def step(weight, *gradients, lr=0.1, **group):
    weight = torch.nn.Parameter(weight.clone())
    muon = Muon([{"params": [weight], **group}], lr)
    for gradient in gradients:
        weight.grad = gradient
        muon.step()
    return weight.detach()


def test_a_kernel_moves_by_a_share_of_itself_whatever_the_scale_of_it_and_of_its_gradient():
    weight, gradient = kernel(16, 8, 3, 3), kernel(16, 8, 3, 3, seed=1)
    moved = step(weight, gradient, orthogonal=True)
    scaled = weight * 16**0.5 / weight.norm()
    towards = orthogonal(gradient.flatten(1)).view_as(weight)
    torch.testing.assert_close(moved, scaled - 0.1 * towards)
    torch.testing.assert_close(step(9 * weight, 1e-4 * gradient, orthogonal=True), moved)


def test_all_else_moves_as_under_stochastic_gradient_descent():
    weight, gradients = kernel(7), [kernel(7, seed=k) for k in (1, 2, 3)]
    theirs = torch.nn.Parameter(weight.clone())
    sgd = torch.optim.SGD([theirs], 0.1, momentum=0.85, nesterov=True, weight_decay=0.3)
    for gradient in gradients:
        theirs.grad = gradient
        sgd.step()
    ours = step(weight, *gradients, weight_decay=0.3)
    torch.testing.assert_close(ours, theirs.detach())
