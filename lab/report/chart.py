"""A line chart as SVG, for a page that must do without a library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, WIDTH - 16, 36, HEIGHT - 48
# Both are readable on white and on black: the chart takes the ink of the page around it.
LOOKS = (
    'stroke="currentColor" stroke-opacity="0.65" stroke-dasharray="2 3"',
    'stroke="#2b8c7c"',
)
Point = tuple[float, float]


def lines(series: Mapping[str, Sequence[Point]], title: str, across: str, up: str) -> str:
    """An ``<svg>`` of a line for each series, with axes and a legend.

    Args:
        series: by name, two at most: points (x, y) by rising x.
        title: for those who cannot see the chart.
        across, up: the titles of the axes.
    """
    points = [point for line in series.values() for point in line]
    columns, rows = (ticks([p[axis] for p in points]) for axis in (0, 1))

    def place(point: Point) -> Point:
        right = (point[0] - columns[0]) / (columns[-1] - columns[0])
        above = (point[1] - rows[0]) / (rows[-1] - rows[0])
        return LEFT + right * (RIGHT - LEFT), BOTTOM - above * (BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-size="13" fill="currentColor" aria-label="{escape(title)}">',
        _text("x-title", (LEFT + RIGHT) / 2, HEIGHT - 6, across, "middle"),
        _text("y-title", LEFT, 16, up, "start"),
    ]
    for y in rows:
        _, level = place((columns[0], y))
        parts.append(_rule(LEFT, RIGHT, level, 'stroke="currentColor" stroke-opacity="0.18"'))
        parts.append(_text("y-tick", LEFT - 8, level + 4, f"{y:g}", "end"))
    for x in columns:
        column, _ = place((x, rows[0]))
        parts.append(_text("x-tick", column, BOTTOM + 20, f"{x:g}", "middle"))
    end = RIGHT
    # The legend is set from the right.
    for (name, line), look in reversed([*zip(series.items(), LOOKS, strict=False)]):
        path = " ".join(f"{x:.2f},{y:.2f}" for x, y in map(place, line))
        parts.append(
            f'<polyline data-series="{escape(name)}" points="{path}" fill="none" {look} '
            'stroke-width="2" stroke-linejoin="round" />'
        )
        start = end - 8 * len(name)
        parts.append(_text("name", start, 16, name, "start"))
        parts.append(_rule(start - 34, start - 8, 12, f'{look} stroke-width="2"'))
        end = start - 52
    return "\n".join([*parts, "</svg>"]) + "\n"


def ticks(values: Sequence[float], wanted: int = 6) -> list[float]:
    """Round numbers that enclose some values: at least two, about as many as wanted."""
    low, high = min(values), max(values)
    high = high if high > low else low + (abs(low) or 1)
    rough = (high - low) / (wanted - 1)
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 2.5, 5, 10) if unit * k >= rough * (1 - 1e-9))
    first, final = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, final + 1)]


def _rule(x1: float, x2: float, y: float, look: str) -> str:
    return f'<line x1="{x1:.2f}" y1="{y:.2f}" x2="{x2:.2f}" y2="{y:.2f}" {look} />'


def _text(kind: str, x: float, y: float, text: str, anchor: str) -> str:
    place = f'x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'
