"""Training classifiers: cross-entropy on shifted, turned and, for some, noisy images."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import data, fields
from .classifier import Classifier, ClassifierConfig
from .diffusion import q_sample
from .training import Loop, LoopRecipe

# Shares of T at which a noise-aware classifier is tested: t = 0, 50, 100, 200, ..., 999 of 1000.
TEST_LEVELS = (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
# The noise of the test must never change: figures would cease to be comparable.
TEST_SEED = 0
BATCH = 500
WHITENED_BY = 5000  # images
NORMS = (nn.BatchNorm2d, nn.GroupNorm)
MOMENTUM, MOMENTUM_OF_KERNELS = 0.85, 0.6
# By name, ``(groups, lr, dtype) -> optimizer``; dtype is that of the training. A package that needs
# one of its own adds it here.
OPTIMIZERS = {
    "adamw": lambda groups, lr, dtype: torch.optim.AdamW(groups, lr, fused=True),
    "sgd": lambda groups, lr, dtype: torch.optim.SGD(
        groups, lr, MOMENTUM, nesterov=True, fused=True
    ),
}


@fields.documented
@dataclass(frozen=True)
class ClassifierRecipe(LoopRecipe):
    """What classifier to train, and how.

    ``classifier`` holds ``kind`` and keyword arguments of that network beyond image size, colours
    and classes; ``schedule`` those of ``NoiseSchedule.make`` for one that knows noise and is
    trained at all t alike, or None for clean images.

    Raises:
        InvalidInput: naming the field and what is allowed.
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
    cutout: int = fields.whole(
        0, 0, 1000, "make a square of so many pixels a side grey, somewhere in each"
    )
    label_smoothing: float = fields.number(
        0.0, 0, 1, "share of the target that all classes have in equal parts"
    )
    all_images: bool = fields.flag(
        False,
        "learn from the images held out as well: what is measured on them meanwhile tells how "
        "training goes, but not how well it will do",
    )
    half: bool = fields.flag(False, "keep, and test, the weights in half precision")
    optimizer: str = fields.choice(
        "adamw", OPTIMIZERS, "{names}; sgd has Nesterov's momentum of 0.85"
    )
    kernel_lr: float = fields.number(
        0.08, 1e-6, 1, "of muon: learning rate of the convolutions' kernels, which do not decay"
    )
    weight_decay: float = fields.number(0.01, 0, 10, "of the optimizer")
    bias_rate: float = fields.number(
        1.0,
        0.01,
        1000,
        "by how much faster the biases of normalisation learn than all else, and decay that much "
        "less (Jordan 2024, arXiv:2404.00498)",
    )
    epochs: float = fields.again(LoopRecipe, "epochs", 15)
    lr: float = fields.again(LoopRecipe, "lr", 2e-3)
    warmup: int = fields.again(LoopRecipe, "warmup", 200)
    decay: str = fields.again(LoopRecipe, "decay", "cosine")
    ema: float = fields.again(LoopRecipe, "ema", 0.999)

    def config(self, images: data.Images) -> ClassifierConfig:
        """The checkpoint config of the classifier that this recipe trains."""
        channels, size = images.pixels.shape[1], images.pixels.shape[-1]
        augmentation = {"shift": self.shift, "rotate": self.rotate, "zoom": self.zoom}
        if self.crop:
            augmentation["crop"] = self.crop
        if self.flip:
            augmentation["flip"] = self.flip
        if self.cutout:
            augmentation["cutout"] = self.cutout
        return ClassifierConfig(
            classifier={"image_size": size, "in_channels": channels} | self.classifier,
            dataset=self.dataset,
            classes=list(images.classes),
            preprocessing={"range": [-1, 1]} | augmentation,
            schedule=self.schedule,
        )


class ClassifierTrainer(Loop):
    """Trains a classifier; when the run is complete, its record tells the accuracy in the test."""

    def _to_learn(self) -> data.Images:
        images = super()._to_learn()
        if not self.recipe.all_images:
            return images
        return images.joined(data.load(self.recipe.dataset, "validation", self.data_root))

    def _held_out(self, images: data.Images) -> Validation:
        return Validation(images, self.recipe.seed)

    def _build(self) -> None:
        super()._build()
        if hasattr(self.model, "whiten"):
            chosen = torch.randperm(len(self.images))[:WHITENED_BY]
            self.model.whiten(self.images.batch(chosen)[0])

    def _optimizer(self) -> torch.optim.Optimizer:
        dtype = torch.bfloat16 if self.bf16 else torch.float32
        return OPTIMIZERS[self.recipe.optimizer](self._groups(), self.recipe.lr, dtype)

    def _groups(self) -> list[dict]:
        """What is learned, with how much faster than ``lr`` each learns."""
        recipe = self.recipe
        norms = [it for it in self.model.modules() if isinstance(it, NORMS)]
        biases = {id(it.bias) for it in norms} if recipe.bias_rate != 1 else set()
        kernels, fast, rest = [], [], []
        for it in self.model.parameters():
            if it.requires_grad:
                orthogonal = recipe.optimizer == "muon" and it.ndim == 4
                (kernels if orthogonal else fast if id(it) in biases else rest).append(it)
        found = [
            {"params": params, "rate": rate, "weight_decay": recipe.weight_decay / rate}
            for params, rate in ((rest, 1.0), (fast, recipe.bias_rate))
        ]
        muon = {"orthogonal": True, "momentum": MOMENTUM_OF_KERNELS, "weight_decay": 0.0}
        found.append({"params": kernels, "rate": recipe.kernel_lr / recipe.lr} | muon)
        return [group for group in found if group["params"]]

    def _batch_loss(self) -> Tensor:
        recipe = self.recipe
        x, labels = self.images.batch(self._indices())
        x, t = crop_and_flip(x, recipe.crop, recipe.flip), None
        x = cut_out(augment(x, recipe.shift, recipe.rotate, recipe.zoom), recipe.cutout)
        if self.schedule is not None:
            t = torch.randint(0, self.schedule.num_timesteps, (len(x),))
            x = q_sample(self.schedule, x, t, torch.randn(x.shape))
            t = t.to(self.device)
        x, labels = x.to(self.device), labels.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            if hasattr(self.model, "votes"):
                logits = self.model.votes(x).transpose(1, 2)
                labels = labels[:, None].expand(-1, logits.shape[2])
            else:
                logits = self.model(x, t)
        return F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)

    def _kept(self) -> dict[str, Tensor]:
        return {k: v.half() for k, v in self.ema.items()} if self.recipe.half else self.ema

    def _measure(self) -> dict:
        return self.validation.figures(self._classifier())

    def _training(self) -> dict:
        record = super()._training()
        if self.recipe.all_images:
            record["held_out"] = 0
        if self.step == self.total_steps:
            images = data.load(self.recipe.dataset, "test", self.data_root)
            record["test"] = test(self._classifier(), images)
        return record

    def _classifier(self) -> Classifier:
        return Classifier(self.folder.name, self.config, self._averaged(), self.schedule, {})


class Validation:
    """The loss on fixed images, at fixed timesteps with fixed noise, so that runs compare."""

    def __init__(self, images: data.Images, seed: int):
        generator = torch.Generator().manual_seed(seed)
        self.images = images
        self.noise = torch.randn(images.pixels.shape, generator=generator)
        # Evenly over t, and in random order so that no class meets one t only.
        self.place = torch.randperm(len(images), generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def figures(self, classifier: Classifier) -> dict:
        """Mean loss and accuracy; with noise also the accuracy in each quarter of [0, T)."""
        t = None
        if classifier.noise_aware:
            t = self.place * classifier.schedule.num_timesteps // len(self.place)
        log_probs = predict(classifier, self.images, t, self.noise)
        hit = (log_probs.argmax(1) == self.images.labels).float()
        row = {"validation": float(F.nll_loss(log_probs, self.images.labels))}
        row["accuracy"] = float(hit.mean())
        if classifier.noise_aware:
            quarter = self.place * 4 // len(self.place)
            met = quarter.unique().tolist()  # of fewer than four images, not each
            row |= {f"t{q + 1}": float(hit[quarter == q].mean()) for q in met}
        return {key: round(value, 5) for key, value in row.items()}


def test(classifier: Classifier, images: data.Images) -> dict:
    """Accuracy on clean images and, if it is noise-aware, at some levels of its own schedule.

    Returns:
        ``images``, how many; ``accuracy``; and ``curve``, a list of ``t`` and ``accuracy``.
    """

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
    device, found = next(classifier.net.parameters()).device, []
    for chosen in torch.arange(len(images)).split(BATCH):
        x, abar = images.batch(chosen)[0], None
        if t is not None:
            x = q_sample(classifier.schedule, x, t[chosen], noise[chosen])
            abar = torch.from_numpy(classifier.schedule.alphas_cumprod[t[chosen].numpy()])
        found.append(classifier.log_probs(x.to(device), abar).cpu())
    return torch.cat(found)


def crop_and_flip(x: Tensor, crop: int, flip: bool) -> Tensor:
    """Each image moved by whole pixels, and mirrored or not, on its own: nothing is blurred.

    Args:
        x: (B, C, H, W).
        crop: pixels, at most, each way, fewer than H and W; what appears mirrors the border.
        flip: whether half of them, at random, are mirrored left to right.
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


def cut_out(x: Tensor, size: int) -> Tensor:
    """A square of each image in grey, at a place of its own (after DeVries and Taylor 2017).

    Args:
        x: (B, C, H, W) in [-1, 1].
        size: pixels a side; 0 leaves the images as they are. The square lies within the image, as
            far as that holds it.
    """
    if not size:
        return x
    hidden = []
    for length in x.shape[-2:]:
        start = torch.randint(0, max(length - size, 0) + 1, (len(x), 1))
        places = torch.arange(length)
        hidden.append((places >= start) & (places < start + size))
    rows, columns = hidden
    return x.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)


def augment(x: Tensor, shift: float, rotate: float, zoom: float) -> Tensor:
    """Each image moved, turned and enlarged on its own, bilinearly; what appears is black.

    Args:
        x: (B, C, H, W) in [-1, 1].
        shift: pixels, at most, each way.
        rotate: degrees, at most.
        zoom: at most this share larger or smaller.
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
