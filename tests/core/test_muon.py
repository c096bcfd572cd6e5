"""Muon: matrices step alike in every direction, and Adam steps all else."""

import pytest
import torch

from ddpm_core.muon import Muon, orthogonal
from ddpm_core.trainer import Recipe, Trainer
from ddpm_core.training import Cadence


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(24, 90), (90, 24), (24, 24)])
def test_an_orthogonal_step_keeps_directions_and_evens_their_sizes(shape):
    """Singular values that span a factor of 20 end within 0.5 of 1."""
    u, _, v = torch.linalg.svd(normal(*shape).double(), full_matrices=False)
    sizes = torch.linspace(1, 0.05, u.shape[1]).double()
    for iterations in (3, 5):
        between = u.T @ orthogonal(7 * u * sizes @ v, iterations) @ v.T
        diagonal = between.diagonal()
        torch.testing.assert_close(between, diagonal.diag(), rtol=0, atol=1e-9)
        assert diagonal.min() > 0.5 and diagonal.max() < 1.3
    assert orthogonal(torch.tensor([1.0, 0.001]).diag(), 3)[1, 1] > 20 * 0.001
    with pytest.raises(ValueError, match="two axes"):
        Muon([torch.nn.Parameter(normal(5))], [], 0.1)


def test_of_matrices_it_is_the_muon_of_pytorch_and_of_all_else_adam():
    shape, steps = (32, 8, 3, 3), range(3)
    kernel, bias = (torch.nn.Parameter(normal(*s)) for s in (shape, (32,)))
    ours = Muon([kernel], [bias], 0.01, dtype=torch.bfloat16)
    matrix = torch.nn.Parameter(normal(*shape).flatten(1))
    theirs = torch.optim.Muon(
        [matrix], 0.01, weight_decay=0, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    other = torch.nn.Parameter(normal(32))
    adam = torch.optim.Adam([other], 0.01)
    for k in steps:
        kernel.grad, bias.grad = normal(*shape, seed=k), normal(32, seed=k)
        matrix.grad, other.grad = kernel.grad.flatten(1), bias.grad.clone()
        for optimizer in (ours, theirs, adam):
            optimizer.step()
    torch.testing.assert_close(bias, other)
    distance = (matrix.detach() - normal(*shape).flatten(1)).norm()
    assert (kernel.flatten(1) - matrix).norm() < 0.05 * distance  # bfloat16 rounds them apart


def test_a_run_by_muon_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    pixels = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8)
    model = {"channels": [16, 16], "blocks": 1}
    recipe = Recipe(model=model, optimizer="muon", steps=4, batch_size=8, lr=1e-3)

    def run(folder, stop=lambda *_: None):
        trainer = Trainer(
            recipe,
            tmp_path / folder,
            images=pixels,
            quiet=True,
            cadence=Cadence(save=2),
            progress=stop,
        )
        trainer.run()
        return trainer.ema

    def stop(step, *_):
        if step == 3:
            raise RuntimeError("power cut")

    whole = run("whole")
    with pytest.raises(RuntimeError, match="power cut"):
        run("parts", stop)
    parts = run("parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
