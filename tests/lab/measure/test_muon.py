"""Muon: descent whose steps turn every direction of a kernel alike."""

import torch

from ddpm_core.muon import orthogonal
from lab.measure.muon import ITERATIONS, Muon


def kernel(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def step(weight, *gradients):
    weight = torch.nn.Parameter(weight.clone())
    muon = Muon([{"params": [weight], "orthogonal": True}], 0.1)
    for gradient in gradients:
        weight.grad = gradient
        muon.step()
    return weight.detach()


def test_a_kernel_moves_by_a_share_of_itself_whatever_the_scale_of_it_and_of_its_gradients():
    weight, *gradients = (kernel(16, 8, 3, 3, seed=k) for k in range(3))
    expected, past = weight, 0
    for gradient in gradients:
        past = 0.85 * past + gradient
        ahead = (gradient + 0.85 * past).flatten(1)
        scaled = expected * 16**0.5 / expected.norm()
        expected = scaled - 0.1 * orthogonal(ahead, ITERATIONS).view_as(weight)
    result = step(weight, *gradients)
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(step(9 * weight, *(1e-4 * g for g in gradients)), result)
