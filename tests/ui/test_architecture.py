"""The figure of a network says what its outline says."""

from __future__ import annotations

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
    drawn = [*value["embeddings"], *value["blocks"]]
    assert [it["kind"] for it in drawn] == [b.kind for b in blocks]
    assert all(it["words"].startswith(b.name) for it, b in zip(drawn, blocks, strict=True))
    path = blocks[len(value["embeddings"]) :]
    assert [(it["skip"], it["name"]) for it in value["blocks"]] == [(b.skip, b.name) for b in path]
    assert len(value["levels"]) == len(model.unet.down)
