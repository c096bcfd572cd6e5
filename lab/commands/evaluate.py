"""``python -m lab evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ddpm_core import checkpoints, processes
from ddpm_core.animation import save_png
from ddpm_core.commands import options
from ddpm_core.errors import CheckpointError, InvalidInput, check_choice
from ddpm_core.model import Model
from ddpm_core.recorder import grid
from ddpm_core.request import Request

from ..measure import evaluation, results
from ..measure.protocol import words
from ..measure.shards import HOME, Shards
from ..process.recognise import ROUNDS
from ..progress import Progress, followed, passed
from ..publish import cards

DEFAULT = Request(n=1000)
SHOWN = 16  # pairs of neighbours
# The options that a figure depends on beside the model, if nothing is sampled. The bound is always
# in float32, and clipped.
OF_TEST_IMAGES = {"bound": ("n", "seed", "variance"), "recognise": ("n", "seed", "dtype")}
# The measurements in place of how well samples match their class.
MODES = {
    "fid": "the judge distance, with its spread and floor: the Fréchet distance between the "
    "features of our own judge network for samples and real images, which does not compare "
    "with Inception's FID; --n 10000 or more is usual",
    "bound": "the variational bound in bits per dimension, and the loss per quarter of t, of the "
    "first --n test images",
    "recognise": "how many of the first --n test images it takes for what they are, by the class "
    "that makes its guess of the noise best (Li et al. 2023)",
    "neighbours": "the distance of samples to their nearest training images: are they memorised?",
}
# The options that only one of these measurements reads.
OPTIONS = {
    "reference": {
        "mode": "fid",
        "choices": ("test", "train", "validation"),
        "help": "the real images (default: test); to choose something by its distance, "
        "validation, the 5,000 held out of training",
    },
    "as_reported": {
        "mode": "fid",
        "action": "store_true",
        "help": "FID as the report takes it, the mean over minibatches of 128 of distances "
        "between the logits of a classifier of digits, of pictures in grey",
    },
    "timesteps": {
        "mode": "bound",
        "type": int,
        "metavar": "COUNT",
        "help": "evaluations of each image, most of them where t is small (default: 100)",
    },
    "rounds": {
        "mode": "recognise",
        "type": int,
        "metavar": "COUNT",
        "help": f"pairs of t and noise, each asked of every class (default: {ROUNDS})",
    },
    "pixels": {
        "mode": "neighbours",
        "action": "store_true",
        "help": "compare pixels, not features",
    },
    "out": {"mode": "neighbours", "type": Path, "help": "a PNG of the closest, sample first"},
}


def add(commands) -> None:
    p = commands.add_parser(
        "evaluate",
        help="measure how well samples meet their class, and how much they vary",
        description="Sample, and print what share an independent classifier (the judge, which "
        "takes part in no guidance) takes for the wanted class, and the mean pairwise distance "
        "between images of a class. --fid, --bound, --recognise and --neighbours measure something "
        "else instead. Samples are kept in --cache: the same command goes on where it was stopped.",
    )
    options.add_request(p, DEFAULT)
    p.add_argument(
        "--scales",
        type=float,
        nargs="+",
        metavar="SCALE",
        help="guidance scales, measured one after another",
    )
    options.add_batch(p)
    options.add_threads(p)
    modes = p.add_mutually_exclusive_group()
    for name, about in MODES.items():
        modes.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=about)
    for name, about in OPTIONS.items():
        settings = {key: value for key, value in about.items() if key != "mode"}
        settings["help"] = f"for --{about['mode']}: {about['help']}"
        p.add_argument(f"--{name.replace('_', '-')}", **settings)
    options.add_data_root(p)
    add_cache(p)
    p.add_argument(
        "--save",
        action="store_true",
        help="keep the result in the checkpoint's folder and put it on its card",
    )
    p.set_defaults(run=run, mode="classes")


def add_cache(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--cache",
        type=Path,
        default=HOME,
        metavar="FOLDER",
        help="where samples and results are kept (default: %(default)s)",
    )


def run(a: argparse.Namespace) -> None:
    """Measure what is asked for, print it and keep it."""
    check(a)
    model = options.load_model(a)
    processes.join(model.device)
    base = asked(a, model)
    if a.mode in OF_TEST_IMAGES:  # these take no steps
        base = replace(base, steps=min(base.steps, model.schedule.num_timesteps))
    if a.scales and base.guidance == "none":
        raise InvalidInput("--scales are those of a guidance: choose one with --guidance")
    scales = a.scales or [base.guidance_scale]
    requests = [replace(base, guidance_scale=scale).for_model(model) for scale in scales]
    checkpoint = _checkpoint_folder(a)
    for request in requests:
        if processes.count() > 1 and a.mode not in OF_TEST_IMAGES:
            if a.mode == "fid":  # refused before anything is sampled
                evaluation.compared(model, request.n, **_of_fid(a))
            followed(Shards(model, request, a.cache, a.batch).share())
            if processes.rank():
                continue  # the first measures
        result = followed(_measuring(a, model, request))
        if processes.rank():
            continue
        print(f"{model.name}: {words(result)}", flush=True)
        for folder in filter(None, (Shards(model, request, a.cache).folder, checkpoint)):
            print(results.save(folder, result), flush=True)
        if checkpoint:
            cards.rewrite(checkpoint)


def asked(a: argparse.Namespace, model: Model) -> Request:
    """The request that the options spell. The bound reads a variance, though it has no sampler."""
    return options.request(a, model, also=("variance",) if a.mode == "bound" else ())


def check(a: argparse.Namespace) -> None:
    """Refuse options that the measurement asked for would ignore."""
    for name, about in OPTIONS.items():
        if getattr(a, name) not in (None, False) and a.mode != about["mode"]:
            raise InvalidInput(f"--{name.replace('_', '-')} goes with --{about['mode']}")
    scales = a.scales or ()
    if scales and a.guidance_scale is not None:
        raise InvalidInput("--scales take the place of --guidance-scale: give one of them")
    if a.out is not None:
        check_choice("ending of --out", a.out.suffix.lower(), (".png",))
        if len(scales) > 1:
            raise InvalidInput("--out takes one of --scales")
    if a.mode in OF_TEST_IMAGES:
        used = OF_TEST_IMAGES[a.mode]
        strays = [name for name in options.changed(a, DEFAULT) if name not in used]
        strays += ["scales"] if scales else []
        for name in strays:
            raise InvalidInput(f"--{name.replace('_', '-')} has no meaning for --{a.mode}")


def _measuring(a, model, request) -> Iterator[Progress | dict]:
    """What is asked for, with the options that it reads."""
    real, kept = {"root": a.data_root}, {"home": a.cache, "batch": a.batch}
    if a.mode == "classes":
        return evaluation.measure_classes(model, request, **kept)
    if a.mode == "fid":
        return evaluation.measure_fid(model, request, **_of_fid(a), **kept)
    if a.mode == "neighbours":
        space = "pixels" if a.pixels else "features"
        walk = evaluation.measure_neighbours(model, request, space=space, **real, **kept)
        return _with_picture(walk, a.out)
    options = {name: getattr(request, name) for name in OF_TEST_IMAGES[a.mode]}
    if a.mode == "bound":
        options |= {"batch": a.batch}
        options |= {} if a.timesteps is None else {"evaluations": a.timesteps}
        return evaluation.measure_bound(model, **options, **real)
    options |= {"rounds": ROUNDS if a.rounds is None else a.rounds, "batch": a.batch}
    return evaluation.measure_recognition(model, **options, **real)


def _of_fid(a) -> dict:
    """The options that say what samples are compared with."""
    reference = a.reference or "test"
    return {"reference": reference, "as_reported": a.as_reported, "root": a.data_root}


def _with_picture(walk, out: Path | None) -> Iterator[Progress | dict]:
    """Neighbours measured, and the closest pairs as a PNG if it is asked for."""
    result, pairs = yield from passed(walk)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        shown = pairs[:SHOWN]
        save_png(grid(np.concatenate(list(shown)), shown.shape[1]), out, 2, words(result))
    yield result


def _checkpoint_folder(a) -> Path | None:
    """Where ``--save`` writes, None without it.

    Raises:
        InvalidInput: before anything is measured, if the checkpoint comes from the Hub, or its card
            cannot be written.
    """
    if not a.save:
        return None
    try:
        folder = checkpoints.find(Path(a.model))  # a path: nothing is fetched
    except CheckpointError:
        message = "--save keeps a result in a checkpoint's folder; this one is on the Hub"
        raise InvalidInput(message) from None
    cards.text(folder)
    return folder
