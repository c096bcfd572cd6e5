"""The weights that a training begins with, where they are another model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from .errors import InvalidInput
from .model import Config, Model
from .unet import UNet

# What a run and the checkpoint of the same model that it begins with must agree in.
SAME = ("dataset", "model", "schedule", "prediction_type", "classes")


def go_on(network: UNet, config: Config, images_mark: Sequence, model: Model) -> None:
    """Give a network of this config the weights of its like, which learned from the same images.
    It may have more residual blocks; what it predicts is the same at first.

    Args:
        images_mark: source and number of the images to learn from.

    Raises:
        InvalidInput: naming what differs.
    """
    ours, theirs, past = config.complete(), model.config.complete(), model.training
    if _has_room(network, model.unet):
        theirs = replace(theirs, model=theirs.model | {"blocks": ours.model["blocks"]})
    differing = [name for name in SAME if getattr(ours, name) != getattr(theirs, name)]
    source, count = images_mark[:2]
    if [past.get("source", ""), past.get("training_set", count)] != [source, count]:
        differing.append("images")  # it may have learned from those held out here
    if differing:
        raise InvalidInput(f"{model.name} is another model: its {', '.join(differing)} differ")
    _grow(network, model.unet)


def _has_room(network: UNet, unet: UNet) -> bool:
    """Whether a network has as many levels as another one, of as many blocks or more."""
    ours, theirs = ([len(stage.blocks) for stage in each.down] for each in (network, unet))
    return len(ours) == len(theirs) and all(a >= b for a, b in zip(ours, theirs, strict=True))


@torch.no_grad()
def _grow(network: UNet, unet: UNet) -> None:
    """Give a network the weights of its like, whose levels may have fewer blocks.

    New blocks hand on what they get. On the way down they follow the first one of their level,
    on the way up the one that took its output, so that every other block gets what it got.
    """
    for name, module in unet.named_children():
        if name not in ("down", "up"):
            getattr(network, name).load_state_dict(module.state_dict())
    for way in ("down", "up"):
        for ours, theirs in zip(getattr(network, way), getattr(unet, way), strict=True):
            first = 1 if way == "down" else len(theirs.blocks) - unet.skip_all
            new = slice(first, first + len(ours.blocks) - len(theirs.blocks))
            for block, attention in list(ours.pairs())[new]:
                _silence(block, attention)
            for part in ("blocks", "attentions"):
                kept = list(getattr(ours, part))
                del kept[new]
                nn.ModuleList(kept).load_state_dict(getattr(theirs, part).state_dict())
            if theirs.resample is not None:
                ours.resample.load_state_dict(theirs.resample.state_dict())


def _silence(block: nn.Module, attention: nn.Module) -> None:
    """Let a block and its attention hand on what they get, on the way up without the skip."""
    for layer in (block.conv2, getattr(attention, "out", None), block.shortcut):
        for weight in layer.parameters() if layer else ():
            weight.zero_()
    if not isinstance(block.shortcut, nn.Identity):
        nn.init.dirac_(block.shortcut.weight)


def adapt(network: nn.Module, config: Config, model: Model) -> None:
    """Give a network of this config, which has new classes, a model's weights. A class that the
    model knows by name keeps its embedding; another one begins as no class at all, and so does a
    network without classes.

    Raises:
        InvalidInput: if the model has another network.
    """
    ours, theirs = network.in_channels, model.unet.in_channels
    if ours != theirs:
        raise InvalidInput(f"{model.name} makes pictures of {theirs} channels, not of {ours}")
    weights, key = dict(model.unet.state_dict()), "class_embedding.weight"
    rows, null = weights.pop(key, None), model.unet.null_index
    bias = weights["time_mlp.2.bias"]
    nothing = torch.zeros_like(bias) if rows is None else rows.mean(0)
    nothing = nothing if null is None else rows[null]
    if config.classes:
        known = {} if rows is None else dict(zip(model.classes, rows, strict=False))
        names = [*config.classes, *([] if network.null_index is None else [None])]
        weights[key] = torch.stack([known.get(name, nothing) for name in names])
    else:
        weights["time_mlp.2.bias"] = bias + nothing
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        what = " ".join(f"{error}".split()[:40])
        raise InvalidInput(f"{model.name} has another network than this run: {what}") from None
