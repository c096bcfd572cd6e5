"""What makes a network fast on a CPU: twins that share its weights and compute the same in less
time. On any other device a twin is plain: there nothing of this was measured.

The network itself stays plain PyTorch: it is loaded, exported and compiled as any module.
"""

from __future__ import annotations

import copy
import math
from functools import cached_property, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import unet
from .hardware import bf16_is_native

# The most values that the table of the embedded timesteps may have.
LARGEST_TABLE = 2**22
# In bfloat16 on a CPU fused attention takes four times as long backwards as products and a softmax,
# and forwards twice as long from so many pixels on; of more than the latter they take much memory.
MANY_TOKENS, LARGE_MAP = 128, 512
# In float32 on a CPU images of so many pixels are held pixel by pixel (channels_last): convolutions
# of few channels at full resolution then need no rearranging and no padding. In bfloat16, and of
# smaller images, group normalisation of that layout takes more time than they save.
LARGE_IMAGE = 32 * 32


def faster(network: nn.Module, frozen: bool = False) -> nn.Module:
    """A twin of a network that computes the same faster: to be trained, or differentiated.

    It has the network's parameters, under the same names, and its hooks; its modules are its own.
    A frozen one shares the memory of the parameters only, and they take no gradient.
    """
    shared = {
        id(value): value
        for module in network.modules()
        for name, value in vars(module).items()
        if name.endswith("_hooks")
    }
    for p in network.parameters():
        shared[id(p)] = nn.Parameter(p.detach(), requires_grad=False) if frozen else p
    twin = copy.deepcopy(network, shared)
    if next(network.parameters()).device.type == "cpu":
        for module in twin.modules():
            module.__class__ = FASTER.get(type(module), type(module))
    return twin


def lay_out(network: unet.UNet) -> None:
    """Hold the weights in the order in which images of its size use them."""
    images = network.conv_in.weight.new_empty(1, network.in_channels, *[network.image_size] * 2)
    network.to(memory_format=_layout(images))


class Prepared:
    """The frozen twins of a UNet that sample, never older than it; they share the memory of those
    weights that they use unchanged. Every t must be below ``num_timesteps``.
    """

    def __init__(self, network: unet.UNet, num_timesteps: int):
        self.unet, self.num_timesteps = network, num_timesteps
        self._twins: _Twins | None = None

    def network(self, reduced: bool = False) -> unet.UNet:
        """The twin to evaluate now, in bfloat16 if ``reduced``; another after a training."""
        twins = self._twins
        if twins is None or twins.biases_changed():
            twins = self._twins = _Twins(self.unet, self.num_timesteps)
        return twins.reduced if reduced else twins.full

    def compare(self) -> None:
        """Notice any other change as well: too slow for every step, in time for every walk."""
        if self._twins is not None and self._twins.differ_from(self.unet):
            self._twins = None


class _Twins:
    """The frozen twins of a network as it is now."""

    def __init__(self, network: unet.UNet, num_timesteps: int):
        self._signs = _signs(network)
        # Outside of inference mode: nothing could be differentiated through what is made in it.
        with torch.inference_mode(False), torch.no_grad():
            self.full = faster(network, frozen=True).eval()
            if isinstance(self.full, UNet):
                self.full.__class__ = FrozenUNet
                self.full.work_out(num_timesteps)
            self._biases = [p for p in self.full.parameters() if p.ndim == 1]
            self._biases_then = torch.cat(self._biases)

    @cached_property
    def reduced(self) -> unet.UNet:
        with torch.inference_mode(False):
            twin = faster(self.full, frozen=True)
            return twin.to(dtype=torch.bfloat16, memory_format=torch.contiguous_format)

    def biases_changed(self) -> bool:
        """Every optimizer moves them along with the weights, and they are few."""
        return not torch.equal(torch.cat(self._biases), self._biases_then)

    def differ_from(self, network: unet.UNet) -> bool:
        *then, norms_then = self._signs
        *now, norms = _signs(network)
        return now != then or not torch.equal(norms, norms_then)


@torch.no_grad()
def _signs(network: nn.Module) -> tuple[list[int], list[int], Tensor]:
    """Where each weight lies, how often it was changed, and its norm.

    PyTorch counts no changes by a fused optimizer or by way of ``.data``, but the norm tells.
    """
    weights = list(network.parameters())
    places = [p.data_ptr() for p in weights]
    changes = [0 if p.is_inference() else p._version for p in weights]
    return places, changes, torch.stack(torch._foreach_norm(weights))


class Conv2d(nn.Conv2d):
    """PyTorch's, in bfloat16 by ``_convolve``."""

    def forward(self, x: Tensor) -> Tensor:
        return _convolve(self._conv_forward, x, self.weight, self.bias)


class ResBlock(unet.ResBlock):
    """In place, which a convolution's gradient bears: it needs its input and not its output. SiLU's
    needs the old value."""

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        silu = partial(F.silu, inplace=not torch.is_grad_enabled())
        h, time = self.conv1(silu(self.norm1(x))), self.time_proj(time)[:, :, None, None]
        h = unet.scaled(self.norm2(h), time) if self.scale_shift else self.norm2(h.add_(time))
        h = self.conv2(self.dropout(silu(h)))
        h += self.shortcut(x)
        return h


class Attention(unet.Attention):
    def forward(self, x: Tensor) -> Tensor:
        # In memory too: the product of all images at once is the faster by more than the copy.
        tokens = self.norm(x).flatten(2).transpose(1, 2).contiguous()
        qkv = self.qkv(tokens).unflatten(2, (3, self.heads, -1))
        mixed = _attend(*qkv.permute(2, 0, 3, 1, 4))
        mixed = self.out(mixed.transpose(1, 2).flatten(2))
        return x + mixed.transpose(1, 2).unflatten(2, x.shape[2:])


class Upsample(unet.Upsample):
    """Of a doubled image the nine taps see four different pixels only: summed beforehand, they are
    a transposed convolution of 4x4 and stride 2, which does the same in 4/9 of the multiplications.
    """

    def forward(self, x: Tensor, size) -> Tensor:
        if tuple(size) != (2 * x.shape[2], 2 * x.shape[3]):
            return super().forward(x, size)
        taps = self.summed if hasattr(self, "summed") else self.sum_taps()
        return _convolve(F.conv_transpose2d, x, taps, self.conv.bias, stride=2, padding=1)

    def sum_taps(self) -> Tensor:
        taps = self.conv.weight.flip(2, 3).transpose(0, 1)
        left, right = (F.pad(taps, (i, 1 - i)) for i in (0, 1))
        wide = left + right
        return F.pad(wide, (0, 0, 0, 1)) + F.pad(wide, (0, 0, 1, 0))


class UNet(unet.UNet):
    def predict(self, x: Tensor, time: Tensor) -> Tensor:
        # A copy: of one channel an image has either layout, and what comes of it only one.
        return super().predict(x.clone(memory_format=_layout(x)), time).contiguous()


FASTER = {kind.__base__: kind for kind in (Conv2d, ResBlock, Attention, Upsample, UNet)}


class FrozenUNet(UNet):
    """A UNet that has worked out the time of all steps, and what else its weights decide alone."""

    def work_out(self, num_timesteps: int) -> None:
        """Nothing of it is in a state dict; it follows ``to``."""
        blocks = [module for module in self.modules() if isinstance(module, ResBlock)]
        self.widths = [block.time_proj.out_features for block in blocks]
        weight = torch.cat([block.time_proj.weight for block in blocks])
        bias = torch.cat([block.time_proj.bias for block in blocks])
        times = None
        if num_timesteps * self.time_mlp[-1].out_features <= LARGEST_TABLE:
            t = torch.arange(num_timesteps, device=weight.device)
            times = super().embed_time(t, weight.dtype)
        for name, value in (("time_weight", weight), ("time_bias", bias), ("times", times)):
            self.register_buffer(name, value, persistent=False)
        for place, block in enumerate(blocks):
            block.time_proj.__class__, block.time_proj.place = _Share, place
        for module in self.modules():
            if isinstance(module, Upsample):
                module.register_buffer("summed", module.sum_taps(), persistent=False)
        lay_out(self)

    def embed_time(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        if self.times is None or t.is_floating_point():
            return super().embed_time(t, dtype)
        return self.times[t]

    def predict(self, x: Tensor, time: Tensor) -> Tensor:
        times = F.linear(time, self.time_weight, self.time_bias).split(self.widths, dim=1)
        return super().predict(x, times)


class _Share(nn.Linear):
    """What was projected for all blocks at once: the part of one."""

    def forward(self, times: tuple[Tensor, ...]) -> Tensor:
        return times[self.place]


def _convolve(operation, x: Tensor, weight: Tensor, bias: Tensor | None, **how) -> Tensor:
    """Where bfloat16 is emulated a convolution takes three to four times that of float32. There,
    if the weights are of it, the same rounded numbers are multiplied in float32 and their sums
    rounded once, as hardware that has bfloat16 does. Training keeps its weights in float32, and
    is left to autocast."""
    if not x.dtype == weight.dtype == torch.bfloat16 or bf16_is_native(x.device):
        return operation(x, weight, bias, **how)
    bias = None if bias is None else bias.float()
    return operation(x.float(), weight.float(), bias, **how).to(x.dtype)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / sqrt(width)) v, each (B, heads, tokens, width)."""
    b, heads, tokens, width = q.shape
    # Never by the batch: an image is the same alone and among others.
    written_out = q.requires_grad or tokens >= MANY_TOKENS
    slow = q.dtype == torch.bfloat16 and q.device.type == "cpu"
    if not slow or not written_out or tokens > LARGE_MAP:
        return F.scaled_dot_product_attention(q, k, v)
    q, k, v = (tensor.reshape(b * heads, tokens, width) for tensor in (q, k, v))
    scores = torch.baddbmm(
        q.new_empty(1, 1, 1), q, k.transpose(1, 2), beta=0, alpha=1 / math.sqrt(width)
    )
    return torch.bmm(scores.softmax(-1), v).view(b, heads, tokens, width)


def _layout(x: Tensor) -> torch.memory_format:
    """How maps are held for such images."""
    device = x.device.type
    in_full = x.dtype == torch.float32 and not torch.is_autocast_enabled(device)
    by_pixels = in_full and device == "cpu" and x.shape[2] * x.shape[3] >= LARGE_IMAGE
    return torch.channels_last if by_pixels else torch.contiguous_format
