"""The figure of a network says what its outline says, at the width that it is drawn for."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from ddpm_core import Model, load
from ddpm_core.checkpoints import Config
from lab.process.outline import outline
from tests.support.networks import GOOGLE, NETWORKS
from ui.widgets.architecture.architecture import network

TOYS = {"google": GOOGLE, "up": NETWORKS["other attention on the way up"]} | {
    "one": NETWORKS["one level"],
    "eight levels": {"image_size": 256, "channels": (4,) * 8, "blocks": 3, "groups": 1},
}


def toy(name):
    options = TOYS[name]
    classes = [f"<{i}>" for i in range(options.get("num_classes", 0))]
    config = Config(options, {"kind": "linear"}, "epsilon", "nothing", classes)
    return Model(f"a/<b>{name}", config, *config.build(), {})


@pytest.mark.parametrize("name", [*TOYS, "mnist-conditional", "cifar10-cosine-attn"])
def test_every_block_is_drawn_once_in_order_with_the_skip_that_it_takes(name):
    model = toy(name) if name in TOYS else load(name)
    blocks, value = outline(model.unet), network(model)
    for view in ("wide", "narrow"):
        svg = ElementTree.fromstring(value[view])
        drawn = {
            int(g.get("data-block")): g.get("data-kind")
            for g in svg.iter("g")
            if g.get("class") == "net-block"
        }
        assert [drawn[i] for i in sorted(drawn)] == [b.kind for b in blocks]
    skips = [
        (p.get("data-from"), p.get("data-to"))
        for p in ElementTree.fromstring(value["wide"]).iter("path")
        if p.get("class") == "net-skip"
    ]
    assert sorted(skips) == sorted((b.skip, b.name) for b in blocks if b.skip)
