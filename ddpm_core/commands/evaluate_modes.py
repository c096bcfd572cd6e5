"""``evaluate --fid``, ``--bound`` and ``--neighbours``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .. import checkpoints
from ..errors import InvalidInput, check_choice
from ..experiments import Progress, cards, inspection, results
from ..experiments.evaluation import evaluate_fid
from ..experiments.features import feature_net
from ..experiments.shards import Shards
from ..recorder import grid, save_png
from .evaluate import settings

SHOWN = 16


def fid(a: argparse.Namespace, model, requests) -> None:
    """Measure the FID of every request."""
    net = None if a.features is None else feature_net(a.features)
    folder = _own_folder(a.model) if a.save else None
    options = {"reference": a.reference, "net": net, "root": a.data_root, "batch": a.batch}
    for request in requests:
        found = _followed(evaluate_fid(model, request, home=a.cache, **options))
        print(settings(model, request))
        scale = request.guidance_scale
        print(("" if scale is None else f"scale {scale:g}: ") + found.words(), flush=True)
        _keep(a, model, request, found.result(), folder)


def bound(a: argparse.Namespace, model, requests) -> None:
    """Measure the bound; of a request it takes the number of images, the variance and the seed."""
    folder, request = _own_folder(a.model) if a.save else None, requests[0]
    found = _followed(
        inspection.measure_bound(
            model,
            n=request.n,
            evaluations=a.timesteps,
            variance=request.variance,
            seed=request.seed,
            root=a.data_root,
        )
    )
    print(f"{model.name}: {inspection.words(found)}", flush=True)
    _keep(a, model, request, found, folder)


def neighbours(a: argparse.Namespace, model, requests) -> None:
    """Look for the nearest training images of the samples of a request."""
    folder, request = _own_folder(a.model) if a.save else None, requests[0]
    if a.out is not None:
        check_choice("ending of --out", a.out.suffix.lower(), (".png",))
    space = "pixels" if a.pixels else "features"
    options = {"space": space, "root": a.data_root, "home": a.cache, "batch": a.batch}
    found, pairs = _followed(inspection.measure_neighbours(model, request, **options))
    print(settings(model, request))
    print(inspection.words(found), flush=True)
    _keep(a, model, request, found, folder)
    if a.out is not None:
        shown = pairs[:SHOWN]
        sheet = grid(np.concatenate(list(shown)), columns=shown.shape[1])
        save_png(sheet, a.out, 2, inspection.words(found))
        print(a.out)


MODES = {"fid": fid, "bound": bound, "neighbours": neighbours}


def _followed(steps):
    """The result of a measurement, with a bar while it lasts."""
    from tqdm import tqdm

    found, part = None, None
    with tqdm(leave=False, delay=0.5) as bar:
        for found in steps:
            if isinstance(found, Progress):
                if found.what != part:
                    part = found.what
                    bar.set_description(part)
                    bar.reset(found.total)
                bar.update(found.done - bar.n)
    return found


def _keep(a, model, request, result: dict, folder: Path | None) -> None:
    own = Shards(model, request, a.cache).folder
    for kept in [own] if folder is None else [own, folder]:
        print(results.save(kept, result), flush=True)
    if folder is not None:
        cards.rewrite(folder)


def _own_folder(name: str) -> Path:
    """The folder of a checkpoint that is one's own to write into.

    Raises:
        InvalidInput: if it comes from the Hub.
    """
    for folder in (checkpoints.HOME / name, Path(name)):
        if folder.is_dir():
            return folder
    raise InvalidInput("--save keeps a result in a checkpoint's folder; this one is on the Hub")
