"""denoising-diffusion-pytorch: its Unet at our shapes, sampled and trained as it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .shapes import COLOUR, GREY, Shape, Size, measure

NAME, PACKAGE = "lucidrains", "denoising-diffusion-pytorch"
# Found as for diffusers, by trying. The last level attends in full, the others linearly, as its
# defaults have it; its Unet knows no classes.
OPTIONS = {
    GREY: {"dim": 16, "dim_mults": (1, 1, 6), "attn_heads": 4, "attn_dim_head": 8},
    COLOUR: {"dim": 16, "dim_mults": (1, 2, 5, 8)},
}


def load() -> None:
    """Raise ImportError where it is not installed."""
    import denoising_diffusion_pytorch  # noqa: F401


def unet(shape: Shape) -> nn.Module:
    from denoising_diffusion_pytorch import Unet

    torch.manual_seed(0)
    return Unet(channels=shape.channels, **OPTIONS[shape]).eval()


def size(shape: Shape) -> Size:
    return measure(unet(shape), shape.noise(1), torch.zeros(1).long())


def attention(shape: Shape) -> str:
    heads = OPTIONS[shape].get("attn_heads", 4)
    return f"full at the last level and in the middle, linear at the others, {heads} heads"


def sampling(shape: Shape, batch: int, steps: int, dtype: str) -> Callable[[], Tensor]:
    """Its own DDIM loop, less the progress bar.

    Args:
        dtype: ``"fp32"``, its default, or ``"bf16"``: autocast, as its trainer does; the time
            embedding bars weights of bfloat16.
    """
    diffusion = _diffusion(shape, sampling_timesteps=steps)

    def run_through() -> Tensor:
        with _quiet(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            return diffusion.sample(batch_size=batch)

    return run_through


@contextmanager
def training(shape: Shape, batch: int, dtype: str) -> Iterator[Callable[[], float]]:
    """A step of its trainer; the optimizer and the bound of the gradient are those of ours."""
    from ema_pytorch import EMA

    diffusion = _diffusion(shape).train()
    parameters = list(diffusion.parameters())
    optimizer = torch.optim.Adam(parameters, lr=shape.recipe.lr, fused=True)
    ema = EMA(diffusion, beta=0.995, update_every=10)
    images = shape.noise(batch).clamp(-1, 1) / 2 + 0.5

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = diffusion(images)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, shape.recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        ema.update()
        return loss.item()

    yield step


def _diffusion(shape: Shape, **options) -> nn.Module:
    from denoising_diffusion_pytorch import GaussianDiffusion

    return GaussianDiffusion(unet(shape), image_size=shape.size, **options).eval()


@contextmanager
def _quiet() -> Iterator[None]:
    from denoising_diffusion_pytorch import denoising_diffusion_pytorch as module

    before, module.tqdm = module.tqdm, lambda iterable, **_: iterable
    try:
        yield
    finally:
        module.tqdm = before
