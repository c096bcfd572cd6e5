"""The network of the chosen model, drawn from its own layout (the report's Figure 1)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from ddpm_core import InvalidInput, Model
from ddpm_core.diffusion import PREDICTION_TYPES
from lab.process.outline import Block, outline

from ...events import LATEST
from ...runs.runs import Studio
from .. import component

__all__ = ["Network", "fold", "follow", "network"]

# The page shows the one that fits, so that letters are as large on a phone as elsewhere.
WIDE, NARROW = 760, 356
MARGIN = 34  # for what goes in and what comes out
TALLEST, LOWEST = 64, 18  # a block of the full resolution, and of the least
WIDEST, NARROWEST = 34, 12  # a block of the most channels, and of the fewest
TRIANGLE, BAR, GAP = 13, 6, 13
LETTER, LINE = 6.6, 15  # about, of the figure's text
NEST = 6  # between two skips, one over the other


class Network(component.Component):
    """A figure of a UNet; its value is built by `network`.

    Pointed at, or walked through with the arrow keys, it names its blocks.
    """

    NAME = "architecture"


def fold(figure: Network) -> None:
    """Lay the figure out, folded."""
    with gr.Accordion("The network", open=False, elem_id=f"{figure.elem_id}-fold"):
        figure.render()


def follow(figure: Network, studio: Studio, picker: gr.Dropdown) -> None:
    """Let the figure show the model that is chosen, by the visitor or by a link."""

    def shown(name):
        try:
            return network(studio.model(name))
        except InvalidInput:
            return gr.skip()  # the stage says what is wrong with it

    if picker.value is not None:
        figure.value = shown(picker.value)
    picker.change(shown, picker, figure, **LATEST)


def network(model: Model) -> dict[str, Any]:
    """What the component shows of a model."""
    blocks = outline(model.unet)
    return {
        "kind": "network",
        "model": model.name,
        "title": f"{model.name}: {model.parameters:,} parameters",
        "spoken": spoken(model, blocks),
        "blocks": [told(block) for block in blocks],
        "wide": drawing(model, blocks, WIDE),
        "narrow": drawing(model, blocks, NARROW),
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


@dataclass(frozen=True)
class Placed:
    """A block and its middle, width and height in the figure."""

    block: Block
    x: float
    y: float
    w: float
    h: float

    @property
    def top(self) -> float:
        return self.y - self.h / 2

    @property
    def bottom(self) -> float:
        return self.y + self.h / 2


def drawing(model: Model, blocks: list[Block], width: int) -> str:
    """The figure as SVG: a U of blocks, the skips across it, the embeddings below."""
    path = [b for b in blocks if b.part != "embedding"]
    rows, rail = _rows(path)
    placed = _placed(path, rows, width)
    below = rail + 22
    parts = [
        _feeds(placed, rail),
        _skips(placed, rows),
        _line(placed, width),
        *(_shape(number, p) for number, p in enumerate(placed, len(blocks) - len(path))),
        _ends(model, placed, width),
        _labels(blocks, placed, rows),
        _embeddings(model, blocks, width, rail, below),
    ]
    height = below + 2 * LINE + 14
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" width="{width}" aria-hidden="true" '
        f'focusable="false">{"".join(parts)}</svg>'
    )


def _tall(block: Block, full: int) -> float:
    return max(LOWEST, TALLEST * (block.side / full) ** 0.6)


def _row(block: Block) -> int:
    """The row that a block's output is in."""
    return block.level + {"downsample": 1, "upsample": -1}.get(block.kind, 0)


def _rows(path: list[Block]) -> tuple[list[float], float]:
    """The height of every row's middle, and that of the line below all that feeds the blocks."""
    full, by_name = path[0].side, {b.name: b for b in path}
    ys, y = [], 4.0
    for row in range(1 + max(b.level for b in path)):
        tall = max(_tall(b, full) for b in path if b.level == row and b.kind == "resnet")
        across = sum(b.skip is not None and _row(by_name[b.skip]) == row for b in path)
        y += 12 + NEST * across + tall / 2
        ys.append(y)
        y += tall / 2 + 4
    return ys, y + 2 * LINE + 12


def _placed(path: list[Block], rows: list[float], width: int) -> list[Placed]:
    full, most = path[0].side, max(b.channels for b in path)

    def wide(block: Block) -> float:
        if block.kind in ("conv", "downsample", "upsample"):
            return BAR if block.kind == "conv" else TRIANGLE
        return max(NARROWEST, WIDEST * (block.channels / most) ** 0.5)

    widths, room = [wide(b) for b in path], width - 2 * MARGIN
    scale = min(1, room / (sum(widths) + GAP * (len(path) - 1)))
    widths = [w * scale for w in widths]
    gap = (room - sum(widths)) / (len(path) - 1)
    x, found = float(MARGIN), []
    for block, w in zip(path, widths, strict=True):
        y, h = rows[block.level], _tall(block, full)
        if block.kind in ("downsample", "upsample"):
            y, h = (y + rows[_row(block)]) / 2, 0.8 * max(w, 7)
        found.append(Placed(block, x + w / 2, y, w, h))
        x += w + gap
    return found


def _line(placed: list[Placed], width: int) -> str:
    """The way of the picture, through every block."""
    first, last = placed[0], placed[-1]
    way = [f"M{first.x - first.w / 2 - 14:.1f} {first.y:.1f}H{first.x:.1f}"]
    for before, p in zip(placed, placed[1:], strict=False):
        if p.block.kind in ("downsample", "upsample"):
            to = before.y + 2 * (p.y - before.y)
            way.append(f"H{p.x:.1f}V{to:.1f}")
        else:
            way.append(f"H{p.x:.1f}")
    end = last.x + last.w / 2 + 11
    way.append(f"H{end:.1f}")
    return f'<path class="net-line" d="{"".join(way)}"/>' + _arrow(end + 3, last.y, "right")


def _skips(placed: list[Placed], rows: list[float]) -> str:
    by_name, nested, drawn = {p.block.name: p for p in placed}, {}, []
    # The innermost is taken over first, and lies lowest.
    for p in placed:
        if p.block.skip is None:
            continue
        source, row = by_name[p.block.skip], _row(by_name[p.block.skip].block)
        nested[row] = nested.get(row, 0) + 1
        x, start = source.x, source.top
        dot = ""
        if source.block.kind == "downsample":
            # What a halving hands over leaves the line behind it, in the row below.
            x, start = source.x + source.w / 2 + 1, rows[row]
            dot = f'<circle class="net-dot" cx="{x:.1f}" cy="{start:.1f}" r="2"/>'
        over = p.top - 4 - NEST * nested[row]
        r = min(4, NEST * nested[row])
        drawn.append(
            f'{dot}<path class="net-skip" data-to="{escape(p.block.name)}" '
            f'data-from="{escape(source.block.name)}" d="M{x:.1f} {start:.1f}V{over + r:.1f}'
            f"q0 -{r} {r} -{r}H{p.x - r:.1f}q{r} 0 {r} {r}V{p.top - 4:.1f}"
            f'"/>' + _arrow(p.x, p.top - 1, "down", "net-tip")
        )
    return "".join(drawn)


def _feeds(placed: list[Placed], rail: float) -> str:
    fed = [p for p in placed if p.block.kind == "resnet"]
    lines = [f"M{p.x:.1f} {rail:.1f}V{p.bottom + 3:.1f}" for p in fed]
    lines.append(f"M{fed[0].x:.1f} {rail:.1f}H{fed[-1].x:.1f}")
    dots = (f'<circle cx="{p.x:.1f}" cy="{p.bottom + 3:.1f}" r="1.6"/>' for p in fed)
    return f'<g class="net-feed"><path d="{"".join(lines)}"/>{"".join(dots)}</g>'


def _shape(number: int, p: Placed) -> str:
    x, y, w, h = p.x, p.y, p.w, p.h
    left, right = x - w / 2, x + w / 2
    if p.block.kind == "attention":
        mark = f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{w / 2:.1f}" ry="{h / 2:.1f}"/>'
    elif p.block.kind in ("downsample", "upsample"):
        base, tip = (p.top, p.bottom) if p.block.kind == "downsample" else (p.bottom, p.top)
        mark = f'<path d="M{left:.1f} {base:.1f}H{right:.1f}L{x:.1f} {tip:.1f}z"/>'
    else:
        mark = f'<rect x="{left:.1f}" y="{p.top:.1f}" width="{w:.1f}" height="{h:.1f}"/>'
    # What is pointed at is the whole height of the gap, not a narrow bar.
    return (
        f'<g class="net-block" data-kind="{p.block.kind}" data-block="{number}">'
        f"<title>{escape(told(p.block))}</title>"
        f'<rect class="net-reach" x="{left - 3:.1f}" y="{min(p.top, y - 12):.1f}" '
        f'width="{w + 6:.1f}" height="{max(h, 24):.1f}"/>{mark}</g>'
    )


def _ends(model: Model, placed: list[Placed], width: int) -> str:
    first, last = placed[0], placed[-1]
    made = f"<tspan>{PREDICTION_TYPES[model.config.prediction_type].symbol}\u0302</tspan>"
    if model.unet.out_channels > model.unet.in_channels:
        made += '<tspan font-style="normal">, σ²</tspan>'
    into = '<tspan>x</tspan><tspan dy="4" font-size="10">t</tspan>'
    return (
        f'<text class="net-symbol" x="1" y="{first.y + 4:.1f}">{into}</text>'
        f'<text class="net-symbol" x="{width - 1}" y="{last.y + 4:.1f}" text-anchor="end">{made}'
        "</text>"
    )


def _labels(blocks: list[Block], placed: list[Placed], rows: list[float]) -> str:
    """Resolution, channels and parameters of every level, inside the U."""
    lines = []
    for level, y in enumerate(rows):
        own = [p for p in placed if p.block.level == level]
        main = next(p for p in own if p.block.kind == "resnet")
        count = sum(b.parameters for b in blocks if b.level == level)
        side, channels = main.block.side, main.block.channels
        size, weights = f"{side} × {side}", short(count)
        down = [p for p in own if p.block.part == "down"]
        up = [p for p in own if p.block.part == "up"]
        left, right = down[-1].x + down[-1].w / 2, up[0].x - up[0].w / 2
        if level == len(rows) - 1:
            left, right = 0, 2 * (left + right) / 2
            y += main.h / 2 + LINE + 4
        else:
            y -= 2
        wordings = [
            (f"{size}, {channels} channels", f"{weights} parameters"),
            (f"{size}, {channels} ch.", f"{weights} param."),
            (f"{size}", f"{channels} ch."),
        ]
        fits = [w for w in wordings if max(map(len, w)) * LETTER < right - left - 14]
        if fits:
            x = (left + right) / 2
            lines += [
                f'<text x="{x:.1f}" y="{y + LINE * i:.1f}">{escape(text)}</text>'
                for i, text in enumerate(fits[0])
            ]
    return f'<g class="net-label">{"".join(lines)}</g>'


def _embeddings(model: Model, blocks: list[Block], width: int, rail: float, top: float) -> str:
    fed = [b for b in blocks if b.part == "embedding"]
    classes = len(model.classes)
    known = classes + (model.unet.null_index is not None)
    words = {
        "time": ("t", f": {model.unet.time_channels} sines and cosines", "MLP to"),
        "class": ("", f"class: {classes}" + ", or none" * (known > classes), f"{known} ×"),
    }
    wide, high, middle = 156, 2 * LINE + 8, width / 2
    parts, y = [], top + high / 2
    for number, block in enumerate(fed):
        x = middle if len(fed) == 1 else middle + (number - 0.5) * (wide + 42)
        symbol, what, how = words[block.kind]
        symbol = f'<tspan font-style="italic">{symbol}</tspan>' if symbol else ""
        second = f"{how} {block.channels}, {short(block.parameters)}"
        parts.append(
            f'<g class="net-block" data-kind="{block.kind}" data-block="{number}">'
            f"<title>{escape(told(block))}</title>"
            f'<rect x="{x - wide / 2:.1f}" y="{top:.1f}" width="{wide}" height="{high}"/>'
            f'<text x="{x:.1f}" y="{top + LINE:.1f}">{symbol}{escape(what)}</text>'
            f'<text x="{x:.1f}" y="{top + 2 * LINE:.1f}">{escape(second)}</text></g>'
        )
    if len(fed) == 1:
        return "".join(parts) + (f'<path class="net-line" d="M{middle:.1f} {top:.1f}V{rail:.1f}"/>')
    sum_ = (
        f'<path class="net-line" d="M{middle - 21:.1f} {y:.1f}H{middle + 21:.1f}'
        f'M{middle:.1f} {y:.1f}V{rail:.1f}"/>'
        f'<circle class="net-sum" cx="{middle:.1f}" cy="{y:.1f}" r="7"/>'
        f'<path class="net-line" d="M{middle - 4:.1f} {y:.1f}h8m-4 -4v8"/>'
    )
    return "".join(parts) + sum_


def _arrow(x: float, y: float, to: str, kind: str = "net-head") -> str:
    shape = {"right": "l-7 -3.5v7z", "down": "l-2.5 -5h5z"}[to]
    return f'<path class="{kind}" d="M{x:.1f} {y:.1f}{shape}"/>'


def short(count: int) -> str:
    """A number of parameters in three digits: 940, 25.3 k, 35.7 M."""
    digits, power = f"{count:.2e}".split("e")
    thousands, left = divmod(max(0, int(power)), 3)
    return f"{float(digits) * 10**left:.3g}{('', ' k', ' M', ' G')[thousands]}"
