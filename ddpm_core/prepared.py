"""What makes sampling fast: frozen copies of a UNet that hold what every evaluation needs.

The UNet itself stays plain PyTorch: it is trained, loaded, exported and compiled as any module.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet import UNet, Upsample

# The most values that the table of the embedded timesteps may have.
LARGEST_TABLE = 2**22


class Prepared:
    """The frozen copies of a network that sample, never older than the network.

    The network keeps its gradients, its mode and its weights. The copies share the memory of
    those weights that they use unchanged, and its hooks.

    Args:
        unet: the network.
        num_timesteps: T; every t must be below it.
    """

    def __init__(self, unet: UNet, num_timesteps: int):
        self.unet, self.num_timesteps = unet, num_timesteps
        self._copies: _Copies | None = None

    def network(self, reduced: bool = False) -> UNet:
        """The copy to evaluate now; another one after the network was trained.

        Args:
            reduced: the copy in bfloat16.
        """
        copies = self._copies
        if copies is None or copies.biases_changed():
            copies = self._copies = _Copies(self.unet, self.num_timesteps)
        return copies.reduced if reduced else copies.full

    def compare(self) -> None:
        """Notice any other change as well: too slow for every step, in time for every walk."""
        if self._copies is not None and self._copies.differ_from(self.unet):
            self._copies = None


class _Copies:
    """The copies of a network as it is now."""

    def __init__(self, unet: UNet, num_timesteps: int):
        self._signs = _signs(unet)
        # Outside of inference mode: nothing could be differentiated through what is made in it.
        with torch.inference_mode(False), torch.no_grad():
            self.full = _copy(unet).eval()
            self.full.__class__ = _Frozen
            self.full.work_out(num_timesteps)
            self._biases = [p for p in self.full.parameters() if p.ndim == 1]
            self._biases_then = torch.cat(self._biases)

    @cached_property
    def reduced(self) -> UNet:
        plain = torch.contiguous_format  # see ``unet.LARGE_IMAGE``
        with torch.inference_mode(False):
            return _copy(self.full).to(dtype=torch.bfloat16, memory_format=plain)

    def biases_changed(self) -> bool:
        """Every optimizer moves them along with the weights, and they are few."""
        return not torch.equal(torch.cat(self._biases), self._biases_then)

    def differ_from(self, unet: UNet) -> bool:
        *then, norms_then = self._signs
        *now, norms = _signs(unet)
        return now != then or not torch.equal(norms, norms_then)


class _Frozen(UNet):
    """A UNet that has worked out the time of all steps, and what else its weights decide alone."""

    def work_out(self, num_timesteps: int) -> None:
        """Nothing of it is in a state dict; it follows ``to``."""
        blocks = self.blocks()
        self.widths = [block.time_proj.out_features for block in blocks]
        weight = torch.cat([block.time_proj.weight for block in blocks])
        bias = torch.cat([block.time_proj.bias for block in blocks])
        times = None
        if num_timesteps * self.time_mlp[-1].out_features <= LARGEST_TABLE:
            t = torch.arange(num_timesteps, device=weight.device)
            times = super().embed_time(t, weight.dtype)
        for name, value in (("time_weight", weight), ("time_bias", bias), ("times", times)):
            self.register_buffer(name, value, persistent=False)
        for module in self.modules():
            if isinstance(module, Upsample):
                module.register_buffer("summed", module.sum_taps(), persistent=False)
                module.__class__ = _FrozenUpsample
        self.lay_out()

    def embed_time(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        if self.times is None or t.is_floating_point():
            return super().embed_time(t, dtype)
        return self.times[t]

    def project(self, time: Tensor) -> Sequence[Tensor]:
        return F.linear(time, self.time_weight, self.time_bias).split(self.widths, dim=1)


class _FrozenUpsample(Upsample):
    def sum_taps(self) -> Tensor:
        return self.summed


def _copy(network: UNet) -> UNet:
    """A copy of its own modules, frozen, that shares the memory of the weights, and the hooks."""
    shared = {
        id(value): value
        for module in network.modules()
        for name, value in vars(module).items()
        if name.endswith("_hooks")
    }
    for parameter in network.parameters():
        shared[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    return copy.deepcopy(network, shared)


@torch.no_grad()
def _signs(network: UNet) -> tuple[list[int], list[int], Tensor]:
    """Where each weight lies, how often it was changed, and its norm.

    PyTorch counts no changes by a fused optimizer or by way of ``.data``, but the norm tells.
    """
    weights = list(network.parameters())
    places = [p.data_ptr() for p in weights]
    changes = [0 if p.is_inference() else p._version for p in weights]
    return places, changes, torch.stack(torch._foreach_norm(weights))
