"""FID of a model, with all that the figure depends on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from ddpm_core import data
from ddpm_core.checkpoints import Model
from ddpm_core.errors import InvalidInput, check_choice, check_int
from ddpm_core.files import replacing, write
from ddpm_core.hardware import describe
from ddpm_core.request import Request
from ddpm_core.sampling import BATCH

from ..progress import Progress, passed
from ..weights import fingerprint
from .features import Features, batches, judge_of
from .fid import (
    BLOCKS,
    FLOOR_DRAWS,
    Floor,
    Moments,
    Score,
    floor,
    gather,
    gather_blocks,
    score,
)
from .protocol import distance, sampled
from .shards import HOME, Shards

# Each set of real images, with the set that its floor is made of. What is chosen by a figure is
# chosen by the images held out, so that the test set stays for what was chosen.
REFERENCES = {"test": "train", "train": "test", "validation": "train"}
# Which real images make a floor must never change: figures would cease to be comparable.
FLOOR_SEED = 0


@dataclass(frozen=True)
class Fid:
    """A FID and what it stands on.

    Attributes:
        score: the figure and its spread.
        floor: what real images of the other split get at the same n; None if they are too few.
        protocol: all that the figures depend on, ready for JSON.
        seconds: what it took, without what lay ready on disk.
        hardware: that it took them on.
    """

    score: Score
    floor: Floor | None
    protocol: dict
    seconds: float
    hardware: str

    def result(self) -> dict:
        """As ``results.save`` takes it."""
        return {
            "kind": "fid",
            "fid": self.score.value,
            "spread": self.score.spread,
            "left_out": list(self.score.left_out),
            "floor": self.floor and self.floor.value,
            "floor_spread": self.floor and self.floor.spread,
            "protocol": self.protocol,
            "seconds": round(self.seconds, 1),
            "hardware": self.hardware,
        }

    def words(self) -> str:
        """The figure with its protocol, in one line."""
        return words(self.result())


def evaluate_fid(
    model: Model,
    request: Request,
    *,
    reference: str = "test",
    net: Features | None = None,
    root: str | Path | None = None,
    home: Path = HOME,
    batch: int = BATCH,
) -> Iterator[Progress | Fid]:
    """Sample a request, or read what is on disk of it, and measure its FID.

    Args:
        reference: ``"test"``, ``"train"`` (less the images held out) or ``"validation"`` (those):
            the real images, all of the split.
        net: the feature net; the judge of the model's dataset unless given.
        root: see ``data.data_root``.
        home: samples and reference moments are kept there.
        batch: images sampled at a time.

    Yields:
        ``Progress`` after every step, then ``Fid``.

    Raises:
        InvalidInput: before anything is sampled, if n is too small for the features, or images
            and model do not fit.
    """
    check_choice("reference set", reference, REFERENCES)
    started = time.monotonic()
    shards = Shards(model, request, home, batch)
    net = net or judge_of(model, "name another feature net (--features)")
    images, rest = real_images(model, reference, root)
    real = yield from passed(reference_moments(net, images, home))
    n = shards.request.n
    for count, what in ((n, "n"), (real.n, "images of the reference")):
        if count <= real.d:
            raise InvalidInput(
                f"{what} = {count:,} is too few for the {real.d:,} features of {net.name}"
            )
    check_int("n", n, BLOCKS, 10**9)
    lowest = None
    if len(rest) >= n:
        lowest = yield from passed(reference_floor(net, rest, images, real, n, home))
    # First all onto the disk: a run that is stopped loses no picture, and no picture stays in
    # memory.
    yield from passed(shards.sampling())
    pictures = (it for it in shards.sampling() if isinstance(it, np.ndarray))
    blocks = yield from passed(gather_blocks(net, pictures, n))
    protocol = (
        about(model, images, reference)
        | shards.protocol()
        | {
            "features": {"name": net.name, "layer": net.layer, "count": real.d, "mark": net.mark},
            "floor": {
                "split": REFERENCES[reference],
                "draws": lowest.draws if lowest else 0,
                "seed": FLOOR_SEED,
            },
        }
    )
    seconds, hardware = time.monotonic() - started, describe(model.device)
    yield Fid(score(blocks, real), lowest, protocol, seconds, hardware)


def real_images(
    model: Model, reference: str, root: str | Path | None = None
) -> tuple[data.Images, data.Images]:
    """What a model's samples are held against, and the images that its floor is made of.

    Raises:
        InvalidInput: if images and model do not fit, or it was trained on what it is to be held
            against.
    """
    splits = reference, REFERENCES[reference]
    images, rest = (data.load(model.config.dataset, split, root) for split in splits)
    if tuple(images.pixels.shape[1:]) != model.shape:
        raise InvalidInput(
            f"{model.name} makes images of {model.shape}, {model.config.dataset} has "
            f"{tuple(images.pixels.shape[1:])}"
        )
    record = model.training
    others = "training_set" in record and record.get("source", "") != images.source
    if reference == "validation" and others:
        raise InvalidInput(
            f"{model.name} was trained on another copy of {model.config.dataset}, of which other "
            "images were held out: it has seen most of these"
        )
    return images, rest


def reference_moments(
    net: Features, images: data.Images, home: Path = HOME
) -> Iterator[Progress | Moments]:
    """The moments of a whole set of real images, kept on disk.

    Yields:
        ``Progress`` after every batch, then ``Moments``.
    """
    path = Path(home) / "references" / f"{_digest(net, images)}.npz"
    kept = _kept(path)
    if kept is not None:
        yield kept
        return
    found = yield from passed(gather(net, batches(images), len(images), "reference"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, n=found.n, mean=found.mean.numpy(), scatter=found.scatter.numpy())
    yield found


def reference_floor(
    net: Features,
    rest: data.Images,
    images: data.Images,
    real: Moments,
    n: int,
    home: Path = HOME,
) -> Iterator[Progress | Floor]:
    """What ``n`` images of ``rest`` get against ``images`` of moments ``real``, kept on disk.

    Yields:
        ``Progress`` after every batch, then the ``Floor``.
    """
    name = _digest(net, images, rest, n, FLOOR_SEED, FLOOR_DRAWS)
    path = Path(home) / "references" / f"{name}.json"
    try:
        found = Floor(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # missing or damaged: it is measured anew
        found = yield from passed(floor(net, rest, real, n, FLOOR_SEED))
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(asdict(found)))
    yield found


def about(model: Model, images: data.Images, split: str) -> dict:
    """What a figure of a model beside real images depends on, ready for JSON."""
    return of_weights(model) | {
        "reference": {
            "dataset": model.config.dataset,
            "split": split,
            "images": len(images),
            "source": images.source,
        },
    }


def of_weights(model: Model) -> dict:
    """What every figure of a model depends on, ready for JSON."""
    return {
        "model": model.name,
        "weights": model.training.get("weights", "as published"),
        "weights_mark": fingerprint(model.unet),
    }


def words(result: dict) -> str:
    """A FID as it is stored, with its protocol, in one line."""
    about = result["protocol"]
    beside = "floor not measured (too few real images)"
    if result["floor"] is not None:
        spread, draws = result["floor_spread"], about["floor"]["draws"]
        draws = "1 draw" if draws == 1 else f"{draws} draws"
        if spread is not None and draws == "1 draw":
            draws += ", standard error between minibatches"
        spread = "" if spread is None else f" ± {spread:.4f}"
        beside = (
            f"floor {result['floor']:.4f}{spread} ({about['n']:,} real images of the "
            f"{about['floor']['split']} split, {draws})"
        )
    figure = f"{distance(about['features']['name'])} {result['fid']:.4f}"
    if result["spread"] is None:
        figure += " (spread not known: too few samples for the jackknife)"
    else:
        figure += f" ± {result['spread']:.4f} (standard error by the jackknife)"
    return f"{figure}; {beside}; {describe_protocol(about)}"


def describe_protocol(about: dict) -> str:
    """What a figure depends on, in words."""
    net = about["features"]
    return (
        f"{sampled(about)}; reference: {reference_words(about)}; features: {net['name']} "
        f"({net['mark'][:8]}), {net['layer']}, {net['count']:,} numbers; weights: "
        f"{about['weights']} ({about['weights_mark'][:8]})"
    )


def reference_words(about: dict) -> str:
    """The real images that a figure depends on, in words."""
    real = about["reference"]
    source = f" from {real['source']}" if real["source"] else ""
    count = f"{real['images']:,}"
    if "drawn_of" in real:
        count += f", drawn at random, of the {real['drawn_of']:,}"
    return f"{count} images of {real['dataset']} {real['split']}{source}"


def _digest(net: Features, *about: data.Images | int) -> str:
    """Of a feature net and of what it is shown."""
    digest = hashlib.sha256(f"{net.name} {net.layer} {net.mark}".encode())
    for it in about:
        if isinstance(it, data.Images):
            digest.update(it.pixels.numpy().tobytes())
            it = tuple(it.pixels.shape)
        digest.update(f" {it}".encode())
    return digest.hexdigest()[:16]


def _kept(path: Path) -> Moments | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            mean, scatter = torch.from_numpy(file["mean"]), torch.from_numpy(file["scatter"])
            return Moments(int(file["n"]), mean, scatter)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # missing or damaged: it is made anew
