"""What the two commands that train share: their options, and how a run goes."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import fields
from . import options


def add_recipe(p: argparse.ArgumentParser, cls: type, skip=()) -> None:
    """Add an option for every field of a recipe, and where and on what to run.

    Args:
        cls: the recipe's class.
        skip: fields without an option.
    """
    p.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE, else runs/DATASET)")
    fields.add_options(p, cls, skip=skip)
    options.add_data_root(p)
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
