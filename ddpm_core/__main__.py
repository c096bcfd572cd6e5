"""The command line: ``python -m ddpm_core sample|train|ship``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .errors import InvalidInput

EXAMPLES = """\
examples:
  python -m ddpm_core sample --model mnist-conditional --n 64 --label all --out digits.png
  python -m ddpm_core sample --model mnist-conditional --label 3 --steps 50 --out three.gif
  python -m ddpm_core train --recipe mnist-conditional --out runs/mine
  python -m ddpm_core train --dataset fashion-mnist --schedule cosine --epochs 5 --out runs/clothes
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ddpm_core",
        description="Train denoising diffusion models and sample from them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_add_sample, _add_train, _add_ship):
        add(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _add_train(commands) -> None:
    from .recipes import RECIPES

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
    p.add_argument("--dataset", help="mnist, fashion-mnist or cifar10 (default: mnist)")
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
    p.add_argument("--decay", choices=("none", "cosine"), help="of the learning rate")
    p.add_argument("--ema", type=float, help="decay of the averaged weights")
    p.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="mirror images at random",
    )
    p.add_argument("--seed", type=int)
    p.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    p.add_argument("--threads", type=int, help="processor threads (default: all)")
    p.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="bfloat16 autocast (default: where the hardware has it)",
    )
    p.set_defaults(run=_train)


def _train(a) -> None:
    import torch

    from .errors import check_int
    from .recipes import recipe_from
    from .trainer import Trainer

    if a.threads is not None:
        torch.set_num_threads(check_int("threads", a.threads, 1, 1024))
    recipe = recipe_from(a.recipe, {k: v for k, v in vars(a).items() if v is not None})
    folder = a.out or Path("runs") / (a.recipe or recipe.dataset)
    trainer = Trainer(recipe, folder, data_root=a.data_root, device=a.device, bf16=a.bf16)
    parameters = sum(p.numel() for p in trainer.model.parameters())
    print(
        f"{folder}: {parameters:,} parameters, {trainer.total_steps:,} steps of "
        f"{recipe.batch_size}, from step {trainer.step:,}; Ctrl-C stops and saves"
    )
    trainer.run()
    print(
        f"step {trainer.step:,} of {trainer.total_steps:,}; checkpoint in {folder / 'checkpoint'}"
    )


def _add_ship(commands) -> None:
    p = commands.add_parser(
        "ship",
        help="make a run's weights a checkpoint that ships",
        description="Copy a run's EMA weights to checkpoints/NAME, with card and sample grid.",
    )
    p.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, finished or not")
    p.add_argument("--name", help="default: the name of the run folder")
    p.set_defaults(run=_ship)


def _ship(a) -> None:
    from .ship import ship

    print(ship(a.run_folder, a.name))


def _add_sample(commands) -> None:
    from .sampling import Request

    default = Request()
    p = commands.add_parser(
        "sample",
        help="sample images, a GIF of every step, or arrays",
        description="Sample from a checkpoint. Image k of a seed is the same in any batch.",
    )
    p.add_argument(
        "--model",
        default="mnist-conditional",
        metavar="NAME_OR_FOLDER",
        help="a shipped checkpoint or a checkpoint folder (default: %(default)s)",
    )
    p.add_argument(
        "--n", type=int, default=default.n, help="how many images (default: %(default)s)"
    )
    p.add_argument(
        "--first",
        type=int,
        default=default.first,
        help="number of the first image (default: %(default)s)",
    )
    p.add_argument(
        "--label",
        default=default.label,
        help="class number, 'all' (one after another) or 'none' (default: %(default)s)",
    )
    p.add_argument(
        "--sampler",
        default=default.sampler,
        help="ddpm, ddim or dpm_solver_pp (default: %(default)s)",
    )
    p.add_argument(
        "--steps",
        type=int,
        default=default.steps,
        help="denoising steps, at most T (default: %(default)s)",
    )
    p.add_argument("--seed", type=int, default=default.seed, help="default: %(default)s")
    p.add_argument(
        "--spacing",
        default=default.spacing,
        help="of the timesteps: linear, quadratic or logsnr (default: %(default)s)",
    )
    p.add_argument("--eta", type=float, default=default.eta, help="noise added by ddim, 0 to 1")
    p.add_argument("--variance", default=default.variance, help="of ddpm: beta or posterior")
    p.add_argument(
        "--clip",
        action=argparse.BooleanOptionalAction,
        default=default.clip,
        help="clamp the predicted image to [-1, 1] at every step",
    )
    p.add_argument("--dtype", default=default.dtype, help="auto, float32 or bfloat16")
    p.add_argument(
        "--out",
        type=Path,
        default=Path("samples.png"),
        metavar="FILE",
        help=".png: a grid; .gif: a frame for every step; .npz: images (uint8, N,H,W,C) "
        "and labels (default: %(default)s)",
    )
    p.add_argument(
        "--scale", type=int, default=4, help="enlargement of PNG and GIF (default: %(default)s)"
    )
    p.add_argument("--stride", type=int, default=1, help="keep every so many steps in a GIF")
    p.add_argument(
        "--panes",
        nargs="+",
        default=["x"],
        choices=("x", "x0"),
        help="what a GIF shows: x (the state), x0 (the prediction), or both",
    )
    p.add_argument(
        "--strip",
        type=int,
        metavar="FRAMES",
        help="for .png: the first image's way from noise to picture in so many frames",
    )
    p.add_argument("--batch", type=int, default=64, help="images at a time (default: %(default)s)")
    p.add_argument("--threads", type=int, help="processor threads (default: all)")
    p.set_defaults(run=_sample)


def _sample(a) -> None:
    import dataclasses

    import torch
    from tqdm import tqdm

    from . import checkpoints, sampling
    from .errors import check_choice, check_int

    check_choice("ending of --out", a.out.suffix.lower(), (".png", ".gif", ".npz"))
    check_int("scale", a.scale, 1, 64)
    check_int("stride", a.stride, 1, 10_000)
    check_int("batch", a.batch, 1, 4096)
    if a.threads is not None:
        torch.set_num_threads(check_int("threads", a.threads, 1, 1024))
    fields = (f.name for f in dataclasses.fields(sampling.Request))
    request = sampling.Request(**{name: getattr(a, name) for name in fields})
    model = checkpoints.load(a.model)
    request = request.for_model(model)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    if a.strip is not None and a.out.suffix.lower() != ".png":
        raise InvalidInput("--strip makes a .png")
    one_batch = a.out.suffix.lower() == ".gif" or a.strip is not None
    batches = 1 if one_batch else -(-request.n // a.batch)
    with tqdm(total=batches * request.steps, unit="step", leave=False) as bar:
        _write(a, model, request, bar.update)
    print(a.out)


def _write(a, model, request, progress) -> None:
    from dataclasses import replace

    import numpy as np

    from . import recorder, sampling
    from .errors import check_int

    if a.strip is not None:
        request = replace(request, n=1)
    note = sampling.Run(model, request, images=[]).describe()
    if a.out.suffix.lower() == ".gif":
        film = sampling.film(model, request, progress)
        recorder.save_gif(film, a.out, panes=a.panes, stride=a.stride, scale=a.scale, note=note)
        return
    if a.strip is not None:
        frames = check_int("strip", a.strip, 2, request.steps + 1)
        film = sampling.film(model, request, progress)
        recorder.save_png(recorder.strip(film, 0, frames, a.panes), a.out, a.scale, note)
        return
    images = sampling.sample(model, request, a.batch, progress)
    if a.out.suffix.lower() == ".png":
        recorder.save_png(recorder.grid(images), a.out, a.scale, note)
        return
    arrays = {"images": images}
    if model.classes:
        # -1 stands for "no class": an array cannot hold None.
        labels = request.labels(model, request.images)
        arrays["labels"] = np.array([-1 if label is None else label for label in labels])
    with recorder.replacing(a.out) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays, about=note)


if __name__ == "__main__":
    sys.exit(main())
