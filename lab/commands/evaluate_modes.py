"""``evaluate``, and its modes ``--fid``, ``--bound`` and ``--neighbours``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ddpm_core import checkpoints
from ddpm_core.animation import save_png
from ddpm_core.errors import InvalidInput, check_choice
from ddpm_core.guides import classifier_for
from ddpm_core.recorder import grid

from ..measure import evaluation, results
from ..measure.features import feature_net
from ..measure.protocol import sampled, words
from ..measure.shards import Shards
from ..publish import cards
from .progress import followed

SHOWN = 16


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


MODES = {"classes": classes, "fid": fid, "bound": bound, "neighbours": neighbours}


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
