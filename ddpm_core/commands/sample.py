"""``python -m ddpm_core sample``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import animation, recorder, sampling
from ..animation import FILMS
from ..errors import InvalidInput, check_choice, check_int
from ..files import replacing
from ..request import Request, main_class
from . import options

# The options of films alone.
OF_FILM = {"panes": ["x"], "stride": 1, "frame_ms": 40}


def add(commands) -> None:
    p = commands.add_parser(
        "sample",
        help="sample images, a film of every step, or arrays",
        description="Sample from a checkpoint. Image k of a seed is the same in any batch.",
    )
    p.add_argument("named", nargs="?", metavar="NAME", help="the same as --model NAME")
    options.add_request(p, Request())
    p.add_argument(
        "--beside",
        nargs="*",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="for pictures and films: a further row of images, made like the first but for these; "
        "e.g. --beside guidance=classifier-noisy guidance_scale=5",
    )
    p.add_argument(
        "--branch-at",
        type=int,
        metavar="STEP",
        help="the row --beside shares the first so many steps, and goes its own way from there",
    )
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
    p.add_argument("--stride", type=int, help="keep every so many steps in a film")
    p.add_argument(
        "--frame-ms",
        type=int,
        help=f"milliseconds for each frame of a film (default: {OF_FILM['frame_ms']})",
    )
    p.add_argument(
        "--panes",
        nargs="+",
        choices=recorder.PANES,
        help="what a film shows: x (the state; the default), x0 (the prediction), or both",
    )
    options.add_batch(p, "; films, --scales and --beside make all at once")
    options.add_threads(p)
    p.set_defaults(run=run)


def run(a) -> None:
    ending = a.out.suffix.lower()
    check_choice("ending of --out", ending, (".png", *FILMS, ".npz"))
    check_int("scale", a.scale, 1, 64)
    for name, usual in OF_FILM.items():
        if getattr(a, name) is None:
            setattr(a, name, usual)
        elif ending not in FILMS:
            raise InvalidInput(
                f"--{name.replace('_', '-')} is of films: --out FILE{' or '.join(FILMS)}"
            )
    check_int("stride", a.stride, 1, 10_000)
    check_int("frame-ms", a.frame_ms, 20, 10_000)
    scaled = a.scales is not None
    if a.fault == "batch-scale" and scaled:
        raise InvalidInput("--fault batch-scale is of a batch: no --scales of it")
    if ending == ".npz" and (scaled or a.beside):
        raise InvalidInput("--scales and --beside make a .png or a film")
    if a.beside and scaled:
        raise InvalidInput("--beside takes no --scales")
    if a.guidance_scale is not None and scaled:
        raise InvalidInput("--scales take the place of --guidance-scale: give one of them")
    if a.toward is not None and scaled:
        raise InvalidInput("--toward leads one row from seed to seed: no --scales of it")
    if a.branch_at is not None and len(a.beside) != 1:
        raise InvalidInput("--branch-at needs one --beside, which says what changes there")
    if a.named and a.model not in (options.MODEL, a.named):
        raise InvalidInput(f"NAME and --model are one thing: {a.named} or {a.model}?")
    a.model = a.named or a.model
    model = options.load_model(a)
    base = options.request(a, model)
    request, columns = base.for_model(model), None
    if scaled:
        classes = range(len(request.classes(model))) if request.label == "all" else None
        request, columns = sampling.scale_sheet(request, a.scales, classes), len(a.scales)
    elif a.beside:
        request, columns = [request, *options.beside(a, base)], request.n
        if any(row.n != columns for row in request):
            raise InvalidInput("a row --beside has as many images as the first: leave out its n")
    a.out.parent.mkdir(parents=True, exist_ok=True)
    batches = 1 if columns or ending in FILMS else -(-a.n // a.batch)
    with tqdm(total=batches * a.steps, unit="step", leave=False) as bar:
        _write(a, model, request, columns, bar.update)
    print(a.out)


def _write(a, model, request, columns, progress) -> None:
    more = {} if a.branch_at is None else {"branch_at": a.branch_at}
    note, ending = sampling.Run(model, request, images=[]).describe(**more), a.out.suffix.lower()
    if ending in FILMS:
        # Before minutes of sampling: the film's first frame is as large as any.
        begun = sampling.Run(model, request).film()
        first = recorder.Frames(begun, a.panes, a.stride, columns)[0]
        animation.check_size(first, ending[1:], a.scale, frames=begun.steps // a.stride)
    if a.branch_at is not None:
        film = sampling.branch(model, *request, a.branch_at, progress)
    elif columns or ending in FILMS:
        film = sampling.film(model, request, progress)
    if ending in FILMS:
        of_film = {name: getattr(a, name) for name in OF_FILM}
        animation.save_film(film, a.out, **of_film, scale=a.scale, columns=columns, note=note)
        return
    images = film.images() if columns else sampling.sample(model, request, a.batch, progress)
    if ending == ".png":
        animation.save_png(recorder.grid(images, columns), a.out, a.scale, note)
        return
    arrays = {"images": images, "about": note}
    if request.classes(model):
        labels = request.labels(model, request.images)
        # An array cannot hold None.
        arrays["labels"] = np.array([-1 if k is None else k for k in map(main_class, labels)])
    with replacing(a.out) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
