"""What a denoising step costs, counted and not timed: operations and network calls."""

from collections import Counter
from itertools import islice

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from ddpm_core import Request, Run, load
from lab.bench.cases import opened_trainer

# A step in the middle of the walk: the solver has its memory, the network its short dtype.
MIDDLE = 5
# Operations of a step today, views included; a version of torch may split one or two otherwise. In
# colour the two differ in layout, too. With few images both halves of guidance are one batch.
OPERATIONS = {
    ("mnist-conditional", "float32", "none"): 211,
    ("mnist-conditional", "float32", "cfg"): 216,
    ("mnist-conditional", "bfloat16", "none"): 213,
    ("cifar10-conditional", "float32", "none"): 340,
    ("cifar10-conditional", "bfloat16", "none"): 346,
}
SLACK = 8
# A training step of the grey model. More may be split there; but what is done for each of the 127
# weights alone shows.
TRAINING_OPERATIONS = 1021 + 60


class Counting(TorchDispatchMode):
    """Counts operations by name."""

    def __init__(self):
        super().__init__()
        self.operations = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.operations[str(function)] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def hardware_with_bfloat16(monkeypatch):
    """Emulated bfloat16 widens and rounds numbers around every convolution."""
    monkeypatch.setattr("ddpm_core.fast.bf16_is_native", lambda device: True)


@pytest.mark.parametrize(("name", "dtype", "guidance"), OPERATIONS)
def test_a_step_takes_no_more_operations_than_it_did(name, dtype, guidance):
    steps = Run(load(name), Request(n=2, dtype=dtype, guidance=guidance)).steps()
    for _ in islice(steps, MIDDLE):
        pass
    with Counting() as counting:
        next(steps)
    counts = counting.operations
    assert counts.total() <= OPERATIONS[name, dtype, guidance] + SLACK, counts


def test_a_step_of_training_takes_no_more_operations_than_it_did():
    with opened_trainer("grey", 4, bf16=False) as trainer:
        trainer._train_step()  # the optimizer makes its state
        with Counting() as counting:
            trainer._train_step()
    assert counting.operations.total() <= TRAINING_OPERATIONS, counting.operations
    # All weights at once, and their averages: never one by one, nor in a dozen sweeps.
    assert counting.operations["aten._fused_adam_.default"] == 1
    assert counting.operations["aten._foreach_lerp_.Scalar"] == 1
    # The convolution of a doubled image does without it.
    assert not any("upsample" in name for name in counting.operations)
