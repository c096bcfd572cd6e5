"""``python -m ddpm_core train-classifier``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands) -> None:
    from ..recipes import CLASSIFIERS
    from ..training import DECAYS

    p = commands.add_parser(
        "train-classifier",
        help="train a classifier, or go on with a run that was stopped",
        description="Train a classifier, for guidance or as a judge. The run folder keeps the "
        "state, the losses and a checkpoint folder. Stop with Ctrl-C at any time; the same "
        "command goes on where it stopped. The test set is used once, at the end.",
    )
    p.add_argument(
        "--recipe",
        choices=sorted(CLASSIFIERS),
        required=True,
        help="a shipped classifier's own settings; other options change them",
    )
    p.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE)")
    p.add_argument(
        "--dataset",
        help="mnist, fashion-mnist, cifar10, or the name of a folder or zip of class folders "
        "of pictures in the data root (default: the recipe's)",
    )
    p.add_argument(
        "--data-root",
        help="where the data lives (default: $DDPM_DATA, else ./data); downloaded there if missing",
    )
    p.add_argument("--shift", type=float, help="move images by up to so many pixels")
    p.add_argument("--rotate", type=float, help="turn them by up to so many degrees")
    p.add_argument("--zoom", type=float, help="enlarge or shrink them by up to this share")
    p.add_argument("--epochs", type=float, help="passes over the training set")
    p.add_argument("--batch-size", type=int)
    p.add_argument("--lr", type=float, help="learning rate of AdamW")
    p.add_argument("--weight-decay", type=float, help="of AdamW")
    p.add_argument("--warmup", type=int, help="steps over which the learning rate grows")
    p.add_argument("--decay", choices=DECAYS, help="of the learning rate")
    p.add_argument("--ema", type=float, help="decay of the averaged weights")
    p.add_argument("--seed", type=int)
    p.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    p.add_argument("--threads", type=int, help="processor threads (default: all)")
    p.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="bfloat16 autocast (default: where the hardware has it)",
    )
    p.set_defaults(run=run)


def run(a) -> None:
    import torch

    from ..classifier_trainer import ClassifierTrainer
    from ..errors import check_int
    from ..recipes import classifier_recipe_from

    if a.threads is not None:
        torch.set_num_threads(check_int("threads", a.threads, 1, 1024))
    options = {k: v for k, v in vars(a).items() if v is not None}
    recipe = classifier_recipe_from(a.recipe, options)
    folder = a.out or Path("runs") / a.recipe
    trainer = ClassifierTrainer(recipe, folder, data_root=a.data_root, device=a.device, bf16=a.bf16)
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(
        f"{folder}: {parameters:,} parameters, {trainer.total_steps:,} steps of "
        f"{recipe.batch_size}, from step {trainer.step:,}; Ctrl-C stops and saves"
    )
    trainer.run()
    print(
        f"step {trainer.step:,} of {trainer.total_steps:,}; checkpoint in {folder / 'checkpoint'}"
    )
