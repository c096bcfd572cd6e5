"""``python -m ddpm_core sample``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import animation, recorder, sampling
from ..errors import InvalidInput, check_choice, check_int
from ..files import replacing
from ..recorder import PANES
from ..request import Request
from . import options

FILMS = (".gif", ".webp", ".mp4")


def add(commands) -> None:
    default = Request()
    p = commands.add_parser(
        "sample",
        help="sample images, a film of every step, or arrays",
        description="Sample from a checkpoint. Image k of a seed is the same in any batch.",
    )
    options.add_request(p, default)
    options.add_beside(p)
    p.add_argument(
        "--scales",
        type=float,
        nargs="+",
        metavar="SCALE",
        help="for pictures and films: one image at each of these guidance scales, from the same "
        "noise; with --label all, a row for every class",
    )
    p.add_argument(
        "--out",
        type=Path,
        default=Path("samples.png"),
        metavar="FILE",
        help=".png: a grid; .gif, .webp or .mp4: a frame for every step; .npz: images (uint8, "
        "N,H,W,C) and labels (default: %(default)s)",
    )
    p.add_argument(
        "--scale",
        type=int,
        default=4,
        help="enlargement of pictures and films (default: %(default)s)",
    )
    p.add_argument("--stride", type=int, default=1, help="keep every so many steps in a film")
    p.add_argument(
        "--frame-ms",
        type=int,
        default=40,
        help="milliseconds for each frame of a film (default: %(default)s)",
    )
    p.add_argument(
        "--panes",
        nargs="+",
        default=["x"],
        choices=PANES,
        help="what a film shows: x (the state), x0 (the prediction), or both",
    )
    options.add_running(p)
    p.set_defaults(run=run)


def run(a) -> None:
    ending = a.out.suffix.lower()
    check_choice("ending of --out", ending, (".png", *FILMS, ".npz"))
    check_int("scale", a.scale, 1, 64)
    check_int("stride", a.stride, 1, 10_000)
    check_int("frame-ms", a.frame_ms, 20, 10_000)
    if a.fault == "batch-scale" and a.scales is not None:
        raise InvalidInput("--fault batch-scale is of a batch: no --scales of it")
    if ending == ".npz" and (a.scales is not None or a.beside):
        raise InvalidInput("--scales and --beside make a .png or a film")
    if a.beside and a.scales is not None:
        raise InvalidInput("--beside takes no --scales")
    if a.branch_at is not None and len(a.beside) != 1:
        raise InvalidInput("--branch-at needs one --beside, which says what changes there")
    options.apply(a)
    model = options.load_model(a)
    request = options.request(a, model).for_model(model)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    one_batch = ending in FILMS or a.scales is not None or a.beside
    batches = 1 if one_batch else -(-request.n // a.batch)
    with tqdm(total=batches * request.steps, unit="step", leave=False) as bar:
        _write(a, model, request, bar.update)
    print(a.out)


def _write(a, model, request, progress) -> None:
    asked, columns = request, None
    if a.scales is not None:
        asked, columns = _sheet(a, model, request), len(a.scales)
    elif a.beside:
        asked, columns = [request, *options.beside(a, options.request(a, model))], request.n
    more = {} if a.branch_at is None else {"branch_at": a.branch_at}
    note = sampling.Run(model, asked, images=[]).describe(**more)
    ending = a.out.suffix.lower()
    if ending in FILMS or columns:
        if a.branch_at is None:
            film = sampling.film(model, asked, progress)
        else:
            film = sampling.branch(model, *asked, a.branch_at, progress)
    if ending in FILMS:
        animation.save_film(
            film,
            a.out,
            panes=a.panes,
            stride=a.stride,
            scale=a.scale,
            frame_ms=a.frame_ms,
            columns=columns,
            note=note,
        )
        return
    images = film.images() if columns else sampling.sample(model, request, a.batch, progress)
    if ending == ".png":
        animation.save_png(recorder.grid(images, columns), a.out, a.scale, note)
        return
    arrays = {"images": images}
    if request.classes(model):
        labels = request.labels(model, request.images)
        arrays["labels"] = np.array([_number(label) for label in labels])
    with replacing(a.out) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays, about=note)


def _sheet(a, model, request):
    classes = range(len(request.classes(model))) if request.label == "all" else None
    return sampling.scale_sheet(request, a.scales, classes)


def _number(label) -> int:
    """A label for an array: the larger part of a mixture; -1, where an array cannot hold None."""
    if isinstance(label, dict):
        return max(label, key=label.get)
    return -1 if label is None else label
