"""``python -m ddpm_core sample``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InvalidInput


def add(commands) -> None:
    from ..sampling import Request

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
    p.set_defaults(run=run)


def run(a) -> None:
    import dataclasses

    import torch
    from tqdm import tqdm

    from .. import checkpoints, sampling
    from ..errors import check_choice, check_int

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

    from .. import recorder, sampling
    from ..errors import check_int

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
