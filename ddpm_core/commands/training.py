"""What the two commands that train share: their options, and how a run goes."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import options


def add_data(p: argparse.ArgumentParser, default: str) -> None:
    """Add the run folder and where its images come from.

    Args:
        default: the dataset taken where none is named.
    """
    from ..data import DATASETS

    p.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE, else runs/DATASET)")
    p.add_argument(
        "--dataset",
        help=f"{', '.join(DATASETS)}, or the name of a folder or zip of class folders of "
        f"pictures in the data root (default: {default})",
    )
    options.add_data_root(p)


def add_loop(p: argparse.ArgumentParser, optimizer: str) -> None:
    """Add what every training has: how long, how fast, from which seed and on what.

    Args:
        optimizer: its name, for the help.
    """
    from ..training import DECAYS

    p.add_argument("--epochs", type=float, help="passes over the training set")
    p.add_argument("--batch-size", type=int)
    p.add_argument("--lr", type=float, help=f"learning rate of {optimizer}")
    p.add_argument("--warmup", type=int, help="steps over which the learning rate grows")
    p.add_argument("--decay", choices=DECAYS, help="of the learning rate")
    p.add_argument("--ema", type=float, help="decay of the averaged weights")
    p.add_argument("--seed", type=int)
    p.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    options.add_threads(p)
    p.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="bfloat16 autocast (default: where the hardware has it)",
    )


def given(a: argparse.Namespace) -> dict:
    """The options that were given or have a default, for a recipe to take its fields from."""
    return {k: v for k, v in vars(a).items() if v is not None}


def to_the_end(trainer) -> None:
    """Say what begins, train until the end or Ctrl-C, and say what there is."""
    folder, total = trainer.folder, trainer.total_steps
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(
        f"{folder}: {parameters:,} parameters, {total:,} steps of {trainer.recipe.batch_size}, "
        f"from step {trainer.step:,}; Ctrl-C stops and saves"
    )
    trainer.run()
    print(f"step {trainer.step:,} of {total:,}; checkpoint in {folder / 'checkpoint'}")
