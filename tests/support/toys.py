"""Small stand-ins and oracles that several test modules share."""

import math
from dataclasses import asdict

import numpy as np
import torch

from ddpm_core import checkpoints
from ddpm_core.checkpoints import Config
from ddpm_core.classifier import Classifier, ClassifierConfig
from ddpm_core.denoiser import Prediction
from ddpm_core.schedules import NoiseSchedule
from lab.measure.as_reported import LAYER, NET
from lab.measure.shards import NOT_IN_KEY
from lab.report.tables import Measurement

# A record of a training; a card says of all else that it is not recorded.
TRAINING = {"recipe": {"p_uncond": 0.1}, "training_set": 1000, "weights": "EMA", "history": []}


def toy_denoiser(x, t):
    """A bounded, nonlinear function of (x, t) that mixes pixels: no symmetry hides an error."""
    mixed = 0.7 * x + 0.4 * x.roll(1, dims=-1) - 0.3 * x.roll(1, dims=-2)
    return Prediction(1.5 * torch.tanh(mixed + math.cos(t / 50)))


class GaussianDenoiser:
    """The ideal denoiser for pixels that are N(mu, s²).

    At level abar, x_t is N(sqrt(abar) mu, V) with V = abar s² + 1 - abar, and the regression
    of eps on x_t is sqrt(1 - abar) (x_t - sqrt(abar) mu) / V.
    """

    def __init__(self, schedule: NoiseSchedule, mu: float, s: float):
        self.schedule, self.mu, self.s = schedule, mu, s

    def __call__(self, x, t):
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return Prediction(sigma * (x - alpha * self.mu) / (alpha**2 * self.s**2 + sigma**2))


def write_idx(path, array: np.ndarray) -> None:
    """An idx file of unsigned bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = np.array(array.shape, dtype=">u4").tobytes()
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes())


def write_mnist(root, stem: str, pixels, labels, folder: str = "MNIST") -> None:
    raw = root / folder / "raw"
    write_idx(raw / f"{stem}-images-idx3-ubyte", pixels)
    write_idx(raw / f"{stem}-labels-idx1-ubyte", labels)


def small_mnist(root, train: int, test: int, seed: int) -> None:
    """An MNIST of 8 x 8 pixels, all noise; 5,000 of the training images are held out."""
    generator = np.random.default_rng(seed)
    for stem, count in (("train", train), ("t10k", test)):
        pixels = generator.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        write_mnist(root, stem, pixels, generator.integers(0, 10, count))


NOISY = {"kind": "linear", "num_timesteps": 50, "start": 1e-3, "end": 0.2}


def tiny_config(
    classes: int = 10, *, null_class: bool = True, prediction="epsilon", schedule=NOISY
) -> Config:
    """A config of some 5,000 parameters on 8 x 8 images, T = 50."""
    model = {"image_size": 8, "in_channels": 1, "channels": [4, 8], "groups": 2}
    model |= {"time_channels": 8, "num_classes": classes, "null_class": null_class}
    names = [str(i) for i in range(classes)]
    return Config(model, schedule, prediction, "mnist", names)


def save_tiny_checkpoint(folder, classes: int = 10, **options):
    """Write a checkpoint with random weights and return its folder."""
    config = tiny_config(classes, **options)
    with torch.random.fork_rng():
        torch.manual_seed(classes)
        unet, _ = config.build()
    checkpoints.write_folder(folder, config, unet.state_dict(), TRAINING)
    return folder


TINY_NETS = {
    "conv": {"channels": [4, 8], "features": 6, "groups": 2},
    "encoder": {"channels": [4, 8], "attention": [False, True], "time_channels": 8, "groups": 2},
    "residual": {"channels": [4, 8], "groups": 2},
    "whitened-ensemble": {"channels": [8, 8]},
}


def tiny_classifier_config(kind: str, size: int = 8) -> ClassifierConfig:
    """A config of a few thousand parameters, 10 classes; T = 50 for the one that knows noise."""
    return ClassifierConfig(
        classifier={"kind": kind, "image_size": size, "in_channels": 1} | TINY_NETS[kind],
        dataset="mnist",
        classes=[str(i) for i in range(10)],
        schedule=NOISY if kind == "encoder" else None,
    )


def tiny_classifier(kind: str, size: int = 8) -> Classifier:
    """A classifier with random weights."""
    config = tiny_classifier_config(kind, size)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net, schedule = config.build()
    return Classifier(f"tiny-{kind}", config.complete(), net, schedule, TRAINING)


def save_tiny_classifier(folder, kind: str = "conv"):
    """Write a checkpoint with random weights and return its folder."""
    model = tiny_classifier(kind)
    checkpoints.write_folder(folder, model.config, model.net.state_dict(), model.training)
    return folder


def result_of(
    m: Measurement,
    fid: float,
    spread: float | None = 0.02,
    floor: float | None = 0.11,
    mark: str = "0" * 16,
) -> dict:
    """A result of ``evaluation.measure_fid`` with made-up figures.

    Args:
        mark: of the weights; a folder without weights takes any.
    """
    dataset = m.model.partition("-")[0]
    request = {k: v for k, v in asdict(m.request).items() if k not in NOT_IN_KEY}
    net = (NET, LAYER) if m.own_way else (f"{dataset}-judge", "the last")
    return {
        "kind": "fid",
        "fid": fid,
        "spread": spread,
        "floor": floor,
        "floor_spread": None if floor is None else 0.004,
        "protocol": {
            "model": m.model,
            "weights": "EMA, decay 0.9995",
            "weights_mark": mark,
            "n": m.request.n,
            "first": 0,
            "request": request,
            "dtype": "bfloat16",
            "reference": {
                "dataset": dataset,
                "split": m.reference,
                "images": 10_000,
                "source": None,
            },
            "features": dict(zip(("name", "layer"), net, strict=True)) | {"count": 128, "mark": ""},
            "floor": {"split": "train", "draws": 5, "seed": 0},
        },
        "seconds": 1234.5,
        "hardware": "a processor, 1 thread(s)",
    }
