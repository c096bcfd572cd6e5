"""Algorithm 1 of the DDPM paper: a step's images, timesteps, noise, dropped labels and dropout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from . import data, fields
from .animation import save_png
from .diffusion import PREDICTION_TYPES, denoising_loss
from .errors import InvalidInput, check_class_names, check_int
from .model import Config, Model
from .muon import Muon
from .recorder import grid
from .request import Request
from .sampling import sample
from .stable import StableTargets
from .training import Loop, LoopRecipe
from .variational import hybrid_loss

OPTIMIZERS = ("adam", "muon")
TIMESTEP_DENSITIES = ("uniform", "logit_normal", "log_normal")
# Where a network begins and ends, and its table of classes: their axes are no features.
ENDS = ("conv_in", "conv_out", "class_embedding")
SAMPLE_TILES = 64


@fields.documented
@dataclass(frozen=True)
class Recipe(LoopRecipe):
    """What diffusion model to train, and how.

    The defaults are the report's set-up (section 3), with gradient clipping and EMA added.
    ``model`` holds keyword arguments of ``UNet`` beyond image size, colours and classes,
    ``schedule`` those of ``NoiseSchedule.make``.
    """

    model: dict = field(default_factory=dict)
    schedule: dict = field(default_factory=lambda: {"kind": "linear", "num_timesteps": 1000})
    prediction_type: str = fields.choice(
        "epsilon", PREDICTION_TYPES, "what the model predicts: {names}", "prediction type"
    )
    conditional: bool = fields.flag(False, "tell the model the class")
    p_uncond: float = fields.number(
        0.0,
        0,
        1,
        "probability with which an image's label is dropped (report eq. 12), which "
        "classifier-free guidance needs",
    )
    flip: bool = fields.flag(False, "mirror images at random")
    learn_variance: bool = fields.flag(
        False, "predict the variance of the steps as well (Nichol and Dhariwal 2021)"
    )
    stable_from: int | None = fields.whole(
        None,
        0,
        10**6,
        "from this timestep on, learn the mean of all training images that may have led to x_t "
        "(Xu et al. 2023); None: never",
    )
    timestep_density: str = fields.choice(
        "uniform",
        TIMESTEP_DENSITIES,
        "how timesteps are drawn: {names}; logit_normal: most from the middle, T sigmoid(u), "
        "u ~ N(0, 1) (Esser et al. 2024); log_normal: by noise level, ln(sigma / alpha) ~ N(-0.8, "
        "1.6²), most where little noise is (Karras et al. 2024)",
    )
    optimizer: str = fields.choice(
        "adam", OPTIMIZERS, "{names}; Muon moves the network's matrices by orthogonal steps"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.p_uncond and not self.conditional:
            raise InvalidInput("p_uncond drops classes: it goes with a conditional model")
        if self.learn_variance and self.stable_from is not None:
            raise InvalidInput("stable_from goes with learning the image alone, not the variance")
        if self.learn_variance and self.timestep_density != "uniform":
            raise InvalidInput(
                "learning the variance needs uniform timesteps: one stands for all of them"
            )

    def config(self, images: data.Images) -> Config:
        """The checkpoint config of the model that this recipe trains."""
        channels, size = images.pixels.shape[1], images.pixels.shape[-1]
        of_data = {"image_size": size, "in_channels": channels}
        for name, value in of_data.items():
            if self.model.get(name, value) != value:
                raise InvalidInput(
                    f"{name} is {self.model[name]} in the recipe, {value} in the data"
                )
        model = of_data | self.model
        if self.learn_variance:
            model |= {"out_channels": 2 * channels}
        if self.conditional and not images.classes:
            raise InvalidInput(
                f"{self.dataset} has no classes: not all of its pictures lie in class folders"
                if self.dataset
                else "the images have no classes: give their labels too"
            )
        if self.conditional:
            check_class_names(images.classes)
            model |= {"num_classes": len(images.classes), "null_class": self.p_uncond > 0}
        return Config(
            model=model,
            schedule=self.schedule,
            prediction_type=self.prediction_type,
            dataset=self.dataset,
            classes=list(images.classes) if self.conditional else [],
            preprocessing={"range": [-1, 1], "flip": self.flip} | self.sized_as(size),
            sampling={"variance": "learned"} if self.learn_variance else {},
        )

    def like(self, model: Model) -> Recipe:
        """This recipe with the network, the schedule and the prediction of a model, and, unless it
        has one, the size of its images: what ``Trainer(finetune=model)`` needs."""
        of_data = ("image_size", "in_channels", "out_channels", "num_classes", "null_class")
        return replace(
            self,
            model={k: v for k, v in model.unet.config.items() if k not in of_data},
            schedule=model.config.schedule,
            prediction_type=model.config.prediction_type,
            size=self.size or model.unet.image_size,
            learn_variance=model.learned_variance,
        )


class Trainer(Loop):
    """Trains a diffusion model; the run folder also holds sample grids, ``samples/``.

    Args:
        loss: in place of ``diffusion.denoising_loss``, or ``variational.hybrid_loss``: from
            ``(network, schedule, x0, t, noise, labels)`` to one value per image, (B,).
        more: see ``training.Loop``.
    """

    makes = Model
    validated_on = 1024

    def __init__(
        self, recipe: Recipe, folder, *, loss: Callable[..., Tensor] | None = None, **more
    ):
        of_kind = {"prediction_type": recipe.prediction_type}
        learned = hybrid_loss if recipe.learn_variance else denoising_loss
        self.loss = loss or partial(learned, **of_kind)
        # Eq. 10 alone, so that models compare.
        self.measured = loss or partial(denoising_loss, **of_kind)
        super().__init__(recipe, folder, **more)
        self.stable = None
        if recipe.stable_from is not None:
            if not isinstance(self.images, data.Images):
                raise InvalidInput("stable_from needs all images at once, not a data loader")
            check_int("stable_from", recipe.stable_from, 0, self.schedule.num_timesteps - 1)
            self.stable = StableTargets(self.images, recipe.conditional, recipe.flip, self.device)

    def _optimizer(self, parameters) -> torch.optim.Optimizer:
        if self.recipe.optimizer == "adam":
            return super()._optimizer(parameters)
        matrices, others = [], []
        for name, weight in self.model.named_parameters():
            inner = weight.ndim > 1 and not name.startswith(ENDS)
            (matrices if inner else others).append(weight)
        dtype = torch.bfloat16 if self.bf16 else torch.float32
        return Muon(matrices, others, self.recipe.lr, dtype=dtype)

    def _batch_loss(self) -> Tensor:
        recipe = self.recipe
        x0, labels = self.images.batch(self._indices())
        if recipe.conditional and not 0 <= labels.min() <= labels.max() < len(self.config.classes):
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise InvalidInput(f"label {wrong} of {len(self.config.classes)} known classes")
        t = self._timesteps(len(x0))
        noise = torch.randn(x0.shape)
        if recipe.flip:
            x0 = torch.where((torch.rand(len(x0)) < 0.5)[:, None, None, None], x0.flip(-1), x0)
        if recipe.p_uncond:
            # One coin per image, not one per batch.
            dropped = torch.rand(len(x0)) < recipe.p_uncond
            labels = torch.where(dropped, self.model.null_index, labels)
        x0, t, noise, labels = self._own(x0, t, noise, labels)
        if self.stable:
            # A mean over all classes, for the few labels dropped, would cost as much again.
            late = (t >= recipe.stable_from) & (labels < max(1, len(self.images.classes)))
            chosen = (value[late] for value in (x0, t, noise, labels))
            x0[late], noise[late] = self.stable(self.schedule, *chosen)
        return self._value(self.loss, self.model, x0, t, noise, labels).mean()

    def _timesteps(self, count: int) -> Tensor:
        end = self.schedule.num_timesteps
        if self.recipe.timestep_density == "uniform":
            return torch.randint(0, end, (count,))
        normal = torch.randn(count)
        if self.recipe.timestep_density == "logit_normal":
            return (normal.sigmoid() * end).long().clamp(max=end - 1)
        levels = torch.from_numpy(-self.schedule.log_snr / 2)
        return torch.searchsorted(levels, 1.6 * normal.double() - 0.8).clamp(max=end - 1)

    def _value(self, loss, model, x0, t, noise, labels) -> Tensor:
        x0, t, noise, labels = (value.to(self.device) for value in (x0, t, noise, labels))
        labels = labels if self.recipe.conditional else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            losses = loss(model, self.schedule, x0, t, noise, labels)
        if losses.shape != t.shape:
            raise InvalidInput("a loss must give one value per image, (B,)")
        return losses

    @torch.no_grad()
    def _measure(self) -> dict:
        held_out, unet = self.validation, self.averaged().unet
        t, losses = held_out.timesteps(self.schedule.num_timesteps), []
        for i in torch.arange(len(t)).split(256):
            x0, labels = held_out.images.batch(i)
            values = self._value(self.measured, unet, x0, t[i], held_out.noise[i], labels)
            losses.append(values.cpu())
        quarters = held_out.by_quarter(torch.cat(losses))
        row = {"validation": float(np.mean(list(quarters.values())))} | quarters
        return {name: round(loss, 5) for name, loss in row.items()}

    def _show(self) -> None:
        walk = {"sampler": "dpm_solver_pp", "steps": min(20, self.schedule.num_timesteps)}
        pictures = sample(self.averaged(), Request(n=SAMPLE_TILES, seed=self.recipe.seed, **walk))
        (self.folder / "samples").mkdir(parents=True, exist_ok=True)
        save_png(grid(pictures), self.folder / "samples" / f"{self.step:07d}.png")
