"""Beside FID: how well samples meet their class, the bound in bits per dimension, the loss per
quarter of t, the nearest training images; each with its protocol, as ``results`` stores it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from ddpm_core import data
from ddpm_core.checkpoints import Model
from ddpm_core.errors import check_int
from ddpm_core.request import Request
from ddpm_core.sampling import BATCH

from ..progress import Progress, passed
from .bound import Bound, of_model
from .evaluation import about, of_weights, reference_words
from .features import classifier_features, judge_of
from .metrics import Tally
from .neighbours import QUANTILE, memorised, memorised_error, nearest
from .protocol import sampled
from .shards import HOME, Shards

BOUND_IMAGES, BOUND_EVALUATIONS = 1000, 100
# Of test images, for what is usual: enough for its quantile to be known.
COMPARED = 2000


def measure_classes(
    model: Model, request: Request, *, home: Path = HOME, batch: int = BATCH
) -> Iterator[Progress | dict]:
    """What share of samples the judge takes for the wanted class, and how much they vary.

    Args:
        request: what is sampled, or read from ``home``.
        home, batch: see ``evaluation.evaluate_fid``.

    Yields:
        ``Progress``, then a result of the kind ``"classes"``; its ``accuracy`` is None where no
        class was wanted, its ``distance`` where no two samples are of one class.

    Raises:
        InvalidInput: if the model's dataset has no judge.
    """
    shards = Shards(model, request, home, batch)
    tally = Tally(model, shards.request)
    for it in shards.sampling():
        if isinstance(it, Progress):
            yield it
        else:
            found = tally.add(torch.from_numpy(it).permute(0, 3, 1, 2))
    judge, told = classifier_features(tally.judge), shards.request.label != "none"
    space = {"space": judge.name, "space_mark": judge.mark}
    yield {
        "kind": "classes",
        "accuracy": found.accuracy if told else None,
        "error": found.error if told else None,
        "distance": None if math.isnan(found.distance) else found.distance,
        "protocol": of_weights(model) | shards.protocol() | space,
    }


def measure_bound(
    model: Model,
    *,
    n: int = BOUND_IMAGES,
    evaluations: int = BOUND_EVALUATIONS,
    variance: str = "beta",
    seed: int = 0,
    root: str | Path | None = None,
) -> Iterator[Progress | dict]:
    """The bound (report eq. 8, 9) and the loss (eq. 10) on the first test images, in float32.

    Args:
        n: how many.
        evaluations, variance, seed: see ``bound.bound``.
        root: see ``data.data_root``.

    Yields:
        ``Progress``, then a result of the kind ``"bound"``.
    """
    images = data.load(model.config.dataset, "test", root)
    check_int("n", n, 1, len(images))
    evaluations = min(evaluations, model.schedule.num_timesteps)
    options = {"variance": variance, "evaluations": evaluations, "seed": seed}
    found = yield from passed(of_model(model, images.subset(range(n)), **options))
    protocol = about(model, images, "test") | {"n": n, "dtype": "float32"} | options
    protocol["timesteps"] = model.schedule.num_timesteps
    # A model that knows classes is told each image's: its bound is that of the image given it.
    protocol["told"] = "the class" if model.classes else "nothing"
    yield {"kind": "bound"} | _figures(found) | {"protocol": protocol}


def measure_neighbours(
    model: Model,
    request: Request,
    *,
    k: int = 5,
    space: str = "features",
    root: str | Path | None = None,
    home: Path = HOME,
    batch: int = BATCH,
) -> Iterator[Progress | tuple[dict, np.ndarray]]:
    """Is it memorised? The nearest training images of samples, beside those of test images.

    Args:
        request: what is sampled, or read from ``home``.
        k: how many neighbours of each sample are shown.
        space: ``"features"``, those of the dataset's judge, or ``"pixels"``.
        root, home, batch: see ``evaluation.evaluate_fid``.

    Yields:
        ``Progress``, then a result of the kind ``"neighbours"`` and pictures: (n, 1 + k, H, W, C),
        uint8: every sample and its neighbours, the closest pairs first.
    """
    shards = Shards(model, request, home, batch)
    in_pixels = "compare pixels (--pixels)"
    net = judge_of(model, in_pixels) if space == "features" else None
    train, test = (data.load(model.config.dataset, split, root) for split in ("train", "test"))
    pictures = []
    for it in shards.sampling():
        if isinstance(it, Progress):
            yield it
        else:
            pictures.append(it)
    samples = np.concatenate(pictures)
    held_out = test.pixels[:COMPARED].permute(0, 2, 3, 1).numpy()
    # Together: the training images are many, and their features take long.
    both = yield from passed(nearest(np.concatenate([samples, held_out]), train, k, net))
    ours, real = both.split(len(samples))
    protocol = (
        about(model, train, "train")
        | shards.protocol()
        | {
            "space": ours.space,
            "space_mark": net and net.mark,
            "compared_with": len(held_out),
            "quantile": QUANTILE,
        }
    )
    result = {
        "kind": "neighbours",
        "memorised": memorised(ours, real),
        "median": float(ours.distances[:, 0].median()),
        "median_of_test_images": float(real.distances[:, 0].median()),
        "least": float(ours.distances[:, 0].min()),
        "least_of_test_images": float(real.distances[:, 0].min()),
        "protocol": protocol,
    }
    order = torch.argsort(ours.distances[:, 0])
    near = train.pixels[ours.indices[order]].permute(0, 1, 3, 4, 2).numpy()
    yield result, np.concatenate([samples[order.numpy()][:, None], near], axis=1)


def words(result: dict) -> str:
    """A result of this module with its protocol, in one line."""
    about = result["protocol"]
    if result["kind"] == "classes":
        return _classes(result)
    if result["kind"] == "bound":
        losses = _listed(result["losses"], 5)
        return f"{_bits(result)}; loss of eps by quarter: {losses}; {_over(about)}"
    share, n = result["memorised"], about["n"]
    error = memorised_error(share, n, about["compared_with"], about["quantile"])
    spread = f" ± {error:.2%}" if 0 < share < 1 else ""
    return (
        f"{share:.2%}{spread} of {n:,} samples lie closer to a training image than "
        f"all but {about['quantile']:.0%} of test images do; median distance to the nearest "
        f"{result['median']:.3f}, of the first {about['compared_with']:,} test images "
        f"{result['median_of_test_images']:.3f}; {reference_words(about)}; in {about['space']}; "
        f"weights: {about['weights']}; {sampled(about)}"
    )


def _classes(result: dict) -> str:
    about, share = result["protocol"], result["accuracy"]
    told = f"{about['n']:,} samples"
    if share is not None:
        told = f"{share:.2%} ± {result['error']:.2%} of {told} taken for the wanted class"
    told += f" by {about['space']} ({about['space_mark'][:8]})"
    if result["distance"] is not None:
        told += f"; mean distance of two of a class {result['distance']:.2f}"
    return f"{told}; {sampled(about)}; weights: {about['weights']} ({about['weights_mark'][:8]})"


def _bits(result: dict) -> str:
    about, error = result["protocol"], result["error"]
    spread, known = "", "of one image: no telling how far off"
    if error is not None:
        spread, known = f" ± {error:.4f}", "standard error between images"
        if about["evaluations"] < about["timesteps"]:
            known += "; which timesteps were drawn is not in it"
    return (
        f"{result['bits']:.4f}{spread} bits per dimension ({known}); prior {result['prior']:.4f}, "
        f"steps {result['steps']:.4f}, decoder {result['decoder']:.4f}; by quarter of t, least "
        f"noise first: {_listed(result['quarters'], 4)}"
    )


def _over(about: dict) -> str:
    """What a bound depends on."""
    real = about["reference"]
    source = f" from {real['source']}" if real["source"] else ""
    return (
        f"the first {about['n']:,} images of {real['dataset']} {real['split']}{source}, "
        f"{about['evaluations']:,} of {about['timesteps']:,} timesteps of each; variance "
        f"{about['variance']}; x̂0 clipped; told {about['told']}; weights: {about['weights']}; "
        f"seed {about['seed']}; dtype float32"
    )


def _listed(figures, decimals: int) -> str:
    return ", ".join("not evaluated" if it is None else f"{it:.{decimals}f}" for it in figures)


def _figures(found: Bound) -> dict:
    named = asdict(found)
    return {k: v for k, v in named.items() if k not in ("images", "evaluations", "variance")}
