"""Our sampling as the application does it, and our training as the trainer does it."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ddpm_core.checkpoints import Config, Model
from ddpm_core.hardware import bf16_is_native
from ddpm_core.request import Request
from ddpm_core.sampling import Run
from ddpm_core.stills import png
from ddpm_core.trainer import Trainer

from .shapes import CLASSES, Shape, Size, measure

NAME = "ours"


def model(shape: Shape, image_size: int | None = None) -> Model:
    """The model that ships for this shape, untrained: time does not depend on what it learned."""
    recipe = shape.recipe
    kwargs = {"image_size": image_size or shape.size, "in_channels": shape.channels}
    config = Config(
        model=kwargs | recipe.model | {"num_classes": CLASSES, "null_class": True},
        schedule=recipe.schedule,
        prediction_type=recipe.prediction_type,
        dataset=recipe.dataset,
        classes=[str(i) for i in range(CLASSES)],
    )
    torch.manual_seed(0)
    return Model(shape.recipe_name, config, *config.build(), {})


def default_dtype() -> str:
    """What the application and the trainer choose on this machine, ``"fp32"`` or ``"bf16"``."""
    return "bf16" if bf16_is_native() else "fp32"


def steps_in_full(model: Model, steps: int) -> int:
    """How many steps of the application's own walk its network does in float32."""
    run = Run(model, Request(n=1, steps=steps))
    if run.dtype == "float32":
        return steps
    bears = model.denoiser(run.labels, run.dtype).bears
    return sum(not bears(t) for t in run.timesteps)


def size(shape: Shape) -> Size:
    return measure(
        model(shape).prepared.network(), shape.noise(1), torch.zeros(1).long(), shape.labels(1)
    )


def attention(shape: Shape) -> str:
    """Where the network attends."""
    switches = enumerate(shape.recipe.model["attention"])
    levels = [f"{shape.size >> i}x{shape.size >> i}" for i, attends in switches if attends]
    return f"full at {', '.join(levels)} and in the middle, one head"


def walk(model: Model, x: Tensor, steps: int, dtype: str) -> Callable[[], Tensor]:
    """A whole walk from ``x``, (B, C, H, W), to images, by what the application calls.

    Args:
        dtype: ``"fp32"`` or ``"bf16"``, the network in it throughout and DDIM, as the peers; or
            ``"default"``, the application's sampler and dtype: where that is bfloat16, the steps
            that it would harm stay in float32.
    """
    options = {"dtype": "auto"} if dtype == "default" else {"dtype": "float32", "sampler": "ddim"}
    if dtype == "bf16":
        short = copy.deepcopy(model.unet).bfloat16()
        model = Model(model.name, model.config, short, model.schedule, {})
    run = Run(model, Request(n=len(x), steps=steps, **options))

    def run_through() -> Tensor:
        for step in run.steps(x):
            pass
        return step.x

    return run_through


@contextmanager
def training(shape: Shape, batch: int, dtype: str) -> Iterator[Callable[[], float]]:
    """A step of the trainer on random pictures; it returns the loss."""
    with tempfile.TemporaryDirectory() as folder:
        _write_pictures(Path(folder) / "pictures", shape, 2 * batch)
        recipe = replace(shape.recipe, dataset="pictures", batch_size=batch, epochs=1000)
        trainer = Trainer(
            recipe,
            Path(folder) / "run",
            data_root=folder,
            bf16=dtype == "bf16",
            quiet=True,
        )
        yield trainer._train_step


def _write_pictures(folder: Path, shape: Shape, count: int) -> None:
    """Random pictures of all classes, more than ``count``, of which some will be held out."""
    tall = (shape.size, shape.size, 3 if shape.channels == 3 else 1)
    generator = torch.Generator().manual_seed(0)
    for number in range(-(-count // CLASSES) * CLASSES):
        place = folder / str(number % CLASSES) / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(0, 256, tall, dtype=torch.uint8, generator=generator)
        place.write_bytes(png(pixels.numpy()))
