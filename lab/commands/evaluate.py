"""``python -m lab evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ddpm_core.commands import options
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request

from .options import add_cache, add_features

DEFAULT = Request(n=1000)
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
    options.add_running(p)
    modes = p.add_mutually_exclusive_group()
    for name, words in MODES.items():
        modes.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=words)
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
    from dataclasses import replace

    from . import evaluate_modes

    check(a)
    options.apply(a)
    model = options.load_model(a)
    base = options.request(a, model)
    if a.measured_scales and base.guidance == "none":
        raise InvalidInput("--scale is that of a guidance: choose one with --guidance")
    scales = a.measured_scales or [base.guidance_scale]
    requests = [replace(base, guidance_scale=scale).for_model(model) for scale in scales]
    evaluate_modes.MODES[a.mode](a, model, requests)


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
