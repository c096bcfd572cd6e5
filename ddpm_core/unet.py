"""The one UNet: every model of this project, and published ones, are settings of it."""

from __future__ import annotations

import inspect
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import InvalidInput, check_choice, check_float, check_int

# What the arguments of a network may be, where they are whole numbers.
BOUNDS = {"num_classes": (0, 1_000_000), "downsample_padding": (0, 1)}
for name in "image_size in_channels out_channels groups features head_width".split():
    BOUNDS[name] = (1, 4096)
LEFT_OPEN = ("out_channels", "head_width")  # None is as many as fit


def check_arguments(channels, blocks=1, time_channels=4, dropout=0, norm_eps=0, **others) -> None:
    """Refuse arguments of a network that are out of range, by name."""
    check_int("levels", len(channels), 1, 8)
    for width in channels:
        check_int("channels", width, 1, 4096)
    for count in blocks if isinstance(blocks, list | tuple) else [blocks]:
        check_int("blocks", count, 1, 16)
    check_int("time_channels / 2", time_channels / 2, 2, 2048)
    check_float("dropout", dropout, 0, 1)
    check_float("norm_eps", norm_eps, 0, 1)
    for name in BOUNDS.keys() & others.keys():
        if others[name] is not None or name not in LEFT_OPEN:
            check_int(name, others[name], *BOUNDS[name])


def sinusoidal_embedding(
    t: Tensor, dim: int, *, flip_sin_to_cos: bool = False, freq_shift: float = 0
) -> Tensor:
    """Sines and cosines of ``t``, (B,), at ``dim / 2`` frequencies (report section 2.3).

    They fall evenly in log space, from 1 to about 1/10,000, exactly so if ``freq_shift`` is 1.

    Returns:
        (B, dim), float32, in [-1, 1]; sines first, or cosines.
    """
    half = dim // 2
    exponent = torch.arange(half, dtype=torch.float32, device=t.device) / (half - freq_shift)
    angles = t.float()[:, None] * torch.exp(-math.log(10_000) * exponent)
    pair = (angles.cos(), angles.sin()) if flip_sin_to_cos else (angles.sin(), angles.cos())
    return torch.cat(pair, dim=1)


class ResBlock(nn.Module):
    """norm, SiLU, conv, + time, (B, time_dim); norm, SiLU, dropout, conv; + input.

    With ``scale_shift`` time is not added: it scales and shifts what the second norm returns.
    """

    def __init__(self, cin, cout, time_dim, *, groups, eps, dropout, scale_shift=False):
        super().__init__()
        self.scale_shift = scale_shift
        self.norm1 = nn.GroupNorm(math.gcd(groups, cin), cin, eps)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.time_proj = nn.Linear(time_dim, 2 * cout if scale_shift else cout)
        self.norm2 = nn.GroupNorm(math.gcd(groups, cout), cout, eps)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.shortcut = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h, time = self.conv1(F.silu(self.norm1(x))), self.time_proj(time)[:, :, None, None]
        h = scaled(self.norm2(h), time) if self.scale_shift else self.norm2(h + time)
        h = self.conv2(self.dropout(F.silu(h)))
        return self.shortcut(x) + h


def scaled(h: Tensor, time: Tensor) -> Tensor:
    """``h``, (B, C, H, W), scaled and shifted by ``time``, (B, 2 C, 1, 1), in this order."""
    scale, shift = time.chunk(2, dim=1)
    return h * (1 + scale) + shift  # in bfloat16 on a CPU torch.addcmul takes four times as long


class Attention(nn.Module):
    """Self-attention between the pixels of a feature map, added to it."""

    def __init__(self, channels, head_width, *, groups, eps):
        super().__init__()
        width = head_width or channels
        if channels % width:
            raise InvalidInput(f"head_width {width} does not divide {channels} channels")
        self.heads = channels // width
        self.norm = nn.GroupNorm(math.gcd(groups, channels), channels, eps)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        qkv = self.qkv(tokens).unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        mixed = self.out(mixed.transpose(1, 2).flatten(2))
        return x + mixed.transpose(1, 2).unflatten(2, x.shape[2:])


class Downsample(nn.Module):
    """Halve the resolution by a strided 3x3 convolution; ``padding`` 0 pads the right and lower
    edge only, as the DDPM code did."""

    def __init__(self, channels, padding):
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double the resolution (or reach ``size``, where it was odd), then a 3x3 convolution."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size) -> Tensor:
        return self.conv(F.interpolate(x, size=size, mode="nearest"))


class UNet(nn.Module):
    """A UNet with a time embedding and, optionally, classes and attention (report Fig. 1).

    Args:
        image_size: height and width of the images; any size, 28 as well as 32.
        in_channels: 1 for grey, 3 for colour.
        out_channels: as ``in_channels``, or twice as many where it also predicts the variance.
        channels: width of each level, the finest first.
        blocks: residual blocks on the way down, of each level or one number for all.
        attention: for each level, whether attention follows each of its blocks.
        up_attention: the same for the way up, where it differs; None: as ``attention``.
        mid_attention: attention in the middle, between its two blocks.
        head_width: channels per attention head; None makes one head of the full width.
        skips: ``"all"``: every feature map on the way down is handed across, so that each
            level has one block more on the way up (DDPM's layout); ``"blocks"``: those
            of the residual blocks only, which saves the dearest block at full resolution.
        time_channels: width of the sinusoidal embedding.
        num_classes: 0 for an unconditional model.
        null_class: adds a token that stands for "no class"; its index is ``num_classes``.
        dropout: within the residual blocks.
        groups: of group normalisation; reduced to a divisor where a level is too narrow.
        norm_eps, downsample_padding, flip_sin_to_cos, freq_shift: conventions in
            which published models differ.
        scale_shift: time and class scale and shift the normalised features of every residual
            block (Dhariwal and Nichol 2021, section 3.1), where otherwise they are added.

    Attributes:
        config: the arguments, ready for JSON; ``UNet(**unet.config)`` is its like, untrained.
    """

    def __init__(
        self,
        *,
        image_size: int,
        in_channels: int = 1,
        out_channels: int | None = None,
        channels: tuple[int, ...] = (32, 64, 96),
        blocks: int | tuple[int, ...] = 1,
        attention: tuple[bool, ...] | None = None,
        up_attention: tuple[bool, ...] | None = None,
        mid_attention: bool = True,
        head_width: int | None = None,
        skips: str = "all",
        time_channels: int = 64,
        num_classes: int = 0,
        null_class: bool = True,
        dropout: float = 0.0,
        groups: int = 8,
        norm_eps: float = 1e-5,
        downsample_padding: int = 1,
        flip_sin_to_cos: bool = False,
        freq_shift: float = 0,
        scale_shift: bool = False,
    ):
        given = locals()
        super().__init__()
        given = {name: given[name] for name in inspect.signature(UNet).parameters}
        self.config = {k: list(v) if isinstance(v, tuple | list) else v for k, v in given.items()}
        check_arguments(**given)
        # The frequencies are by this many fewer than half of time_channels apart.
        check_float("freq_shift", freq_shift, 0, time_channels / 2 - 1)
        check_choice("skips", skips, ("all", "blocks"))
        levels = len(channels)
        blocks = list(blocks) if isinstance(blocks, list | tuple) else [blocks]
        blocks = blocks * levels if len(blocks) == 1 else blocks
        if len(blocks) != levels:
            raise InvalidInput(
                f"channels has {levels} levels, blocks {blocks}: give as many, or one for all"
            )
        self.config["blocks"] = blocks[0] if len(set(blocks)) == 1 else blocks
        attention = attention or (False,) * levels
        up_attention = attention if up_attention is None else up_attention
        if not len(attention) == len(up_attention) == levels:
            raise InvalidInput(f"{levels} levels need as many attention switches")
        self.image_size, self.in_channels = image_size, in_channels
        self.out_channels = out_channels or in_channels
        self.num_classes = num_classes
        self.null_index = num_classes if num_classes and null_class else None
        self.time_channels = time_channels
        self.time_options = {"flip_sin_to_cos": flip_sin_to_cos, "freq_shift": freq_shift}
        self.skip_all = skips == "all"

        time_dim = 4 * time_channels
        norm = {"groups": groups, "eps": norm_eps}

        def res(cin, cout):
            return ResBlock(cin, cout, time_dim, dropout=dropout, scale_shift=scale_shift, **norm)

        def attn(width):
            return Attention(width, head_width, **norm)

        self.time_mlp = nn.Sequential(
            nn.Linear(time_channels, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim)
        )
        if num_classes:
            self.class_embedding = nn.Embedding(num_classes + bool(null_class), time_dim)
        self.conv_in = nn.Conv2d(in_channels, channels[0], 3, padding=1)

        width, handed_over = channels[0], [channels[0]] if self.skip_all else []
        self.down = nn.ModuleList()
        for level, cout in enumerate(channels):
            stage = _Stage()
            for _ in range(blocks[level]):
                stage.add(res(width, cout), attn(cout) if attention[level] else None)
                width = cout
                handed_over.append(width)
            if level < levels - 1:
                stage.resample = Downsample(width, downsample_padding)
                if self.skip_all:
                    handed_over.append(width)
            self.down.append(stage)

        self.mid = _Stage()
        self.mid.add(res(width, width), attn(width) if mid_attention else None)
        self.mid.add(res(width, width), None)

        self.up = nn.ModuleList()
        for level, cout in reversed(list(enumerate(channels))):
            stage = _Stage()
            for _ in range(blocks[level] + self.skip_all):
                block = res(width + handed_over.pop(), cout)
                stage.add(block, attn(cout) if up_attention[level] else None)
                width = cout
            if level > 0:
                stage.resample = Upsample(width)
            self.up.append(stage)

        self.norm_out = nn.GroupNorm(math.gcd(groups, width), width, norm_eps)
        self.conv_out = nn.Conv2d(width, self.out_channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Predict noise (or v), (B, out_channels, image_size, image_size).

        Args:
            x: (B, in_channels, image_size, image_size), noisy images in about [-1, 1].
            t: (B,), timesteps in [0, T).
            labels: (B,), class indices, ``null_index`` for none; or (B, classes), floats, to mix
                class embeddings in proportion; unconditional models take None.
        """
        return self.predict(x, F.silu(self.embed(t, labels, x.dtype)))

    def predict(self, x: Tensor, time: Tensor) -> Tensor:
        """The same from the embedding of time and class, after SiLU: down, through and up."""
        x = self.conv_in(x)
        skips = [x] if self.skip_all else []
        for stage in self.down:
            for block, attention in stage.pairs():
                x = attention(block(x, time))
                skips.append(x)
            if stage.resample is not None:
                x = stage.resample(x)
                if self.skip_all:
                    skips.append(x)
        for block, attention in self.mid.pairs():
            x = attention(block(x, time))
        for stage in self.up:
            for block, attention in stage.pairs():
                x = attention(block(torch.cat([x, skips.pop()], dim=1), time))
            if stage.resample is not None:
                x = stage.resample(x, skips[-1].shape[-2:])
        return self.conv_out(F.silu(self.norm_out(x)))

    def embed(self, t: Tensor, labels: Tensor | None, dtype=torch.float32) -> Tensor:
        """The embedding of time and class that every residual block receives, (B, time_dim)."""
        time = self.embed_time(t, dtype)
        if self.num_classes:
            if labels is None:
                if self.null_index is None:
                    raise InvalidInput("this model has no null class: labels are needed")
                labels = torch.full_like(t, self.null_index, dtype=torch.long)
            if labels.is_floating_point():
                time = time + labels.to(dtype) @ self.class_embedding.weight
            else:
                time = time + self.class_embedding(labels)
        elif labels is not None:
            raise InvalidInput("this model knows no classes")
        return time

    def embed_time(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        """The embedding of time alone, (B, time_dim)."""
        sinusoid = sinusoidal_embedding(t, self.time_channels, **self.time_options)
        return self.time_mlp(sinusoid.to(dtype))


class _Stage(nn.Module):
    """The blocks of one level, each with its attention or none, and the change of resolution."""

    def __init__(self):
        super().__init__()
        self.blocks, self.attentions = nn.ModuleList(), nn.ModuleList()
        self.resample = None

    def add(self, block, attention):
        self.blocks.append(block)
        self.attentions.append(attention or nn.Identity())

    def pairs(self):
        return zip(self.blocks, self.attentions, strict=True)
