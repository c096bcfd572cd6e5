"""What a denoising step costs, counted and not timed: operations, network calls, memory."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ddpm_core import Request, Run, load
from ddpm_core.sampling import JOINT_UP_TO
from lab.bench.cases import opened_trainer

# A step in the middle of the walk: the solver has its memory, the network its short dtype.
MIDDLE = 5
# What a step takes today, views included; a version of torch may split one or two otherwise. Of
# colour the two differ in layout, too.
OPERATIONS = {
    ("mnist-conditional", "float32"): 211,
    ("mnist-conditional", "bfloat16"): 213,
    ("cifar10-conditional", "float32"): 279,
    ("cifar10-conditional", "bfloat16"): 248,
}
SLACK = 8
MIB_PER_IMAGE = {
    ("mnist-conditional", "float32"): 0.45,
    ("mnist-conditional", "bfloat16"): 0.23,
    ("cifar10-conditional", "float32"): 0.88,
    ("cifar10-conditional", "bfloat16"): 0.45,
}
# A training step of the grey model. More may be split there; but whatever goes weight by weight, of
# which there are 127, shows.
TRAINING_OPERATIONS = 1021 + 60


class Counting(TorchDispatchMode):
    """Counts operations by name, and the most bytes of results alive at once."""

    def __init__(self):
        super().__init__()
        self.operations, self.peak, self._alive = Counter(), 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.operations[str(function)] += 1
        before = {_storage(tensor) for tensor in _tensors((args, kwargs))}
        result = function(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            if _storage(tensor) not in before:  # neither a view nor in place
                self._alive[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self._alive = {k: v for k, v in self._alive.items() if not v[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return result


def _tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _storage(tensor):
    return tensor.untyped_storage()._cdata


@pytest.fixture(autouse=True)
def hardware_with_bfloat16(monkeypatch):
    """Where it is emulated numbers are widened and rounded around every convolution."""
    monkeypatch.setattr("ddpm_core.fast.bf16_is_native", lambda device: True)


@pytest.fixture(scope="module")
def model():
    return load("mnist-conditional")


@pytest.mark.parametrize(("name", "dtype"), OPERATIONS)
@pytest.mark.parametrize("n", [1, 16])
def test_a_step_takes_no_more_operations_and_memory_than_it_did(name, dtype, n):
    steps = Run(load(name), Request(n=n, dtype=dtype, steps=20)).steps()
    for _ in islice(steps, MIDDLE):
        pass
    with Counting() as counting:
        next(steps)
    assert_at_most(OPERATIONS[name, dtype] + SLACK, counting)
    assert counting.peak / 2**20 / n <= MIB_PER_IMAGE[name, dtype]


def test_a_step_of_training_takes_no_more_operations_than_it_did():
    with opened_trainer("grey", 4, bf16=False) as trainer:
        trainer._train_step()  # the optimizer makes its state
        with Counting() as counting:
            trainer._train_step()
    assert_at_most(TRAINING_OPERATIONS, counting)
    # All weights at once, and their averages: never one by one, nor in a dozen sweeps.
    assert counting.operations["aten._fused_adam_.default"] == 1
    assert counting.operations["aten._foreach_lerp_.Scalar"] == 1
    # The convolution of a doubled image does without it.
    assert not any("upsample" in name for name in counting.operations)


def assert_at_most(operations, counting):
    total = counting.operations.total()
    names = "\n".join(f"{count:4} {name}" for name, count in counting.operations.most_common())
    assert total <= operations, f"{total} operations:\n{names}"


@pytest.mark.parametrize(
    ("n", "batches"),
    [
        (4, [8]),
        (JOINT_UP_TO, [2 * JOINT_UP_TO]),
        # Two halves are as fast as one whole where the batch is large, and need half the memory.
        (16, [16, 16]),
    ],
)
def test_guidance_asks_the_network_no_more_than_it_needs(monkeypatch, n, batches):
    model, seen = load("mnist-conditional"), []
    evaluate = model.evaluate

    def counting(network, x, *more):
        seen.append(len(x))
        return evaluate(network, x, *more)

    monkeypatch.setattr(model, "evaluate", counting)
    next(Run(model, Request(steps=20, n=n, guidance="cfg", guidance_scale=3)).steps())
    assert seen == batches
