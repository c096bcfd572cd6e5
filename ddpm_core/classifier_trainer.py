"""Training classifiers: cross-entropy on shifted, turned and, for some, noisy images."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from . import data, fields
from .classifier import Classifier, ClassifierConfig
from .diffusion import q_sample
from .errors import InvalidInput, check_class_names, check_int
from .training import Loop, LoopRecipe

# Shares of T at which a noise-aware classifier is tested: t = 0, 50, 100, 200, ..., 999 of 1000.
TEST_LEVELS = (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
# The noise of the test must never change: figures would cease to be comparable.
TEST_SEED = 0
BATCH = 500


@fields.documented
@dataclass(frozen=True)
class ClassifierRecipe(LoopRecipe):
    """What classifier to train, and how.

    ``classifier`` holds ``kind`` and keyword arguments of that network beyond image size, colours
    and classes; ``schedule`` those of ``NoiseSchedule.make`` for one that knows noise and is
    trained at all t alike, or None for clean images.
    """

    classifier: dict = field(default_factory=lambda: {"kind": "conv"})
    schedule: dict | None = None
    shift: float = fields.number(2, 0, 1000, "move images by up to so many pixels")
    rotate: float = fields.number(10, 0, 180, "turn them by up to so many degrees")
    zoom: float = fields.number(0.1, 0, 0.9, "enlarge or shrink them by up to this share")
    crop: int = fields.whole(
        0, 0, 1000, "move them by up to so many whole pixels; what appears mirrors the border"
    )
    flip: bool = fields.flag(False, "mirror half of them, left to right")
    weight_decay: float = fields.number(0.01, 0, 10, "of the optimizer")
    epochs: float = fields.again(LoopRecipe, "epochs", 15)
    lr: float = fields.again(LoopRecipe, "lr", 2e-3)
    warmup: int = fields.again(LoopRecipe, "warmup", 200)
    decay: str = fields.again(LoopRecipe, "decay", "cosine")
    ema: float = fields.again(LoopRecipe, "ema", 0.999)

    def config(self, images: data.Images) -> ClassifierConfig:
        """The checkpoint config of the classifier that this recipe trains."""
        channels, size = images.pixels.shape[1], images.pixels.shape[-1]
        if not images.classes:
            raise InvalidInput("the images have no classes to tell apart")
        check_class_names(images.classes)
        check_int("crop", self.crop, 0, size - 1)
        how = {"shift": self.shift, "rotate": self.rotate, "zoom": self.zoom}
        how |= {k: v for k, v in {"crop": self.crop, "flip": self.flip}.items() if v}
        return ClassifierConfig(
            classifier={"image_size": size, "in_channels": channels} | self.classifier,
            dataset=self.dataset,
            classes=list(images.classes),
            preprocessing={"range": [-1, 1]} | how | self.sized_as(size),
            schedule=self.schedule,
        )


class ClassifierTrainer(Loop):
    """Trains a classifier; when the run is complete, its record tells the accuracy in the test."""

    makes = Classifier

    def _optimizer(self, parameters) -> torch.optim.Optimizer:
        how = {"lr": self.recipe.lr, "weight_decay": self.recipe.weight_decay, "fused": True}
        return torch.optim.AdamW(parameters, **how)

    def _batch_loss(self) -> Tensor:
        x, labels = self.images.batch(self._indices())
        x, t = self._augmented(x), None
        if self.schedule is not None:
            t = torch.randint(0, self.schedule.num_timesteps, (len(x),))
            x = q_sample(self.schedule, x, t, torch.randn(x.shape))
        return self._loss(*self._own(x, t, labels))

    def _augmented(self, x: Tensor) -> Tensor:
        recipe = self.recipe
        x = crop_and_flip(x, recipe.crop, recipe.flip)
        return augment(x, recipe.shift, recipe.rotate, recipe.zoom)

    def _loss(self, x: Tensor, t: Tensor | None, labels: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.model(x, t)
        return F.cross_entropy(logits.float(), labels)

    def _measure(self) -> dict:
        """Mean loss and accuracy; with noise also the accuracy in each quarter of [0, T)."""
        held_out, labels = self.validation, self.validation.images.labels
        noisy = self.schedule is not None
        t = held_out.timesteps(self.schedule.num_timesteps) if noisy else None
        log_probs = predict(self.averaged(), held_out.images, t, held_out.noise)
        hit = (log_probs.argmax(1) == labels).float()
        row = {"validation": float(F.nll_loss(log_probs, labels)), "accuracy": float(hit.mean())}
        row |= held_out.by_quarter(hit) if noisy else {}
        return {name: round(value, 5) for name, value in row.items()}

    def _training(self) -> dict:
        record = super()._training()
        if self._given:
            record["given"] = True
        elif self.step == self.total_steps:
            record["test"] = test(self.averaged(), self._split("test"))
        return record


def test(classifier: Classifier, images: data.Images) -> dict:
    """The record of a test: ``images``, their number; ``accuracy`` without noise; of a noise-aware
    classifier also ``curve``: ``t`` and ``accuracy`` at some timesteps of its own schedule."""

    def accuracy(t=None, noise=None) -> float:
        log_probs = predict(classifier, images, t, noise)
        return round(float((log_probs.argmax(1) == images.labels).float().mean()), 5)

    result = {"images": len(images), "accuracy": accuracy()}
    if classifier.noise_aware:
        last = classifier.schedule.num_timesteps - 1
        generator = torch.Generator().manual_seed(TEST_SEED)
        noise = torch.randn(images.pixels.shape, generator=generator)
        levels = sorted({min(round(share * (last + 1)), last) for share in TEST_LEVELS})
        ts = {t: torch.full((len(images),), t) for t in levels}
        result["curve"] = [{"t": t, "accuracy": accuracy(ts[t], noise)} for t in levels]
    return result


@torch.no_grad()
def predict(classifier: Classifier, images: data.Images, t=None, noise=None) -> Tensor:
    """Log-probabilities, (N, classes), of images as they are or, given (N,) ``t``, with noise."""
    log_probs = []
    for chosen in torch.arange(len(images)).split(BATCH):
        x, abar = images.batch(chosen)[0], None
        if t is not None:
            x = q_sample(classifier.schedule, x, t[chosen], noise[chosen])
            abar = torch.from_numpy(classifier.schedule.alphas_cumprod[t[chosen].numpy()])
        log_probs.append(classifier.log_probs(x, abar).cpu())
    return torch.cat(log_probs)


def crop_and_flip(x: Tensor, crop: int, flip: bool) -> Tensor:
    """Each image moved by whole pixels, and mirrored or not, on its own: nothing is blurred.

    ``crop`` is how far, at most, fewer than H and W; what appears mirrors the border.
    """
    count, _, height, width = x.shape
    if crop:
        padded = F.pad(x, [crop] * 4, mode="reflect")
        down, right = torch.randint(0, 2 * crop + 1, (2, count, 1))
        rows, columns = down + torch.arange(height), right + torch.arange(width)
        every = torch.arange(count)[:, None, None]
        # An index on either side of a slice puts the channels last.
        x = padded[every, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if flip:
        x = torch.where((torch.rand(count) < 0.5)[:, None, None, None], x.flip(-1), x)
    return x.contiguous()


def augment(x: Tensor, shift: float, rotate: float, zoom: float) -> Tensor:
    """Each image moved, turned and enlarged on its own, bilinearly; what appears is black.

    ``shift`` is in pixels, ``rotate`` in degrees, ``zoom`` a share: each at most, either way.
    """
    if not (shift or rotate or zoom):
        return x
    dx, dy, turn, grow = 2 * torch.rand(4, len(x)) - 1
    angle, size = turn * math.radians(rotate), 1 + grow * zoom
    cos, sin = angle.cos() / size, angle.sin() / size
    # affine_grid counts in half images.
    dx, dy = dx * shift * 2 / x.shape[-1], dy * shift * 2 / x.shape[-2]
    place = torch.stack([cos, -sin, dx, sin, cos, dy], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(place, list(x.shape), align_corners=False)
    # Padding is with zeros: let zero be black.
    return F.grid_sample(x + 1, grid, align_corners=False) - 1
