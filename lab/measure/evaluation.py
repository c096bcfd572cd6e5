"""What ``python -m lab evaluate`` measures of a model.

Each function yields ``Progress`` and then a result: its ``kind``, its figures, and under
``protocol`` all that they depend on. ``results.save`` stores it, ``protocol.words`` describes it.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from ddpm_core import data, processes
from ddpm_core.errors import InvalidInput, check_choice, check_int
from ddpm_core.guides import classifier_for, roles_for
from ddpm_core.hardware import describe
from ddpm_core.model import Model
from ddpm_core.request import Request
from ddpm_core.sampling import BATCH

from ..process.recognise import ROUNDS, asked_classes, recognising, round_times
from ..progress import Progress, passed
from .as_reported import MINIBATCH, logits_in_grey, mean_distance
from .bound import of_model
from .features import Features, batches, classifier_features, features_for
from .fid import BLOCKS, check_enough, floor, gather, mean_of_draws, score
from .metrics import Tally
from .neighbours import QUANTILE, memorised, nearest
from .results import fingerprint
from .shards import HOME, Shards

# Each set of real images, with the set that its floor is made of. To choose something, use
# the validation images, so that the test set stays for what was chosen.
REFERENCES = {"test": "train", "train": "test", "validation": "train"}
# The real images of a floor must never change: figures would no longer be comparable.
FLOOR_SEED = 0
BOUND_EVALUATIONS = 100
# Test images that show the usual distances: enough to know their quantile.
COMPARED = 2000
_REAL: dict[str, list] = {}


def measure_fid(
    model: Model,
    request: Request,
    *,
    reference: str = "test",
    as_reported: bool = False,
    root: str | Path | None = None,
    home: Path = HOME,
    batch: int = BATCH,
) -> Iterator[Progress | dict]:
    """Sample a request, or read its samples from disk, and measure their Fréchet distance.

    Args:
        reference: ``"test"``, ``"train"`` (less the images held out) or ``"validation"`` (those):
            the real images, all of the split.
        as_reported: measure in the report's way (see ``as_reported``): compare each minibatch of
            samples with as many real images, drawn at random once and for all.
        root: see ``data.data_root``.
        home: samples are kept there.
        batch: images sampled at a time.

    Yields:
        ``Progress``, then a result of the kind ``"fid"``: ``fid``, ``spread`` and ``left_out``
        (see ``fid.Score``); ``floor`` and ``floor_spread``, what as many real images of the other
        split get, None if they are too few; ``seconds``, without those for samples that
        were on disk. It refuses what it cannot measure before it samples anything.
    """
    started, shards = time.monotonic(), Shards(model, request, home, batch)
    n = shards.request.n
    net, images, rest = compared(model, n, reference, as_reported, root)
    about = _about(model, images, reference)
    if as_reported:
        about["reference"] |= {"images": n, "drawn_of": len(images), "seed": FLOOR_SEED}
        real = yield from _drawn(net, images, n)
        floor_score = mean_distance((yield from _drawn(net, rest, n)), real)
        compare, count, draws = mean_distance, n // MINIBATCH, 1
    else:
        whole = gather(net, batches(images), len(images), what="reference")
        (real,) = yield from _once(whole, net, images)
        draws = []
        if len(rest) >= n:
            steps = floor(net, rest, real, n, FLOOR_SEED)
            draws = yield from _once(steps, net, images, rest, n)
        floor_score = mean_of_draws(draws) if draws else None
        compare, count, draws = score, BLOCKS, len(draws)
    # First write all samples to disk: a run that is stopped loses none, and none stays in memory.
    yield from passed(shards.sampling())
    pictures = (item for item in shards.sampling() if isinstance(item, np.ndarray))
    blocks = yield from passed(gather(net, pictures, n, count))
    distance = compare(blocks, real)
    features = {"name": net.name, "layer": net.layer, "count": blocks[0].d, "mark": net.mark}
    floor_protocol = {"split": REFERENCES[reference], "draws": draws, "seed": FLOOR_SEED}
    yield {
        "kind": "fid",
        "fid": distance.value,
        "spread": distance.spread,
        "left_out": list(distance.parts),
        "floor": floor_score and floor_score.value,
        "floor_spread": floor_score and floor_score.spread,
        "protocol": about | shards.protocol() | {"features": features, "floor": floor_protocol},
        "seconds": round(time.monotonic() - started, 1),
        "hardware": describe(model.device),
    }


def compared(
    model: Model,
    n: int,
    reference: str = "test",
    as_reported: bool = False,
    root: str | Path | None = None,
) -> tuple[Features, data.Images, data.Images]:
    """What ``measure_fid`` of n samples compares: the feature net, the real images, and those that
    the floor is made of.

    Raises:
        InvalidInput: for what cannot be measured.
    """
    check_choice("reference set", reference, REFERENCES)
    net = logits_in_grey() if as_reported else features_for(model)
    images, rest = _real_images(model, reference, root)
    if as_reported:
        _check_minibatches(n, images, rest)
    else:
        width = net.features(next(batches(images, [0]))).shape[1]
        check_enough(n, width, "samples")
        check_enough(len(images), width, f"images of the {reference} set")
    return net, images, rest


def measure_classes(
    model: Model, request: Request, *, home: Path = HOME, batch: int = BATCH
) -> Iterator[Progress | dict]:
    """The share of samples that the judge takes for the wanted class, and how much samples vary.

    Yields:
        ``Progress``, then a result of the kind ``"classes"``; its ``accuracy`` is None where no
        class was wanted, its ``distance`` where no two samples are of one class.
    """
    shards = Shards(model, request, home, batch)
    tally = Tally(model, shards.request)
    for item in shards.sampling():
        if isinstance(item, Progress):
            yield item
        else:
            figures = tally.add(torch.from_numpy(item).permute(0, 3, 1, 2))
    judge, conditional = classifier_features(tally.judge), shards.request.label != "none"
    space = {"space": judge.name, "space_mark": judge.mark}
    yield {
        "kind": "classes",
        "accuracy": figures.accuracy if conditional else None,
        "error": figures.error if conditional else None,
        "distance": None if math.isnan(figures.distance) else figures.distance,
        "protocol": _of_weights(model) | shards.protocol() | space,
    }


def measure_bound(
    model: Model,
    *,
    n: int,
    evaluations: int = BOUND_EVALUATIONS,
    variance: str = "beta",
    seed: int = 0,
    root: str | Path | None = None,
    batch: int = BATCH,
) -> Iterator[Progress | dict]:
    """The bound (report eq. 8, 9) and the loss (eq. 10) on the first test images, in float32.

    Yields:
        ``Progress``, then a result of the kind ``"bound"`` with the fields of ``bound.Bound``.
    """
    images = _told(model, root)
    check_int("n", n, 1, len(images))
    evaluations = min(evaluations, model.schedule.num_timesteps)
    options = {"variance": variance, "evaluations": evaluations, "seed": seed}
    figures = yield from passed(of_model(model, images.subset(range(n)), **options, batch=batch))
    protocol = _about(model, images, "test") | {"n": n, "dtype": "float32"} | options
    protocol["timesteps"] = model.schedule.num_timesteps
    # A model that knows classes is told each image's class: the bound is of the image given it.
    protocol["told"] = "the class" if model.classes else "nothing"
    yield {"kind": "bound"} | asdict(figures) | {"protocol": protocol}


def measure_recognition(
    model: Model,
    *,
    n: int,
    rounds: int = ROUNDS,
    seed: int = 0,
    dtype: str = "auto",
    root: str | Path | None = None,
    batch: int = BATCH,
) -> Iterator[Progress | dict]:
    """How many of the first test images a model recognises by its guesses of noise, and how many
    the judge does, if its dataset has one.

    Yields:
        ``Progress``, then a result of the kind ``"recognition"``: ``accuracy``, its ``error``,
        ``judge``, the judge's accuracy or None, and ``calls`` of the network for each image.
    """
    images = _told(model, root)
    judge = classifier_for(model, "judge") if "judge" in roles_for(model) else None
    check_int("n", n, 1, len(images))
    classes = [label for label in asked_classes(model) if label is not None]
    times = round_times(model.schedule, rounds)
    answers = torch.zeros(2, n, dtype=torch.float64)  # 1 where right: the model's, the judge's
    parts = processes.split(n, max(1, batch // len(classes)))
    for place, part in enumerate(parts):
        x0, labels = images.batch(part)
        walk = recognising(model, x0, classes, rounds, seed, part.tolist(), dtype)
        for done, errors in enumerate(walk, place * len(times) + 1):
            yield Progress("recognition", done, len(parts) * len(times))
        answers[0, part] = (torch.from_numpy(errors).argmin(1) == labels).double()
        if judge:
            answers[1, part] = (judge.log_probs(x0).argmax(1).cpu() == labels).double()
    processes.add_up([answers])
    right, judged = (int(count) for count in answers.sum(1))
    about = {"n": n, "times": sorted(times), "seed": seed, "dtype": model.resolve_dtype(dtype)}
    if judge:
        about |= {"space": judge.name, "space_mark": classifier_features(judge).mark}
    yield {
        "kind": "recognition",
        "accuracy": right / n,
        "error": math.sqrt(right * (n - right) / n**3),
        "judge": judged / n if judge else None,
        "calls": len(classes) * len(times),
        "protocol": _about(model, images, "test") | about,
    }


def measure_neighbours(
    model: Model,
    request: Request,
    *,
    space: str = "features",
    root: str | Path | None = None,
    home: Path = HOME,
    batch: int = BATCH,
) -> Iterator[Progress | tuple[dict, np.ndarray]]:
    """Is it memorised? The nearest training images of samples, beside those of test images.

    Args:
        space: ``"features"``, those of ``features_for``, or ``"pixels"``.

    Yields:
        ``Progress``, then a result of the kind ``"neighbours"`` and pictures: (n, 6, H, W, C),
        uint8: every sample and its five neighbours, the closest pairs first.
    """
    shards = Shards(model, request, home, batch)
    net = features_for(model) if space == "features" else None
    train, test = (_split(model, split, root) for split in ("train", "test"))
    samples = yield from shards.whole()
    held_out = test.pixels[:COMPARED].permute(0, 2, 3, 1).numpy()
    # Together: the training images are many, and their features take long.
    both = nearest(np.concatenate([samples, held_out]), train, net=net)
    indices, distances = yield from passed(both)
    ours, real = distances[:, 0].split([len(samples), len(held_out)])
    about = {"space": net.name if net else space, "space_mark": net and net.mark}
    about |= {"compared_with": len(held_out), "quantile": QUANTILE}
    result = {
        "kind": "neighbours",
        "memorised": memorised(ours, real),
        "median": float(ours.median()),
        "median_of_test_images": float(real.median()),
        "least": float(ours.min()),
        "least_of_test_images": float(real.min()),
        "protocol": _about(model, train, "train") | shards.protocol() | about,
    }
    order = torch.argsort(ours)
    neighbours = train.pixels[indices[order]].permute(0, 1, 3, 4, 2).numpy()
    yield result, np.concatenate([samples[order.numpy()][:, None], neighbours], axis=1)


def _about(model: Model, images: data.Images, split: str) -> dict:
    """What a figure of a model beside real images depends on, ready for JSON."""
    about = {"dataset": model.config.dataset, "split": split, "images": len(images)}
    return _of_weights(model) | {"reference": about | {"source": images.source}}


def _of_weights(model: Model) -> dict:
    return {
        "model": model.name,
        "weights": model.training.get("weights", "as published"),
        "weights_mark": fingerprint(model.unet),
    }


def _real_images(
    model: Model, reference: str, root: str | Path | None = None
) -> tuple[data.Images, data.Images]:
    """The real images that samples are compared with, and those that the floor is made of."""
    splits = reference, REFERENCES[reference]
    images, rest = (_split(model, split, root) for split in splits)
    record = model.training
    other_copy = "training_set" in record and record.get("source", "") != images.source
    if reference == "validation" and other_copy:
        raise InvalidInput(
            f"{model.name} was trained on another copy of {model.config.dataset}, of which other "
            "images were held out: it has seen most of these"
        )
    return images, rest


def _split(model: Model, split: str, root: str | Path | None) -> data.Images:
    """A split of a model's dataset, in the size that the model was trained in."""
    name, size = model.config.dataset, model.config.preprocessing.get("size")
    images = data.load(name, split, root, size)
    shape = tuple(images.pixels.shape[1:])
    if shape != model.shape:
        raise InvalidInput(f"{model.name} makes images of {model.shape}, {name} has {shape}")
    return images


def _told(model: Model, root: str | Path | None) -> data.Images:
    """The test images, if a model that knows classes can be told theirs."""
    images, name = _split(model, "test", root), model.config.dataset
    if model.classes and len(model.classes) != len(images.classes):
        counts = f"{len(model.classes)} classes, {name} has {len(images.classes)}"
        raise InvalidInput(f"{model.name} knows {counts}: it cannot be told theirs")
    return images


def _check_minibatches(n: int, *sets: data.Images) -> None:
    if n < 2 * MINIBATCH or n % MINIBATCH:
        raise InvalidInput(f"n = {n:,} does not make two or more minibatches of {MINIBATCH}")
    if min(map(len, sets)) < n:
        raise InvalidInput(f"there are fewer than n = {n:,} real images to compare with")


def _drawn(net: Features, images: data.Images, n: int):
    """Moments of minibatches of real images."""
    order = np.random.RandomState(FLOOR_SEED).permutation(len(images))[:n]
    return passed(gather(net, batches(images, order), n, n // MINIBATCH, "real images"))


def _once(measure: Iterator, net: Features, *about: data.Images | int):
    """Measure real images by a net, once per process: all cells of a table share the result."""
    digest = hashlib.sha256(f"{net.name} {net.layer} {net.mark}".encode())
    for item in about:
        digest.update(item.pixels.numpy() if isinstance(item, data.Images) else f" {item}".encode())
    key = digest.hexdigest()
    if key not in _REAL:
        _REAL[key] = yield from passed(measure)
    return _REAL[key]
