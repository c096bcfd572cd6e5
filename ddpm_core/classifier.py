"""Classifiers of images: to guide a diffusion model (report section 1.5), and to judge it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from .classifier_nets import NETS
from .errors import InvalidInput
from .schedules import NoiseSchedule


@dataclass(frozen=True)
class ClassifierConfig:
    """Everything needed to rebuild a classifier, as it stands in ``config.json``.

    Attributes:
        classifier: ``kind``, a key of ``NETS``, and its keyword arguments.
        dataset: what it was trained on, a key of ``data.DATASETS`` or free text.
        classes: the names of the classes, in label order.
        preprocessing: the range of the pixels, and the augmentation used in training.
        schedule: keyword arguments of ``NoiseSchedule.make``: what its timesteps mean; None
            for one that knows clean images only.
    """

    classifier: dict
    dataset: str
    classes: list[str]
    preprocessing: dict = field(default_factory=lambda: {"range": [-1, 1]})
    schedule: dict | None = None

    def complete(self) -> ClassifierConfig:
        """The same with the schedule's options and every argument of the network spelled out: no
        default can change it."""
        parameters = inspect.signature(self._net()).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        defaults = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
        schedule = self.schedule and NoiseSchedule.make(**self.schedule).config
        return replace(self, classifier=defaults | self.classifier, schedule=schedule)

    def build(self) -> tuple[nn.Module, NoiseSchedule | None]:
        """A network with random weights, and its schedule or None."""
        net = self._net()
        if net.takes_time != (self.schedule is not None):
            needs = "needs a schedule" if net.takes_time else "takes no schedule"
            raise InvalidInput(f"a classifier of kind {self.classifier['kind']!r} {needs}")
        arguments = {key: value for key, value in self.classifier.items() if key != "kind"}
        schedule = None if self.schedule is None else NoiseSchedule.make(**self.schedule)
        if schedule and not isinstance(schedule, NoiseSchedule):
            raise InvalidInput("a classifier knows noise of a schedule that preserves the variance")
        return net(num_classes=len(self.classes), **arguments), schedule

    def _net(self) -> type:
        kind = dict(self.classifier).get("kind")
        if kind not in NETS:
            raise InvalidInput(
                f"unknown kind of classifier {str(kind)[:60]!r}; known: {', '.join(NETS)}. One of "
                "another package is known once that is imported: the card tells which"
            )
        return NETS[kind]


class Classifier:
    """A trained classifier: frozen, in eval mode, differentiable in its images.

    Attributes:
        name: that of its folder or repository.
        net: one of ``NETS``, float32.
        schedule: what its timesteps mean; None if it knows clean images only.
        training: what ``training.json`` tells; empty if there is none.
    """

    def __init__(self, name: str, config: ClassifierConfig, net, schedule, training: dict):
        self.name, self.config, self.schedule, self.training = name, config, schedule, training
        self.net = net.eval().requires_grad_(False)

    @property
    def classes(self) -> list[str]:
        return self.config.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        size = self.config.classifier["image_size"]
        return (self.config.classifier["in_channels"], size, size)

    @property
    def noise_aware(self) -> bool:
        """Whether it was trained on noisy images and is told how noisy they are."""
        return self.schedule is not None

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def log_probs(self, x: Tensor, abar: float | Tensor | None = None) -> Tensor:
        """ln p(class | x), (B, classes), float32, differentiable in ``x``, on its own device.

        Args:
            x: (B, C, H, W), images in [-1, 1], or noisy ones; on any device.
            abar: ``alphas_cumprod`` at their noise level, one for all or (B,), best in float64; 1,
                or None, for clean images. A classifier of clean images ignores it.
        """
        return self.net(*self._inputs(x, abar)).float().log_softmax(1)

    def features(self, x: Tensor, abar: float | Tensor | None = None) -> Tensor:
        """What the last layer sees, (B, D), float32."""
        return self.net.features(*self._inputs(x, abar)).float()

    def timesteps(self, abar: float | Tensor | None, count: int) -> Tensor:
        """Where its own schedule has that much noise: (count,), fractional, in [0, T - 1].

        The marginal of a variance-preserving process depends on ``abar`` alone: one classifier
        serves any such schedule. The log-SNR is interpolated between timesteps, and clamped beyond.
        """
        abar = torch.as_tensor(1.0 if abar is None else abar, dtype=torch.float64, device="cpu")
        if abar.shape not in ((), (count,)):
            raise InvalidInput(f"{tuple(abar.shape)} noise levels for {count} images")
        if not bool(((abar >= 0) & (abar <= 1)).all()):
            raise InvalidInput("abar must be between 0 and 1")
        levels = abar.expand(count).numpy()
        with np.errstate(divide="ignore"):
            log_snr = np.log(levels) - np.log1p(-levels)
        # log_snr falls with t; np.interp wants its abscissae rising.
        steps = np.arange(self.schedule.num_timesteps)
        return torch.from_numpy(np.interp(-log_snr, -self.schedule.log_snr, steps))

    def _inputs(self, x: Tensor, abar) -> tuple[Tensor, Tensor | None]:
        if x.ndim != 4 or tuple(x.shape[1:]) != self.shape:
            wanted = ", ".join(map(str, self.shape))
            raise InvalidInput(
                f"{self.name} takes images of shape (B, {wanted}), not {tuple(x.shape)}"
            )
        t = self.timesteps(abar, len(x)).float().to(self.device) if self.noise_aware else None
        return x.to(self.device).float(), t
