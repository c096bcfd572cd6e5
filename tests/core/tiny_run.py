"""A training run of seconds, with everything random switched on; also a process to be killed.

    python -m tests.core.tiny_run FOLDER DATA_ROOT

prints ``step K`` after every step, saves its state after each and dawdles, so that a signal
from outside can hit any moment of it.
"""

from __future__ import annotations

import sys
import time

import torch

from ddpm_core import data
from ddpm_core.trainer import Cadence, Recipe, Trainer, Validation

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


def trainer(
    folder, data_root, *, kind=Trainer, cadence=None, begin=None, watch=None, **changes
) -> Trainer:
    """The run, with changes to its recipe; it samples at the end only and validates little."""
    cadence = cadence or Cadence(validate=10, sample=10**9, save=1)
    recipe = Recipe(**RECIPE | changes)
    more = {"begin": begin, "watch": watch, "cadence": cadence}
    run = kind(recipe, folder, data_root=data_root, bf16=False, quiet=True, **more)
    held_out = data.load(recipe.dataset, "validation", data_root)
    run.validation = Validation(held_out, recipe.seed, count=64)
    return run


class Telling(Trainer):
    def _train_step(self):
        loss = super()._train_step()
        print(f"step {self.step}", flush=True)
        time.sleep(0.02)
        return loss


if __name__ == "__main__":
    torch.set_num_threads(1)
    trainer(sys.argv[1], sys.argv[2], kind=Telling).run()
