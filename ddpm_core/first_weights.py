"""The weights that a training begins with, where they are another model's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .errors import InvalidInput
from .model import Config, Model

# What a run and the checkpoint of the same model that it begins with must agree in.
SAME = ("dataset", "model", "schedule", "prediction_type", "classes")
# What of a network may differ from that of the model that is fine-tuned.
FREE = ("image_size", "in_channels", "num_classes", "null_class", "dropout")


def go_on(network: nn.Module, config: Config, images_mark: Sequence, model: Model) -> None:
    """Give a network of this config the weights of its like, which learned from the same images.

    Args:
        images_mark: source and number of the images to learn from.

    Raises:
        InvalidInput: naming what differs.
    """
    ours, theirs, past = config.complete(), model.config.complete(), model.training
    differing = [name for name in SAME if getattr(ours, name) != getattr(theirs, name)]
    source, count = images_mark[:2]
    if [past.get("source", ""), past.get("training_set", count)] != [source, count]:
        differing.append("images")  # it may have learned from those held out here
    if differing:
        raise InvalidInput(f"{model.name} is another model: its {', '.join(differing)} differ")
    network.load_state_dict(model.unet.state_dict())


def adapt(network: nn.Module, config: Config, model: Model) -> None:
    """Give a network of this config, which has new classes, a model's weights. A class that the
    model knows by name keeps its embedding; another one begins as no class at all, and so does a
    network without classes.

    Raises:
        InvalidInput: if the model has another network, or if that means something else.
    """
    ours, theirs = (_meaning(each.complete()) for each in (config, model.config))
    differing = [name for name, value in ours.items() if value != theirs[name]]
    if differing:
        words = " and ".join(differing)
        raise InvalidInput(f"{model.name} has another {words} than this run: see Recipe.like")
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
    network.load_state_dict(weights)


def _meaning(config: Config) -> dict:
    """What the same weights must have the same of to mean the same, by its name in words."""
    network = {name: value for name, value in config.model.items() if name not in FREE}
    return {
        "network": network,
        "schedule": config.schedule,
        "prediction type": config.prediction_type,
    }
