"""The one UNet: every model of this project, and published ones, are settings of it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import InvalidInput, check_float, check_int
from .hardware import bf16_is_native

# In bfloat16 on a CPU fused attention takes four times as long backwards as products and a softmax,
# and forwards twice as long from so many pixels on; of more than the latter they take much memory.
MANY_TOKENS, LARGE_MAP = 128, 512
# In float32 on a CPU images of so many pixels are held pixel by pixel (channels_last): convolutions
# of few channels at full resolution then need no rearranging and no padding. In bfloat16, and of
# smaller images, group normalisation of that layout takes more time than they save.
LARGE_IMAGE = 32 * 32


def sinusoidal_embedding(
    t: Tensor, dim: int, *, flip_sin_to_cos: bool = False, freq_shift: float = 0
) -> Tensor:
    """Sines and cosines of ``t`` at ``dim / 2`` frequencies, from 1 down to about 1/10,000.

    The frequencies are computed in log space (report section 2.3, after Vaswani et al.).

    Args:
        t: timesteps, shape (B,).
        dim: width of the embedding, even.
        flip_sin_to_cos: cosines first.
        freq_shift: 1 makes the last frequency exactly 1/10,000.

    Returns:
        (B, dim), float32, in [-1, 1].
    """
    half = dim // 2
    exponent = torch.arange(half, dtype=torch.float32, device=t.device) / (half - freq_shift)
    angles = t.float()[:, None] * torch.exp(-math.log(10_000) * exponent)
    pair = (angles.cos(), angles.sin()) if flip_sin_to_cos else (angles.sin(), angles.cos())
    return torch.cat(pair, dim=1)


def _convolve(operation, x: Tensor, weight: Tensor, bias: Tensor | None, **how) -> Tensor:
    """Where bfloat16 is emulated a convolution takes three to four times that of float32. There,
    if the weights are of it, the same rounded numbers are multiplied in float32 and their sums
    rounded once, as hardware that has bfloat16 does. Training keeps its weights in float32, and
    is left to autocast."""
    if not x.dtype == weight.dtype == torch.bfloat16 or bf16_is_native(x.device):
        return operation(x, weight, bias, **how)
    bias = None if bias is None else bias.float()
    return operation(x.float(), weight.float(), bias, **how).to(x.dtype)


class Conv2d(nn.Conv2d):
    """PyTorch's, in bfloat16 by ``_convolve``; with its own bias or another."""

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        return _convolve(self._conv_forward, x, self.weight, self.bias if bias is None else bias)


class ResBlock(nn.Module):
    """norm, SiLU, conv, + time; norm, SiLU, dropout, conv; + input.

    The time comes as ``time_proj`` made it, (B, cout): a UNet has it made for all its blocks at
    once.
    """

    def __init__(self, cin, cout, time_dim, *, groups, eps, dropout):
        super().__init__()
        self.norm1 = nn.GroupNorm(_groups(groups, cin), cin, eps)
        self.conv1 = Conv2d(cin, cout, 3, padding=1)
        self.time_proj = nn.Linear(time_dim, cout)
        self.norm2 = nn.GroupNorm(_groups(groups, cout), cout, eps)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = Conv2d(cout, cout, 3, padding=1)
        self.shortcut = Conv2d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        # In place, which a convolution's gradient bears: it needs its input and not its output.
        h = self.conv1(_silu(self.norm1(x)))
        h += time[:, :, None, None]
        h = self.dropout(_silu(self.norm2(h)))
        if isinstance(self.shortcut, nn.Identity):
            h = self.conv2(h)
            h += x
            return h
        h = self.conv2(h, self.conv2.bias + self.shortcut.bias)
        return _add_product(h, self.shortcut.weight.flatten(1), x)


def _add_product(h: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    """h + weight x at each pixel: (B, C, H, W), (C, D) and (B, D, H, W), laid out as h is.

    A product for each image, which takes the sum along: a convolution of a single tap rearranges
    its maps before and after, which takes longer than what is between.
    """
    weight = weight.expand(len(h), -1, -1)
    rows, columns = h.flatten(2), x.flatten(2)
    if h.is_contiguous():
        return torch.baddbmm(rows, weight, columns).view_as(h)
    rows, columns, weight = (it.transpose(1, 2) for it in (rows, columns, weight))
    return torch.baddbmm(rows, columns, weight).transpose(1, 2).unflatten(2, h.shape[2:])


class Attention(nn.Module):
    """Self-attention between the pixels of a feature map, added to it."""

    def __init__(self, channels, head_width, *, groups, eps):
        super().__init__()
        width = head_width or channels
        if channels % width:
            raise InvalidInput(f"head_width {width} does not divide {channels} channels")
        self.heads = channels // width
        self.norm = nn.GroupNorm(_groups(groups, channels), channels, eps)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        # In memory too: the product of all images at once is the faster by more than the copy.
        tokens = self.norm(x).flatten(2).transpose(1, 2).contiguous()
        qkv = self.qkv(tokens).view(b, h * w, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = _attend(q, k, v)
        mixed = self.out(mixed.transpose(1, 2).reshape(b, h * w, c))
        return x + mixed.transpose(1, 2).reshape(b, c, h, w)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / sqrt(width)) v, each (B, heads, tokens, width)."""
    b, heads, tokens, width = q.shape
    # Never by the batch: an image is the same alone and among others.
    written_out = q.requires_grad or tokens >= MANY_TOKENS
    slow = q.dtype == torch.bfloat16 and q.device.type == "cpu"
    if not slow or not written_out or tokens > LARGE_MAP:
        return F.scaled_dot_product_attention(q, k, v)
    q, k, v = (it.reshape(b * heads, tokens, width) for it in (q, k, v))
    scores = torch.baddbmm(
        q.new_empty(1, 1, 1), q, k.transpose(1, 2), beta=0, alpha=1 / math.sqrt(width)
    )
    return torch.bmm(scores.softmax(-1), v).view(b, heads, tokens, width)


class Downsample(nn.Module):
    """Halve the resolution by a strided 3x3 convolution.

    ``padding = 0`` pads the right and lower edge only, as the DDPM code did.
    """

    def __init__(self, channels, padding):
        super().__init__()
        self.padding = padding
        self.conv = Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double the resolution (or reach ``size``, where it was odd), then a 3x3 convolution.

    Of a doubled image the nine taps see four different pixels only: summed beforehand, they are a
    transposed convolution of 4x4 and stride 2, which does the same in 4/9 of the multiplications.
    """

    def __init__(self, channels):
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size) -> Tensor:
        if tuple(size) != (2 * x.shape[2], 2 * x.shape[3]):
            return self.conv(F.interpolate(x, size=size, mode="nearest"))
        bias = self.conv.bias
        return _convolve(F.conv_transpose2d, x, self.sum_taps(), bias, stride=2, padding=1)

    def sum_taps(self) -> Tensor:
        taps = self.conv.weight.flip(2, 3).transpose(0, 1)
        left, right = (F.pad(taps, (i, 1 - i)) for i in (0, 1))
        wide = left + right
        return F.pad(wide, (0, 0, 0, 1)) + F.pad(wide, (0, 0, 1, 0))


class UNet(nn.Module):
    """A UNet with a time embedding and, optionally, classes and attention (report Fig. 1).

    Args:
        image_size: height and width of the images; any size, 28 as well as 32.
        in_channels: 1 for grey, 3 for colour.
        out_channels: as ``in_channels`` unless the model also predicts a variance.
        channels: width of each level, the finest first.
        blocks: residual blocks per level on the way down.
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
    """

    def __init__(
        self,
        *,
        image_size: int,
        in_channels: int = 1,
        out_channels: int | None = None,
        channels: tuple[int, ...] = (32, 64, 96),
        blocks: int = 1,
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
    ):
        super().__init__()
        levels = len(channels)
        image_size = check_int("image_size", image_size, 1, 4096)
        in_channels = check_int("in_channels", in_channels, 1, 4096)
        channels = [check_int("channels", width, 1, 4096) for width in channels]
        check_int("levels", levels, 1, 8)
        blocks = check_int("blocks", blocks, 1, 16)
        groups = check_int("groups", groups, 1, 4096)
        time_channels = 2 * check_int("time_channels / 2", time_channels / 2, 2, 2048)
        downsample_padding = check_int("downsample_padding", downsample_padding, 0, 1)
        if out_channels is not None:
            out_channels = check_int("out_channels", out_channels, 1, 4096)
        num_classes = check_int("num_classes", num_classes, 0, 1_000_000)
        check_float("dropout", dropout, 0, 1)
        check_float("norm_eps", norm_eps, 0, 1)
        # The frequencies are by this many fewer than half of time_channels apart.
        check_float("freq_shift", freq_shift, 0, time_channels / 2 - 1)
        if head_width is not None:
            head_width = check_int("head_width", head_width, 1, 4096)
        attention = attention or (False,) * levels
        up_attention = attention if up_attention is None else up_attention
        if not len(attention) == len(up_attention) == levels:
            raise InvalidInput(f"{levels} levels need as many attention switches")
        if skips not in ("all", "blocks"):
            raise InvalidInput(f"skips must be 'all' or 'blocks', not {skips!r}")
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
            return ResBlock(cin, cout, time_dim, dropout=dropout, **norm)

        def attn(width):
            return Attention(width, head_width, **norm)

        self.time_mlp = nn.Sequential(
            nn.Linear(time_channels, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim)
        )
        if num_classes:
            self.class_embedding = _embedding(num_classes + bool(null_class), time_dim)
        self.conv_in = Conv2d(in_channels, channels[0], 3, padding=1)

        width, handed_over = channels[0], [channels[0]] if self.skip_all else []
        self.down = nn.ModuleList()
        for level, cout in enumerate(channels):
            stage = _Stage()
            for _ in range(blocks):
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
            for _ in range(blocks + self.skip_all):
                block = res(width + handed_over.pop(), cout)
                stage.add(block, attn(cout) if up_attention[level] else None)
                width = cout
            if level > 0:
                stage.resample = Upsample(width)
            self.up.append(stage)

        self.norm_out = nn.GroupNorm(_groups(groups, width), width, norm_eps)
        self.conv_out = Conv2d(width, self.out_channels, 3, padding=1)

    @classmethod
    def defaults(cls) -> dict:
        """The arguments that have a default, with it, ready for JSON."""
        parameters = inspect.signature(cls).parameters.values()
        found = {p.name: p.default for p in parameters if p.default is not p.empty}
        return found | {"channels": list(found["channels"])}

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Predict noise (or v) for noisy images.

        Args:
            x: (B, in_channels, image_size, image_size), noisy images in about [-1, 1].
            t: (B,), timesteps in [0, T).
            labels: (B,), class indices, ``null_index`` for none; or (B, classes), floats, to mix
                class embeddings in proportion; unconditional models take None.

        Returns:
            (B, out_channels, image_size, image_size).
        """
        times = iter(self.project(F.silu(self.embed(t, labels, x.dtype))))
        layout = {"memory_format": self._layout(x)}
        # Of one channel an image has either layout, and what comes of it only one.
        x = self.conv_in(x.contiguous(**layout)).contiguous(**layout)
        skips = [x] if self.skip_all else []
        for stage in self.down:
            for block, attention in stage.pairs():
                x = attention(block(x, next(times)))
                skips.append(x)
            if stage.resample is not None:
                x = stage.resample(x)
                if self.skip_all:
                    skips.append(x)
        for block, attention in self.mid.pairs():
            x = attention(block(x, next(times)))
        for stage in self.up:
            for block, attention in stage.pairs():
                x = attention(block(torch.cat([x, skips.pop()], dim=1), next(times)))
            if stage.resample is not None:
                x = stage.resample(x, skips[-1].shape[-2:])
        return self.conv_out(_silu(self.norm_out(x))).contiguous()

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

    def project(self, time: Tensor) -> Sequence[Tensor]:
        """What each residual block adds, (B, its channels), in the order of use."""
        return [block.time_proj(time) for block in self.blocks()]

    def blocks(self) -> list[ResBlock]:
        """All residual blocks, in the order of use."""
        return [block for stage in (*self.down, self.mid, *self.up) for block in stage.blocks]

    def lay_out(self) -> UNet:
        """Hold the weights in the order in which images of its size use them; returns itself."""
        images = self.conv_in.weight.new_empty(1, self.in_channels, *[self.image_size] * 2)
        return self.to(memory_format=self._layout(images))

    def _layout(self, x: Tensor) -> torch.memory_format:
        """How maps are held for such images."""
        device = x.device.type
        in_full = x.dtype == torch.float32 and not torch.is_autocast_enabled(device)
        by_pixels = in_full and device == "cpu" and x.shape[2] * x.shape[3] >= LARGE_IMAGE
        return torch.channels_last if by_pixels else torch.contiguous_format


class _Stage(nn.Module):
    """The blocks of one level, each with its attention or none, and the change of resolution."""

    def __init__(self):
        super().__init__()
        self.blocks, self.attentions = nn.ModuleList(), nn.ModuleList()
        self.resample = None

    def add(self, block, attention):
        self.blocks.append(block)
        self.attentions.append(attention or _Through())

    def pairs(self):
        return zip(self.blocks, self.attentions, strict=True)


class _Through(nn.Module):
    def forward(self, x):
        return x


def _embedding(count: int, width: int) -> nn.Embedding:
    """Normal, as ``nn.Embedding`` makes it. Without memory, on the meta device, that would bring in
    a whole algebra system first: over a second of every start."""
    weight = torch.empty(count, width)
    if not weight.is_meta:
        nn.init.normal_(weight)
    return nn.Embedding.from_pretrained(weight, freeze=False)


def _groups(wanted: int, channels: int) -> int:
    return math.gcd(wanted, channels)


def _silu(x: Tensor) -> Tensor:
    # In place where no gradient needs the old value: one allocation fewer on the sampling path.
    return F.silu(x, inplace=not torch.is_grad_enabled())
