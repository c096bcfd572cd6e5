"""The same cases by diffusers, at the same number of parameters and operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn

from ddpm_core import Request, load

from .cases import CLASSES, MODELS, Case, seconds

# Found by trying widths until parameters and operations agree with ours; a test holds them within
# 15 %. Each level has a block more on the way up than ours, hence the narrower levels. Other widths
# agree as well; multiples of 16 favour diffusers.
WIDTHS = {"grey": (16, 16, 80), "colour": (16, 48, 96, 160)}


def unet(shape: str) -> nn.Module:
    """Attention where ours has it, one head of the full width, and classes as ours."""
    from diffusers import UNet2DModel

    ours = load(MODELS[shape], device="cpu")
    attends, scale_shift = (ours.unet.config[key] for key in ("attention", "scale_shift"))
    return UNet2DModel(
        sample_size=ours.shape[-1],
        in_channels=ours.shape[0],
        out_channels=ours.shape[0],
        layers_per_block=1,
        block_out_channels=WIDTHS[shape],
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        attention_head_dim=None,
        norm_num_groups=8,
        attn_norm_num_groups=8,
        resnet_time_scale_shift="scale_shift" if scale_shift else "default",
        num_class_embeds=CLASSES + 1,
    ).eval()


@contextmanager
def opened(case: Case) -> Iterator[Callable[[], float]]:
    """As ``cases.opened``. Our default dtype is compared with that of diffusers, float32."""
    make = _training if case.what == "training" else _sampling
    yield make(unet(case.shape), load(MODELS[case.shape], device="cpu").shape, case)


def _sampling(net: nn.Module, image: tuple, case: Case) -> Callable[[], float]:
    """The loop of the DDIMPipeline of diffusers."""
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler()
    scheduler.set_timesteps(Request().steps)
    start, labels = torch.randn(case.n, *image), torch.arange(case.n) % CLASSES

    @torch.no_grad()
    def walk() -> None:
        state = start
        for t in scheduler.timesteps:
            output = net(state, t, labels).sample
            state = scheduler.step(output, t, state).prev_sample

    return lambda: seconds(walk) / len(scheduler.timesteps)


def _training(net: nn.Module, image: tuple, case: Case) -> Callable[[], float]:
    """A step of the training example of diffusers, with our optimizer and bound of the gradient."""
    from diffusers import DDPMScheduler
    from diffusers.training_utils import EMAModel

    scheduler, parameters = DDPMScheduler(), list(net.train().parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    ema = EMAModel(parameters, decay=0.9995, use_ema_warmup=True, foreach=True)
    images, labels = torch.randn(case.n, *image).clamp(-1, 1), torch.arange(case.n) % CLASSES

    def step() -> None:
        noise = torch.randn(images.shape)
        t = torch.randint(0, scheduler.config.num_train_timesteps, (case.n,))
        noisy = scheduler.add_noise(images, noise, t)
        with torch.autocast("cpu", torch.bfloat16, enabled=case.dtype == "bfloat16"):
            output = net(noisy, t, labels).sample
        loss = F.mse_loss(output.float(), noise)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.step(parameters)
        loss.item()

    return lambda: seconds(step)
