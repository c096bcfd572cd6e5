"""The network of the chosen model, drawn from its own layout (the report's Figure 1)."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ddpm_core import InvalidInput, Model
from ddpm_core.diffusion import PREDICTION_TYPES
from lab.process.outline import Block, outline

from ...events import LATEST
from ...runs.runs import Studio
from .. import component

TALLEST, LOWEST = 64, 18  # px, blocks of the highest and of the lowest resolution


class Network(component.Component):
    """A figure of a UNet; its value is built by `network`.

    Pointed at, or walked through with the arrow keys, it names its blocks.
    """

    def fold(self) -> None:
        """Lay the figure out, folded."""
        with gr.Accordion("The network", open=False, elem_id=f"{self.elem_id}-fold"):
            self.render()

    def follow(self, studio: Studio, picker: gr.Dropdown) -> None:
        """Show the model that is chosen, by the visitor or by a link."""

        def shown(name):
            try:
                return network(studio.model(name))
            except InvalidInput:
                return gr.skip()  # the stage says what is wrong with it

        self.value = shown(picker.value)
        picker.change(shown, picker, self, **LATEST)


def network(model: Model) -> dict[str, Any]:
    """The component's value for a model."""
    blocks = outline(model.unet)
    path = [b for b in blocks if b.part != "embedding"]
    full, most = path[0].side, max(b.channels for b in path)
    variance = model.learned_variance
    return {
        "kind": "network",
        "model": model.name,
        "title": f"{model.name}: {model.parameters:,} parameters",
        "spoken": spoken(model, blocks),
        "made": f"{PREDICTION_TYPES[model.config.prediction_type].symbol}\u0302",
        "more": ", σ²" if variance else "",
        "embeddings": [_embedding(model, b) for b in blocks if b.part == "embedding"],
        "blocks": [
            {
                "name": b.name,
                "kind": b.kind,
                "part": b.part,
                "level": b.level,
                "words": told(b),
                "skip": b.skip,
                "tall": round(max(LOWEST, TALLEST * (b.side / full) ** 0.6)),
                "wide": round((b.channels / most) ** 0.5, 2),
            }
            for b in path
        ],
        "levels": [_level(path, level) for level in range(1 + max(b.level for b in path))],
    }


def spoken(model: Model, blocks: list[Block]) -> str:
    """The figure in words."""
    c, side, _ = model.shape
    levels = len(model.unet.down)
    count = {kind: sum(b.kind == kind for b in blocks) for kind in ("resnet", "attention")}
    skips = sum(b.skip is not None for b in blocks)
    fed = "the embeddings of time and class" if model.classes else "the embedding of time"
    return (
        f"A UNet of {levels} {'level' if levels == 1 else 'levels'}: {c} × {side} × {side} pixels "
        f"go down, through the middle and up again. ResNet blocks: {count['resnet']}, each fed "
        f"with {fed}; attention blocks: {count['attention']}; skip connections across: {skips}. "
        f"{model.parameters:,} parameters."
    )


def told(block: Block) -> str:
    """A block in words."""
    size = "" if block.side is None else f" × {block.side} × {block.side}"
    words = [f"{block.name}: {block.channels}{size}", f"{block.parameters:,} parameters"]
    if block.heads > 1:
        words.append(f"{block.heads} heads")
    if block.skip is not None:
        words.append(f"takes over {block.skip}")
    return ", ".join(words)


def _level(path: list[Block], level: int) -> str:
    blocks = [b for b in path if b.level == level]
    main = next(b for b in blocks if b.kind == "resnet")
    count = short(sum(b.parameters for b in blocks))
    return f"{main.side}\u00a0×\u00a0{main.side}, {main.channels} channels, {count} parameters"


def _embedding(model: Model, block: Block) -> dict[str, str]:
    classes = len(model.classes)
    entries = classes + (model.unet.null_index is not None)
    symbol, what, operation = {
        "time": ("t", f": {model.unet.time_channels} sines and cosines", "MLP to"),
        "class": ("", f"class: {classes}" + ", or none" * (entries > classes), f"{entries} ×"),
    }[block.kind]
    size = f"{operation} {block.channels}, {short(block.parameters)}"
    return {"kind": block.kind, "words": told(block), "symbol": symbol, "what": what, "size": size}


def short(count: int) -> str:
    """A number of parameters in three digits: 940, 25.3 k, 35.7 M."""
    digits, power = f"{count:.2e}".split("e")
    thousands, left = divmod(max(0, int(power)), 3)
    return f"{float(digits) * 10**left:.3g}{('', ' k', ' M', ' G')[thousands]}"
