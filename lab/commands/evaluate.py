"""``python -m lab evaluate``."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ddpm_core import checkpoints
from ddpm_core.animation import save_png
from ddpm_core.commands import options
from ddpm_core.errors import InvalidInput, check_choice
from ddpm_core.guides import classifier_for
from ddpm_core.recorder import grid
from ddpm_core.request import Request

from ..measure import evaluation, results
from ..measure.features import feature_net
from ..measure.protocol import sampled, words
from ..measure.shards import Shards
from ..progress import followed
from ..publish import cards
from .options import add_cache, add_features

DEFAULT = Request(n=1000)
SHOWN = 16  # pairs of neighbours
# What the bound depends on beside the model; it is always in float32, and clipped.
OF_THE_BOUND = ("n", "seed", "variance")
# The measurements in place of how well samples meet their class.
MODES = {
    "fid": "the judge distance, with its spread and floor: the Fréchet distance between the "
    "features of our own judge network for samples and real images, which does not compare "
    "with Inception's FID; --n 10000 or more is usual",
    "bound": "the variational bound in bits per dimension, and the loss per quarter of t, of the "
    "first --n test images",
    "neighbours": "the distance of samples to their nearest training images: are they memorised?",
}
# The options that one of them alone reads.
READ_BY = {
    "features": "fid",
    "reference": "fid",
    "as_reported": "fid",
    "timesteps": "bound",
    "pixels": "neighbours",
    "out": "neighbours",
}


def add(commands) -> None:
    """Register the command."""
    p = commands.add_parser(
        "evaluate",
        help="measure how well samples meet their class, and how much they vary",
        description="Sample, and print what share an independent classifier (the judge, which "
        "takes part in no guidance) takes for the wanted class, and the mean pairwise distance "
        "between images of a class; several scales make a table. --fid, --bound and --neighbours "
        "measure something else instead. Samples are kept in --cache: the same command goes on "
        "where it was stopped.",
    )
    options.add_request(p, DEFAULT)
    p.add_argument(
        "--scale",
        dest="measured_scales",
        type=float,
        nargs="+",
        metavar="SCALE",
        help="guidance scale; several are measured one after another (of --neighbours one)",
    )
    options.add_batch(p)
    options.add_threads(p)
    modes = p.add_mutually_exclusive_group()
    for name, about in MODES.items():
        modes.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=about)
    p.add_argument(
        "--reference",
        choices=("test", "train", "validation"),
        help="for --fid: the real images (default: test); to choose something by its "
        "distance, validation, the 5,000 held out of training",
    )
    p.add_argument(
        "--as-reported",
        action="store_true",
        help="for --fid: FID as the report takes it, the mean over minibatches of 128 of distances "
        "between the logits of a classifier of digits, of pictures in grey",
    )
    add_features(p)
    p.add_argument(
        "--timesteps",
        type=int,
        metavar="COUNT",
        help="for --bound: evaluations of each image, most of them where t is small (default: 100)",
    )
    p.add_argument("--pixels", action="store_true", help="for --neighbours: not by features")
    p.add_argument(
        "--out", type=Path, help="for --neighbours: a PNG of the closest pairs, sample first"
    )
    options.add_data_root(p)
    add_cache(p)
    p.add_argument(
        "--save",
        action="store_true",
        help="keep the result in the checkpoint's folder and put it on its card",
    )
    p.set_defaults(run=run, mode="classes")


def run(a: argparse.Namespace) -> None:
    """Measure what is asked for, print it and keep it."""
    check(a)
    model = options.load_model(a)
    base = options.request(a, model)
    if a.measured_scales and base.guidance == "none":
        raise InvalidInput("--scale is that of a guidance: choose one with --guidance")
    scales = a.measured_scales or [base.guidance_scale]
    requests = [replace(base, guidance_scale=scale).for_model(model) for scale in scales]
    MEASURES[a.mode](a, model, requests)


def check(a: argparse.Namespace) -> None:
    """Refuse options that the measurement asked for would ignore."""
    for name, mode in READ_BY.items():
        if getattr(a, name) not in (None, False) and a.mode != mode:
            raise InvalidInput(f"--{name.replace('_', '-')} goes with --{mode}")
    if a.as_reported and a.features is not None:
        raise InvalidInput("--as-reported has its own features: leave --features out")
    scales = a.measured_scales or ()
    if scales and a.guidance_scale is not None:
        raise InvalidInput("--scale takes the place of --guidance-scale: give one of them")
    if a.mode == "neighbours" and len(scales) > 1:
        raise InvalidInput("--neighbours takes one --scale")
    if a.mode == "bound":
        strays = [name for name in options.changed(a, DEFAULT) if name not in OF_THE_BOUND]
        for name in [*strays, *(["scale"] if scales else [])]:
            raise InvalidInput(f"--{name.replace('_', '-')} has no meaning for --bound")


def classes(a: argparse.Namespace, model, requests) -> None:
    """Measure how well the samples of every request meet their class: a row for each."""
    folder = _own_folder(a)
    judge = classifier_for(model, "judge")
    print(f"{_settings(model, requests[0])}; judged by {judge.name}")
    print("| scale | wanted class | mean pairwise distance |\n| --- | --- | --- |")
    kept = []
    for request in requests:
        steps = evaluation.measure_classes(model, request, home=a.cache, batch=a.batch)
        found = followed(steps)
        scale = "-" if request.guidance_scale is None else f"{request.guidance_scale:g}"
        share, apart = found["accuracy"], found["distance"]
        hit = "-" if share is None else f"{share:.1%} ± {found['error']:.1%}"
        print(f"| {scale} | {hit} | {'-' if apart is None else f'{apart:.2f}'} |", flush=True)
        kept.append((request, found))
    for request, found in kept:
        _keep(a, model, request, found, folder)


def fid(a: argparse.Namespace, model, requests) -> None:
    """Measure the judge distance of every request."""
    net = None if a.features is None else feature_net(a.features)
    folder = _own_folder(a)
    options = {"reference": a.reference or "test", "net": net, "as_reported": a.as_reported}
    options |= {"root": a.data_root, "home": a.cache, "batch": a.batch}
    for request in requests:
        found = followed(evaluation.measure_fid(model, request, **options))
        print(_settings(model, request))
        scale = request.guidance_scale
        print(("" if scale is None else f"scale {scale:g}: ") + words(found), flush=True)
        _keep(a, model, request, found, folder)


def bound(a: argparse.Namespace, model, requests) -> None:
    """Measure the bound; of a request it takes the number of images, the variance and the seed."""
    folder, request = _own_folder(a), requests[0]
    options = {} if a.timesteps is None else {"evaluations": a.timesteps}
    options |= {name: getattr(request, name) for name in ("n", "variance", "seed")}
    found = followed(evaluation.measure_bound(model, root=a.data_root, **options))
    print(f"{model.name}: {words(found)}", flush=True)
    _keep(a, model, request, found, folder)


def neighbours(a: argparse.Namespace, model, requests) -> None:
    """Look for the nearest training images of the samples of a request."""
    folder, request = _own_folder(a), requests[0]
    if a.out is not None:
        check_choice("ending of --out", a.out.suffix.lower(), (".png",))
        a.out.parent.mkdir(parents=True, exist_ok=True)
    options = {"space": "pixels" if a.pixels else "features", "root": a.data_root}
    options |= {"home": a.cache, "batch": a.batch}
    found, pairs = followed(evaluation.measure_neighbours(model, request, **options))
    print(_settings(model, request))
    print(words(found), flush=True)
    _keep(a, model, request, found, folder)
    if a.out is not None:
        shown = pairs[:SHOWN]
        save_png(grid(np.concatenate(list(shown)), shown.shape[1]), a.out, 2, words(found))
        print(a.out)


MEASURES = {"classes": classes, "fid": fid, "bound": bound, "neighbours": neighbours}


def _keep(a, model, request, result: dict, folder: Path | None) -> None:
    own = Shards(model, request, a.cache).folder
    for kept in [own] if folder is None else [own, folder]:
        print(results.save(kept, result), flush=True)
    if folder is not None:
        cards.rewrite(folder)


def _settings(model, request) -> str:
    """What the figures depend on beside the scale, in words."""
    about = {"request": asdict(request) | {"guidance_scale": None}, "n": request.n}
    about |= {"first": request.first, "dtype": model.resolve_dtype(request.dtype)}
    weights = model.training.get("weights", "as published")
    return f"{model.name} ({weights}), {sampled(about)}"


def _own_folder(a) -> Path | None:
    """Where ``--save`` writes, None without it.

    Raises:
        InvalidInput: before anything is measured, if the checkpoint comes from the Hub, or its card
            cannot be written.
    """
    if not a.save:
        return None
    for folder in (checkpoints.HOME / a.model, Path(a.model)):
        if folder.is_dir():
            cards.text(folder)
            return folder
    raise InvalidInput("--save keeps a result in a checkpoint's folder; this one is on the Hub")
