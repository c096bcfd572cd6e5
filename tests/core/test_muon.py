"""Muon: matrices step alike in every direction, and Adam steps all else."""

import pytest
import torch

from ddpm_core.muon import Muon
from tests.support.tiny_run import assert_identical, stopping, trainer


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(32, 8, 3, 3), (80, 2, 3, 3)])
def test_of_matrices_it_is_the_muon_of_pytorch_and_of_all_else_adam(shape):
    kernel, bias = (torch.nn.Parameter(normal(*s)) for s in (shape, (32,)))
    ours = Muon([kernel], [bias], 0.01, dtype=torch.bfloat16)
    matrix = torch.nn.Parameter(normal(*shape).flatten(1))
    theirs = torch.optim.Muon(
        [matrix], 0.01, weight_decay=0, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    other = torch.nn.Parameter(normal(32))
    adam = torch.optim.Adam([other], 0.01)
    for k in range(3):
        kernel.grad, bias.grad = normal(*shape, seed=k), normal(32, seed=k)
        matrix.grad, other.grad = kernel.grad.flatten(1), bias.grad.clone()
        for optimizer in (ours, theirs, adam):
            optimizer.step()
    torch.testing.assert_close(bias, other)
    distance = (matrix.detach() - normal(*shape).flatten(1)).norm()
    assert (kernel.flatten(1) - matrix).norm() < 0.05 * distance  # bfloat16 rounds them apart


@pytest.mark.usefixtures("no_sample_grids")
def test_a_run_by_muon_that_was_stopped_goes_on_as_if_it_had_not_been(mnist_root, tmp_path):
    options = {"optimizer": "muon", "steps": 4}
    whole, parts = (trainer(tmp_path / name, mnist_root, **options) for name in ("whole", "parts"))
    whole.run()
    stopping(parts, at=3).run()
    parts = trainer(tmp_path / "parts", mnist_root, **options)
    assert parts.step == 3
    parts.run()
    assert_identical(parts.ema, whole.ema)
