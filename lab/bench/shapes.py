"""The shipped shapes; how parameters and operations are counted, and layouts observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count, sdpa_flop_count

from ddpm_core.recipes import RECIPES
from ddpm_core.trainer import Recipe

CLASSES = 10
WITHIN = 0.15


@dataclass(frozen=True)
class Shape:
    """Images of one kind, and the recipe of the model that ships for them."""

    recipe_name: str
    channels: int
    size: int

    def __str__(self) -> str:
        return f"{self.size}x{self.size}x{self.channels}"

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.recipe_name]

    def noise(self, batch: int) -> Tensor:
        """(B, C, H, W), the same each time."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(batch, self.channels, self.size, self.size, generator=generator)

    def labels(self, batch: int) -> Tensor:
        """(B,), all classes in turn."""
        return torch.arange(batch) % CLASSES


GREY = Shape("mnist-conditional", 1, 28)
COLOUR = Shape("cifar10-conditional", 3, 32)
SHAPES = (GREY, COLOUR)


@dataclass(frozen=True)
class Size:
    """Parameters, and floating-point operations of one evaluation for one image.

    Attributes:
        operations: those of the function, whoever saves some: a 3x3 convolution of a doubled
            image counts in full where it is a transposed one (``unet.Upsample``). By these
            networks are matched.
        executed: those that are done. By these the processor's rate is told.
    """

    parameters: int
    operations: int
    executed: int

    def beyond(self, other: Size) -> float:
        """By how much, in proportion, this differs from the other; the worse of the two."""
        return max(
            abs(self.parameters / other.parameters - 1),
            abs(self.operations / other.operations - 1),
        )


def measure(net: nn.Module, *inputs) -> Size:
    """Count a network's parameters, and its operations on ``inputs`` of one image."""
    counts = []
    for count in (_whole_convolution, _convolution):
        known = ATTENTION | {torch.ops.aten.convolution: count}
        with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=known) as counter:
            net(*inputs)
        counts.append(counter.get_total_flops())
    return Size(sum(p.numel() for p in net.parameters()), *counts)


def layout(run: Callable[[], object]) -> str:
    """How the maps lie in memory that the convolutions in ``run`` make, observed in one turn of it.

    Returns:
        ``"NCHW"``, ``"channels_last"``, or both; empty if there is no convolution.
    """
    seen = set()

    def look(module, inputs, output):
        if isinstance(module, nn.Conv2d):
            by_planes = output.is_contiguous()
            by_pixels = output.is_contiguous(memory_format=torch.channels_last)
            if by_planes != by_pixels:  # of one channel or one pixel a map is both
                seen.add("NCHW" if by_planes else "channels_last")

    hook = register_module_forward_hook(look)
    try:
        run()
    finally:
        hook.remove()
    return " and ".join(sorted(seen))


def _attention(query, key, value, *_, out_shape=None, **__) -> int:
    return sdpa_flop_count(query, key, value)


def _convolution(x, weight, bias, stride, padding, dilation, transposed, *_, out_shape=None, **__):
    return conv_flop_count(x, weight, out_shape, transposed=transposed)


def _whole_convolution(x, weight, bias, stride, padding, dilation, transposed, *more, **named):
    count = _convolution(x, weight, bias, stride, padding, dilation, transposed, *more, **named)
    # Four taps for each of four pixels, in place of nine.
    return count * 9 // 4 if transposed else count


# The counter knows attention by its names on a GPU only.
ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
