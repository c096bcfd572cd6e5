"""FID while a model trains, as in the report's Figure 2: cheap, and always by one protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from ddpm_core import checkpoints, data
from ddpm_core.model import Model
from ddpm_core.request import Request
from ddpm_core.sampling import sample

from ..progress import last
from .features import batches, classifier_features, stand_in
from .fid import check_enough, frechet, gather
from .protocol import distance

SAMPLES, REAL = 512, 1000
# Few steps and one noise: only the model changes from one figure to the next.
REQUEST = Request(n=SAMPLES, sampler="dpm_solver_pp", steps=20)
NOT_RECORDED = "a judge not recorded"


def fid_watch(dataset: str, root=None, size: int | None = None) -> Callable[[Model], dict]:
    """The function that ``training.Loop`` calls at every validation: a model in, columns out.

    The columns are ``fid``, the figure; ``fid_by``, the feature net with the mark of its weights;
    and ``fid_n``, the number of samples if it is not 512.

    The figure is of 512 samples, or, if the net has as many features, of the least multiple of 512
    above their number (DPM-Solver++, 20 steps or all of a shorter schedule, seed 0, all classes in
    turn), against the first images held out of training. It is larger than a figure of more
    images would be, and compares only with others of its kind. The features are those of the
    dataset's judge, or of ``stand_in`` without one.

    Args:
        size: see ``data.load``.
    """
    name, root = data.located(dataset, root)
    images, judge, net = data.load(name, "validation", root, size), f"{name}-judge", None
    if judge in checkpoints.available_classifiers():
        classifier = checkpoints.load_classifier(checkpoints.HOME / judge)
        fits = classifier.shape == tuple(images.pixels.shape[1:])
        net = classifier_features(classifier) if fits else None
    net = net or stand_in()
    chosen = torch.arange(min(REAL, len(images)))
    (reference,) = last(gather(net, batches(images, chosen), len(chosen)))
    check_enough(reference.n, reference.d)
    count = SAMPLES * (1 + reference.d // SAMPLES)

    def measure(model: Model) -> dict:
        steps = min(REQUEST.steps, model.schedule.num_timesteps)
        request = replace(REQUEST, n=count, steps=steps).for_model(model)
        (moments,) = last(gather(net, [sample(model, request)], request.n))
        figure = round(frechet(moments, reference), 4)
        about = {"fid": figure, "fid_by": f"{net.name} ({net.mark[:8]})"}
        return about if count == SAMPLES else about | {"fid_n": count}

    return measure


def words(rows: Sequence[dict], recipe: Mapping) -> str:
    """How the distances in a training's rows were measured; empty without any."""
    watched = [row for row in rows if "fid" in row]
    if not watched:
        return ""
    nets = dict.fromkeys(row.get("fid_by", NOT_RECORDED) for row in watched)
    counts = dict.fromkeys(f"{row.get('fid_n', SAMPLES):,}" for row in watched)
    num_timesteps = recipe.get("schedule", {}).get("num_timesteps", REQUEST.steps)
    steps = min(REQUEST.steps, num_timesteps)
    classes = ", all classes in turn" if recipe.get("conditional") else ""
    return (
        f"{name(rows)}: {' and '.join(counts)} samples ({REQUEST.sampler}, {steps} steps, seed "
        f"{REQUEST.seed}, x̂0 clipped{classes}; of the averaged weights) against the "
        f"first {REAL:,} images held out of training, by {' and '.join(nets)}; its spread was not "
        "measured"
    )


def name(rows: Sequence[dict]) -> str:
    """The name of the distance that a training's rows keep."""
    nets = {row.get("fid_by", NOT_RECORDED) for row in rows if "fid" in row} - {NOT_RECORDED}
    names = {distance(net.partition(" ")[0]) for net in nets} or {"judge distance"}
    return names.pop() if len(names) == 1 else "Fréchet distance"
