"""A model with its schedule and classes, and the config that rebuilds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .denoiser import Denoiser, Prediction
from .diffusion import PREDICTION_TYPES
from .errors import InvalidInput, check_choice
from .fast import Prepared
from .hardware import bf16_is_native
from .noise import Noise
from .samplers import VARIANCES
from .schedules import NoiseSchedule, Schedule
from .unet import UNet

DTYPES = ("auto", "float32", "bfloat16")
# Below this timestep a rounding error of eps is magnified most in the picture that is kept.
FULL_PRECISION_BELOW = 20
# A predicted eps becomes a clean image by this factor, sigma / alpha; so does its error.
LARGEST_FACTOR = 6.0
# What a config may say of how its model is meant to be sampled.
SAMPLING = {"variance": VARIANCES, "clip": (True, False)}
# A class, a mixture of some, or none.
Label = int | Mapping[int, float] | None


@dataclass(frozen=True)
class Config:
    """Everything needed to rebuild a model, as it stands in ``config.json``.

    Attributes:
        model: keyword arguments of ``UNet``.
        schedule: keyword arguments of ``NoiseSchedule.make``.
        prediction_type: a key of ``diffusion.PREDICTION_TYPES``.
        dataset: what it was trained on, a key of ``data.DATASETS`` or free text; empty if that is
            not recorded.
        classes: the names of the classes, in label order; empty if it knows none.
        preprocessing: the range of the pixels, the augmentation used in training, and the
            ``size`` to which pictures were brought, if they were.
        sampling: the ``variance`` and ``clip`` that it is meant to be sampled with.
    """

    model: dict
    schedule: dict
    prediction_type: str
    dataset: str
    classes: list[str] = field(default_factory=list)
    preprocessing: dict = field(default_factory=lambda: {"range": [-1, 1]})
    sampling: dict = field(default_factory=dict)

    def complete(self) -> Config:
        """The same with T, the schedule's options and every argument of the UNet spelled out: no
        default can change it."""
        schedule = NoiseSchedule.make(**self.schedule).config
        with without_memory():
            return replace(self, model=UNet(**self.model).config, schedule=schedule)

    def flops(self) -> int:
        """Floating-point operations of one evaluation, for one image, of the network as it trains;
        nothing is computed."""
        with without_memory():
            unet = UNet(**self.model)
        shape = (unet.in_channels, unet.image_size, unet.image_size)
        return _flops(unet, shape, bool(self.classes), torch.device("meta"))

    def build(self) -> tuple[UNet, Schedule]:
        """A model with random weights, and its schedule."""
        check_choice("prediction type", self.prediction_type, PREDICTION_TYPES)
        for name, value in self.sampling.items():
            check_choice("setting under sampling", name, SAMPLING)
            check_choice(f"{name} under sampling", value, SAMPLING[name])
        if not isinstance(self.sampling.get("clip", True), bool):
            raise InvalidInput("clip under sampling must be true or false")
        if not all(isinstance(name, str) for name in self.classes):
            raise InvalidInput("the names of classes must be texts")
        unet = UNet(**self.model)
        learned = unet.out_channels == 2 * unet.in_channels
        if not learned and unet.out_channels != unet.in_channels:
            raise InvalidInput("the network predicts something besides the noise and its variance")
        if not learned and self.sampling.get("variance") == "learned":
            raise InvalidInput("variance under sampling is learned, but the network learned none")
        if unet.num_classes != len(self.classes):
            raise InvalidInput(f"{unet.num_classes} classes but {len(self.classes)} names for them")
        return unet, NoiseSchedule.make(**self.schedule)


class Model:
    """A trained diffusion model, ready to sample from.

    Attributes:
        name: that of its folder or repository.
        unet: the network itself, which trains and takes weights as any module.
        prepared: its frozen copies, which sample: with the weights it has at that moment.
        training: what ``training.json`` tells; empty if there is none.
        evaluate: what evaluates the network for its denoisers, called with it, x (B, C, H, W),
            t (B,) and labels or None; set to ``Engine.evaluate`` where many share the model.
    """

    def __init__(self, name: str, config: Config, unet: UNet, schedule, training: dict):
        self.name, self.config, self.schedule, self.training = name, config, schedule, training
        self.unet, self.evaluate = unet, nn.Module.__call__
        self.prepared = Prepared(unet, schedule.num_timesteps)

    @property
    def classes(self) -> list[str]:
        return self.config.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return (self.unet.in_channels, self.unet.image_size, self.unet.image_size)

    @property
    def learned_variance(self) -> bool:
        """Whether it predicts the variance of its steps too."""
        return self.unet.out_channels > self.unet.in_channels

    def check_variance(self, variance: str) -> None:
        """Refuse ``"learned"`` if this model learned no variance."""
        if variance == "learned" and not self.learned_variance:
            raise InvalidInput(f"{self.name} learned no variance; choose beta or posterior")

    @property
    def device(self) -> torch.device:
        return self.unet.conv_in.weight.device

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.unet.parameters())

    @cached_property
    def flops(self) -> int:
        """Floating-point operations of one evaluation of the network, for one image."""
        return _flops(self.prepared.network(), self.shape, bool(self.classes), self.device)

    def resolve_dtype(self, dtype: str = "auto") -> str:
        """``"auto"`` is bfloat16 where the hardware has it, and float32 elsewhere."""
        check_choice("dtype", dtype, DTYPES)
        if dtype == "auto":
            dtype = "bfloat16" if bf16_is_native(self.device) else "float32"
        return dtype

    def denoiser(self, labels: list[Label] | None = None, dtype: str = "auto") -> Denoiser:
        """This model as a function of (x, t).

        Args:
            labels: one per image: a class index, ``{class: share}`` to mix some, or None for
                no class; None for all asks for unconditional predictions.
            dtype: of the network; the last steps (t < 20), where the noise is predicted the
                first as well, and everything outside the network stay in float32.
        """
        reduced = self.resolve_dtype(dtype) == "bfloat16"
        self.prepared.compare()
        kind, labels, evaluate = self.config.prediction_type, self._labels(labels), self.evaluate

        def denoise(x: Tensor, t: int) -> Prediction:
            factor = self.schedule.sigma(t) / self.schedule.alpha(t)
            faint = kind == "epsilon" and factor > LARGEST_FACTOR  # hardly any image is left
            unet = self.prepared.network(reduced and t >= FULL_PRECISION_BELOW and not faint)
            if labels is not None and len(labels) != len(x):
                raise InvalidInput(f"{len(labels)} labels for {len(x)} images")
            steps = torch.full((len(x),), t, dtype=torch.long, device=x.device)
            output = evaluate(unet, x.to(unet.conv_in.weight.dtype), steps, labels).to(x.dtype)
            output, *share = output.split(x.shape[1], dim=1)
            eps = PREDICTION_TYPES[kind].eps(self.schedule, x, t, output)
            # From -1 to 1 in the network, as diffusers' ``learned_range`` has it.
            return Prediction(eps, {"variance": (share[0] + 1) / 2} if share else {})

        return denoise

    def noise(self, seed: int, images) -> Noise:
        """The noise of these images of this seed, in this model's shape."""
        return Noise(seed, images, self.shape)

    def _labels(self, labels) -> Tensor | None:
        """(B,) class indices, (B, classes) shares where one is a mixture, or None for no class."""
        null, count = self.unet.null_index, len(self.classes)
        nothing = labels is None or all(label is None for label in labels)
        if count and null is None and (nothing or None in labels):
            raise InvalidInput(f"{self.name} has no null class: every image needs a label")
        if nothing:
            return None
        if not count:
            raise InvalidInput(f"{self.name} knows no classes")
        mixtures = [label if isinstance(label, Mapping) else {label: 1.0} for label in labels]
        shares = torch.zeros(len(labels), count + (null is not None))
        for row, mixture in zip(shares, mixtures, strict=True):
            for number, share in mixture.items():
                if number is not None and number not in range(count):
                    raise InvalidInput(f"class must be 0 to {count - 1}, not {number!r}")
                row[null if number is None else int(number)] = share
        if not torch.allclose(shares.sum(1), torch.ones(len(shares))):
            raise InvalidInput("the shares of the classes of an image must add up to 1")
        mixed = any(isinstance(label, Mapping) for label in labels)
        return (shares if mixed else shares.argmax(1)).to(self.device)


def _flops(network: nn.Module, shape: tuple, labelled: bool, device: torch.device) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    x, t = torch.zeros(1, *shape, device=device), torch.zeros(1, dtype=torch.long, device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x, t, t if labelled else None)
    return counter.get_total_flops()


class _Undrawn(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return None if function is nn.init.normal_ else function(*args, **kwargs or {})


@contextmanager
def without_memory() -> Iterator[None]:
    """Whatever network is made here has shapes and no weights."""
    # To draw normal weights there would import a computer algebra system: a second of every start.
    with torch.device("meta"), _Undrawn():
        yield
