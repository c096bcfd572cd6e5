"""The outline of a UNet is what the network does: its modules are watched while it runs."""

import pytest
import torch

from ddpm_core import available, load
from ddpm_core.unet import UNet
from lab.process.outline import KINDS, PARTS, outline

# In the layout of google/ddpm-cifar10-32, narrower: skips of all feature maps, padding at one edge.
GOOGLE = {
    "image_size": 32,
    "in_channels": 3,
    "channels": (8, 16, 16, 16),
    "blocks": 2,
    "attention": (False, True, False, False),
    "skips": "all",
    "time_channels": 8,
    "downsample_padding": 0,
    "groups": 4,
}
NETWORKS = {
    "google": GOOGLE,
    "other attention on the way up": GOOGLE
    | {"up_attention": (True, False, False, True), "head_width": 4, "num_classes": 3},
    "odd sides": {"image_size": 27, "channels": (4, 8, 8), "groups": 2, "out_channels": 2},
    "odd sides, padded at one edge": {
        "image_size": 30,
        "channels": (4, 8, 8),
        "downsample_padding": 0,
    },
    "one level": {"image_size": 8, "channels": (4,), "mid_attention": False, "skips": "blocks"},
    "no null class": {"image_size": 8, "channels": (4, 8), "num_classes": 2, "null_class": False},
}


def networks():
    for name, options in NETWORKS.items():
        yield pytest.param(lambda options=options: UNet(**options).eval(), id=name)
    for name in available():
        # Not loaded: a loaded network no longer evaluates its time embedding.
        yield pytest.param(lambda name=name: load(name).config.build()[0].eval(), id=name)


def watch(network):
    """The output and the input of every module, by its name, in order of evaluation."""
    names = {module: name for name, module in network.named_modules()}
    outputs, arguments = {}, {}

    def note(module, inputs, output):
        outputs[names[module]] = output.detach().clone()
        arguments[names[module]] = inputs[0].detach().clone()

    hooks = [module.register_forward_hook(note) for module in names if module is not network]
    x = torch.randn(1, network.in_channels, network.image_size, network.image_size)
    labels = torch.zeros(1, dtype=torch.long) if network.num_classes else None
    with torch.no_grad():
        network(x, torch.tensor([3]), labels)
    for hook in hooks:
        hook.remove()
    return outputs, arguments


@pytest.mark.parametrize("make", list(networks()))
def test_blocks_and_skips_are_what_the_network_does(make):
    network = make()
    outputs, arguments = watch(network)
    blocks = outline(network)
    assert [b.modules[-1] for b in blocks] == [
        name for name in outputs if name in {b.modules[-1] for b in blocks}
    ]
    for block in blocks:
        shape = tuple(outputs[block.modules[-1]].shape[1:])
        square = (block.channels, block.side, block.side)
        assert shape == ((block.channels,) if block.part == "embedding" else square), block.name
        modules = [network.get_submodule(name) for name in block.modules]
        assert block.parameters == sum(p.numel() for m in modules for p in m.parameters())
        assert block.kind in KINDS and block.part in PARTS
    assert sum(b.parameters for b in blocks) == sum(p.numel() for p in network.parameters())
    by_name, skips = {b.name: b for b in blocks}, []
    assert len(by_name) == len(blocks)
    for before, block in zip(blocks, blocks[1:], strict=False):
        if block.part != "up" or block.kind != "resnet":
            assert block.skip is None
            continue
        source = by_name[block.skip]
        skips.append(source.name)
        # Its input is the output of the block before, and behind that what the skip hands across.
        parts = [outputs[b.modules[-1]] for b in (before, source)]
        assert torch.equal(arguments[block.modules[0]], torch.cat(parts, dim=1)), block.name
    assert skips and len(set(skips)) == len(skips)
