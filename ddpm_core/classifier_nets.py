"""The small networks that classify images, each a setting of its own.

Each has ``takes_time``, whether it is told the noise level, and ``about``, what it is in words,
with its arguments in braces.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from .errors import InvalidInput
from .unet import Attention, Downsample, ResBlock, check_arguments, sinusoidal_embedding


class ConvNet(nn.Module):
    """Plain convolutions, two per level, and one hidden layer (report section 2.4).

    SiLU throughout and strides in place of max pooling: its gradient with respect to the
    image is what it is for.

    Args:
        channels: width of each level, the finest first; each next one halves the resolution.
        features: width of the hidden layer.
        groups: of group normalisation; reduced to a divisor where a level is too narrow.
        dropout: before the hidden layer.
    """

    takes_time = False
    about = "plain convolutions"

    def __init__(
        self,
        *,
        image_size: int,
        in_channels: int,
        num_classes: int,
        channels: tuple[int, ...] = (16, 32, 64),
        features: int = 128,
        groups: int = 8,
        dropout: float = 0.0,
    ):
        check_arguments(**locals())
        super().__init__()
        layers, width, size = [], in_channels, image_size
        for level, cout in enumerate(channels):
            for stride in (2 if level else 1, 1):
                layers += [nn.Conv2d(width, cout, 3, stride, 1)]
                layers += [nn.GroupNorm(math.gcd(groups, cout), cout), nn.SiLU()]
                width = cout
            size = -(-size // 2) if level else size
        self.convolutions = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout))
        self.hidden = nn.Linear(width * size**2, features)
        self.head = nn.Linear(features, num_classes)

    def features(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        return F.silu(self.hidden(self.convolutions(x)))

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        return self.head(self.features(x))


class Encoder(nn.Module):
    """The way down of a UNet, told the noise level (Dhariwal and Nichol 2021, section 4).

    Args:
        channels: width of each level; the first works at half the resolution already.
        attention: for each level, whether attention follows its block.
        time_channels: width of the sinusoidal embedding.
    """

    takes_time = True
    about = "a UNet's way down, told the time"

    def __init__(
        self,
        *,
        image_size: int,
        in_channels: int,
        num_classes: int,
        channels: tuple[int, ...] = (32, 64, 128),
        attention: tuple[bool, ...] = (False, True, False),
        time_channels: int = 64,
        groups: int = 8,
        norm_eps: float = 1e-5,
        dropout: float = 0.0,
    ):
        check_arguments(**locals())
        super().__init__()
        if len(attention) != len(channels):
            raise InvalidInput(f"{len(channels)} levels need as many attention switches")
        time_dim, norm = 2 * time_channels, {"groups": groups, "eps": norm_eps}
        self.time_channels = time_channels
        self.time_mlp = nn.Sequential(
            nn.Linear(time_channels, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim)
        )
        self.stem = nn.Conv2d(in_channels, channels[0], 5, stride=2, padding=2)
        self.blocks, self.attentions, self.downs = (nn.ModuleList() for _ in range(3))
        width = channels[0]
        for level, (cout, attend) in enumerate(zip(channels, attention, strict=True)):
            self.downs.append(Downsample(width, 1) if level else nn.Identity())
            self.blocks.append(ResBlock(width, cout, time_dim, dropout=dropout, **norm))
            self.attentions.append(Attention(cout, None, **norm) if attend else None)
            width = cout
        self.norm = nn.GroupNorm(math.gcd(groups, width), width, norm_eps)
        self.head = nn.Linear(width, num_classes)

    def features(self, x: Tensor, t: Tensor) -> Tensor:
        sinusoid = sinusoidal_embedding(t, self.time_channels).to(x.dtype)
        time = F.silu(self.time_mlp(sinusoid))
        x = self.stem(x)
        for down, block, attention in zip(self.downs, self.blocks, self.attentions, strict=True):
            x = block(down(x), time)
            x = x if attention is None else attention(x)
        return F.silu(self.norm(x)).mean((2, 3))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.head(self.features(x, t))


# By kind, as a config names it. A package that needs a network of its own adds it here.
NETS: dict[str, type[nn.Module]] = {"conv": ConvNet, "encoder": Encoder}
