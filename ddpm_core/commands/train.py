"""``python -m ddpm_core train``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands) -> None:
    from ..recipes import RECIPES
    from ..training import DECAYS

    p = commands.add_parser(
        "train",
        help="train a model, or go on with a run that was stopped",
        description="Train a model (Algorithm 1 of the DDPM paper). The run folder keeps the "
        "state, the losses, sample grids and a checkpoint folder that 'sample' and the app load. "
        "Stop with Ctrl-C at any time; the same command goes on where it stopped.",
    )
    p.add_argument(
        "--recipe",
        choices=sorted(RECIPES),
        help="a shipped checkpoint's own settings; other options change them",
    )
    p.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE or runs/DATASET)")
    p.add_argument(
        "--dataset",
        help="mnist, fashion-mnist, cifar10, or the name of a folder or zip of class folders "
        "of pictures in the data root (default: mnist)",
    )
    p.add_argument(
        "--data-root",
        help="where the data lives (default: $DDPM_DATA, else ./data); downloaded there if missing",
    )
    p.add_argument("--schedule", choices=("linear", "cosine"), help="noise schedule")
    p.add_argument("--timesteps", type=int, metavar="T", help="steps of the forward process (1000)")
    p.add_argument(
        "--prediction", choices=("epsilon", "v_prediction"), help="what the model predicts"
    )
    p.add_argument("--channels", type=int, nargs="+", help="width of each level, finest first")
    p.add_argument("--blocks", type=int, help="residual blocks per level")
    p.add_argument(
        "--attention",
        type=int,
        nargs="*",
        metavar="LEVEL",
        help="levels with attention, 0 the finest; none: --attention with nothing after it",
    )
    p.add_argument(
        "--conditional",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="tell the model the class",
    )
    p.add_argument("--p-uncond", type=float, help="share of labels dropped while training (0.1)")
    p.add_argument("--dropout", type=float)
    p.add_argument("--epochs", type=float, help="passes over the training set")
    p.add_argument("--batch-size", type=int)
    p.add_argument("--lr", type=float, help="learning rate of Adam")
    p.add_argument("--warmup", type=int, help="steps over which the learning rate grows")
    p.add_argument("--decay", choices=DECAYS, help="of the learning rate")
    p.add_argument("--ema", type=float, help="decay of the averaged weights")
    p.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="mirror images at random",
    )
    p.add_argument("--seed", type=int)
    p.add_argument(
        "--init",
        metavar="CHECKPOINT",
        help="begin with the weights of a checkpoint of the same recipe, and carry its record on",
    )
    p.add_argument(
        "--fid",
        action="store_true",
        help="measure the FID at every validation, 512 samples against 1,000 held out images",
    )
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

    from ..checkpoints import load
    from ..errors import check_int
    from ..experiments.watch import fid_watch
    from ..recipes import recipe_from
    from ..trainer import Trainer

    if a.threads is not None:
        torch.set_num_threads(check_int("threads", a.threads, 1, 1024))
    recipe = recipe_from(a.recipe, {k: v for k, v in vars(a).items() if v is not None})
    folder = a.out or Path("runs") / (a.recipe or recipe.dataset)
    begin = load(a.init) if a.init else None
    watch = fid_watch(recipe.dataset, a.data_root) if a.fid else None
    trainer = Trainer(
        recipe,
        folder,
        data_root=a.data_root,
        device=a.device,
        bf16=a.bf16,
        begin=begin,
        watch=watch,
    )
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(
        f"{folder}: {parameters:,} parameters, {trainer.total_steps:,} steps of "
        f"{recipe.batch_size}, from step {trainer.step:,}; Ctrl-C stops and saves"
    )
    trainer.run()
    print(
        f"step {trainer.step:,} of {trainer.total_steps:,}; checkpoint in {folder / 'checkpoint'}"
    )
