"""A published shape, google/ddpm-cifar10-32, here and in diffusers on the very same weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ddpm_core.checkpoints import Config, Model
from ddpm_core.diffusers_format import config_from, convert

GOOGLE = {
    "sample_size": 32,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (128, 256, 256, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "norm_num_groups": 32,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}
PROCESS = {"num_train_timesteps": 1000, "variance_type": "fixed_large", "clip_sample": True}
AGREEMENT = 1e-4


def both(config: dict = GOOGLE) -> tuple[nn.Module, Model]:
    """diffusers' UNet with random weights, and ours with the same.

    Args:
        config: of diffusers' ``UNet2DModel``.

    Raises:
        ImportError: where diffusers is not installed.
    """
    from diffusers import UNet2DModel

    torch.manual_seed(0)
    reference = UNet2DModel(**config).eval()
    ours = Config(**config_from(config, PROCESS))
    unet, schedule = ours.build()
    unet.load_state_dict(convert(dict(reference.state_dict()), ours.model))
    return reference, Model("google/ddpm-cifar10-32", ours, unet, schedule, {})


@torch.no_grad()
def disagreement(reference: nn.Module, model: Model, x: Tensor) -> float:
    """The largest difference between their answers to ``x``, (B, C, H, W), in proportion."""
    t = torch.linspace(0, model.schedule.num_timesteps - 1, len(x)).long()
    wanted, got = reference(x, t).sample, model.prepared.network()(x, t)
    return float((got - wanted).abs().max() / wanted.abs().max())
