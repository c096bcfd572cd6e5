"""A UNet, block by block, for a figure or a list (report Fig. 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from ddpm_core.unet import Attention, UNet

PARTS = ("embedding", "down", "middle", "up")
KINDS = ("time", "class", "conv", "resnet", "attention", "downsample", "upsample")


@dataclass(frozen=True)
class Block:
    """One block of a UNet."""

    name: str  # unique in the network; levels are counted from 1, the finest
    kind: str  # one of ``KINDS``
    part: str  # one of ``PARTS``
    # 0 for the finest. A change of resolution has the level that it leaves, going down as well as
    # up. None for embeddings.
    level: int | None
    side: int | None  # height and width of its output, in pixels; None for embeddings
    channels: int  # of its output; the width of an embedding
    parameters: int  # its number of weights. All blocks together have all of the network's
    modules: tuple[str, ...]  # the names of its modules within the network
    # The name of the block whose output is concatenated to its input, or None.
    skip: str | None = None
    heads: int = 0  # of attention, else 0


def outline(network: UNet) -> list[Block]:
    """The blocks of a network in the order in which they are evaluated, embeddings first.

    Nothing is computed: a network on the ``meta`` device, which has no weights, will do.
    """
    return [*_embeddings(network), *_blocks(network)]


def _embeddings(network: UNet) -> Iterator[Block]:
    width, modules = network.time_mlp[-1].out_features, {"time": "time_mlp"}
    modules |= {"class": "class_embedding"} if network.num_classes else {}
    for kind, module in modules.items():
        count = _count(network, (module,))
        yield Block(f"{kind} embedding", kind, "embedding", None, None, width, count, (module,))


def _blocks(network: UNet) -> Iterator[Block]:
    side, depth = network.image_size, len(network.down)
    skips: list[Block] = []

    def block(name, kind, part, level, channels, *modules, skip=None, heads=0):
        count = _count(network, modules)
        return Block(name, kind, part, level, side, channels, count, modules, skip, heads)

    def stage(part, level, path, title):
        """The pairs of a stage: a residual block, and attention where there is any. What a pair
        hands over on the way down is taken over on the way up."""
        module = network.get_submodule(path)
        for i, (residual, attention) in enumerate(module.pairs()):
            width, number = residual.conv2.out_channels, f"{title}.{i + 1}"
            skip = skips.pop().name if part == "up" else None
            names = f"{path}.blocks.{i}", f"{path}.attentions.{i}"
            last = block(f"{number} ResNet", "resnet", part, level, width, names[0], skip=skip)
            yield last
            if isinstance(attention, Attention):
                about = f"{number} attention", "attention", part, level, width, names[1]
                yield (last := block(*about, heads=attention.heads))
            if part == "down":
                skips.append(last)

    first = block("input convolution", "conv", "down", 0, network.conv_in.out_channels, "conv_in")
    yield first
    skips += [first] if network.skip_all else []
    for level, module in enumerate(network.down):
        yield from stage("down", level, f"down.{level}", f"down {level + 1}")
        if module.resample is not None:
            width, path = module.resample.conv.out_channels, f"down.{level}.resample"
            # A strided convolution over 3 pixels; without padding one more is put at one edge.
            side = (side - 1) // 2 + 1 if module.resample.padding else side // 2
            name = f"down {level + 1} to {level + 2}"
            yield (smaller := block(name, "downsample", "down", level, width, path))
            skips += [smaller] if network.skip_all else []
    yield from stage("middle", depth - 1, "mid", "middle")
    for place, module in enumerate(network.up):
        level = depth - 1 - place
        yield from stage("up", level, f"up.{place}", f"up {level + 1}")
        if module.resample is not None:
            side = skips[-1].side
            width, name = module.resample.conv.out_channels, f"up {level + 1} to {level}"
            yield block(name, "upsample", "up", level, width, f"up.{place}.resample")
    modules = ("norm_out", "conv_out")
    yield block("output convolution", "conv", "up", 0, network.out_channels, *modules)


def _count(network: nn.Module, modules: tuple[str, ...]) -> int:
    return sum(p.numel() for name in modules for p in network.get_submodule(name).parameters())
