"""diffusers: its UNet2DModel at our shapes, sampled as its DDIM pipeline does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .machine import DTYPES
from .shapes import CLASSES, COLOUR, GREY, Shape, Size, measure

NAME, PACKAGE = "diffusers", "diffusers"
# Found by trying widths until parameters and operations agree with ours; each level has a block
# more on the way up than ours, hence the narrower levels. Other widths agree as well: at 32x32
# (24, 40, 72, 120) too, a quarter slower when tried. Multiples of 16 favour the peer.
WIDTHS = {GREY: (16, 16, 80), COLOUR: (16, 48, 80, 112)}


def load() -> None:
    """Raise ImportError where it is not installed."""
    import diffusers  # noqa: F401


def unet(shape: Shape) -> nn.Module:
    """With attention where ours has it, one head of the full width, and classes as ours."""
    from diffusers import UNet2DModel

    attends = shape.recipe.model["attention"]
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=shape.size,
        in_channels=shape.channels,
        out_channels=shape.channels,
        layers_per_block=1,
        block_out_channels=WIDTHS[shape],
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        attention_head_dim=None,
        norm_num_groups=8,
        num_class_embeds=CLASSES + 1,
    ).eval()


def size(shape: Shape) -> Size:
    return measure(unet(shape), shape.noise(1), torch.zeros(1).long(), shape.labels(1))


def attention(shape: Shape) -> str:
    return "as ours, and once more at each of these on the way up"


def walk(
    unet: nn.Module, x: Tensor, labels: Tensor | None, steps: int, dtype: str
) -> Callable[[], Tensor]:
    """The loop of its DDIMPipeline from ``x``, (B, C, H, W).

    Args:
        unet: in float32.
        labels: (B,), or None.
        dtype: ``"fp32"``, its default, or ``"bf16"``: weights and state, as ``pipeline.to`` does.
    """
    from diffusers import DDIMScheduler
    from diffusers.utils import logging

    logging.set_verbosity_error()  # of to() it warns, though no layer here needs float32
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(steps)
    # A copy: to() would change the caller's.
    unet, start = copy.deepcopy(unet).to(DTYPES[dtype]), x.to(DTYPES[dtype])

    @torch.no_grad()
    def run_through() -> Tensor:
        state = start
        for t in scheduler.timesteps:
            output = unet(state, t, labels).sample
            state = scheduler.step(output, t, state).prev_sample
        return state

    return run_through


def sampling(shape: Shape, batch: int, steps: int, dtype: str) -> Callable[[], Tensor]:
    return walk(unet(shape), shape.noise(batch), shape.labels(batch), steps, dtype)


@contextmanager
def training(shape: Shape, batch: int, dtype: str) -> Iterator[Callable[[], float]]:
    """A step of its training example, unconditional image generation, told the classes as ours.

    The optimizer and the bound of the gradient are those that ours has.
    """
    from diffusers import DDPMScheduler
    from diffusers.training_utils import EMAModel

    net, scheduler = unet(shape).train(), DDPMScheduler()
    parameters = list(net.parameters())
    optimizer = torch.optim.Adam(parameters, lr=shape.recipe.lr, fused=True)
    ema = EMAModel(parameters, decay=shape.recipe.ema, use_ema_warmup=True, foreach=True)
    images, labels = shape.noise(batch).clamp(-1, 1), shape.labels(batch)

    def step() -> float:
        noise = torch.randn(images.shape)
        t = torch.randint(0, scheduler.config.num_train_timesteps, (batch,))
        noisy = scheduler.add_noise(images, noise, t)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            output = net(noisy, t, labels).sample
        loss = F.mse_loss(output.float(), noise)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, shape.recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        ema.step(parameters)
        return loss.item()

    yield step
