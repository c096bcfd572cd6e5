"""A training run of seconds, with everything random switched on."""

import os
import signal

import torch
from torch.utils._pytree import keystr, tree_flatten_with_path

from ddpm_core import data
from ddpm_core.trainer import Recipe, Trainer
from ddpm_core.training import STATE, Validation

STEPS = 20
RECIPE = {
    "dataset": "mnist",
    "model": {"channels": [4, 8], "groups": 2, "time_channels": 8, "dropout": 0.3},
    "schedule": {"kind": "linear", "num_timesteps": 40},
    "conditional": True,
    "p_uncond": 0.3,
    "epochs": STEPS / 50,
    "batch_size": 20,
    "lr": 2e-3,
    "warmup": 5,
    "decay": "cosine",
    "flip": True,
    "seed": 3,
}


def trainer(folder, data_root, *, begin=None, save_every=10, **changes) -> Trainer:
    """The run, with changes to its recipe; it validates little, and often."""
    recipe = Recipe(**RECIPE | changes)
    run = Trainer(recipe, folder, data_root=data_root, begin=begin, bf16=False, quiet=True)
    run.validate_every, run.save_every = 10, save_every
    held_out = data.load(recipe.dataset, "validation", data_root)
    run.validation = Validation(held_out.subset(slice(64)), recipe.seed)
    return run


def stopping(run, at=7):
    """The run, which stops itself after so many steps, as Ctrl-C would."""
    run.progress = lambda step, *_: step == at and os.kill(os.getpid(), signal.SIGINT)
    return run


def state_of(folder) -> dict:
    return torch.load(folder / STATE, weights_only=True)


def without_the_clock(state: dict) -> dict:
    rows = [row | {"seconds": None} for row in state["history"]]
    # Who started the run differs between a test and its child process.
    return state | {"seconds": None, "history": rows, "situation": None}


def assert_identical(a, b):
    """Bit for bit, through dicts and lists."""
    (leaves, shape), (others, other_shape) = map(tree_flatten_with_path, (a, b))
    assert shape == other_shape
    for (path, x), (_, y) in zip(leaves, others, strict=True):
        same = torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y
        assert type(x) is type(y) and same, keystr(path)
