"""Guidance against diversity: a plot that builds up while the scales are measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .. import component

__all__ = ["Tradeoff", "tradeoff"]


class Tradeoff(component.Component):
    """Two panels over one axis of scales: how often the wanted class is met, and how much varies.

    Its value is the dictionary built by `tradeoff`.
    `tradeoff.select(fn)` calls `fn` with a `gr.SelectData` whose `index` is the place of the
    clicked scale among the wanted ones and whose `value` is that scale. `tradeoff.stop(fn)` calls
    `fn` when it is out of sight, in a tab that was left, while it runs.
    """

    NAME = "tradeoff"
    EVENTS = ("select", "stop")
    WHAT = "a value built by tradeoff"

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        label: str = "Guidance against diversity",
        **props: Any,
    ):
        """
        Parameters:
            label: stands over the plot.
        """
        super().__init__(tradeoff() if value is None else value, label=label, **props)


def tradeoff(
    points: Sequence[Mapping[str, float]] = (),
    symbol: str = "s",
    wanted_scales: Sequence[float] = (0, 1, 1.5, 2, 3, 5, 8),
    n: int = 0,
    running: bool = False,
    order: int | None = None,
    *,
    reference: float | None = None,
    message: str = "",
    steps: tuple[int, int] = (0, 0),
) -> dict[str, Any]:
    """What has been measured so far.

    Parameters:
        points: for each scale measured, "scale", "accuracy" (0 to 1, the share judged the wanted
            class), "distance" (mean pairwise) and "n" (images it was measured on).
        symbol: what the scales are values of.
        wanted_scales: all that will be measured, in the order they stand in.
        n: how many images a scale is to be measured on.
        running: whether the rest is still to come.
        order: a value older than the newest seen is ignored.
        reference: the mean pairwise distance of real images.
        message: stands between the panels.
        steps: while it runs, how many of how many are done.
    """
    scales = [_number("a scale", s) for s in wanted_scales]
    if not scales or len(set(scales)) != len(scales):
        raise ValueError(f"the wanted scales must be some, all different; got {scales}")
    points = [_point(p) for p in points]
    places = [scales.index(p["scale"]) if p["scale"] in scales else None for p in points]
    if None in places or len(set(places)) != len(places):
        raise ValueError("each point must be at a wanted scale of its own")
    value = {
        "points": [{"index": i, **p} for i, p in sorted(zip(places, points, strict=True), key=_at)],
        "symbol": str(symbol),
        "scales": scales,
        "n": int(n),
        "running": bool(running),
        "reference": None if reference is None else _number("reference", reference, 0),
        "message": message,
        "steps": [int(count) for count in steps],
    }
    return value if order is None else value | {"order": int(order)}


def _point(point: Mapping[str, float]) -> dict[str, float]:
    return {
        "scale": _number("a scale", point["scale"]),
        "accuracy": _number("accuracy", point["accuracy"], 0, 1),
        "distance": _number("distance", point["distance"], 0),
        "n": int(point["n"]),
    }


def _number(name: str, value: float, low: float = -math.inf, high: float = math.inf) -> float:
    number = float(value)
    # JSON has no word for what is not finite.
    if not math.isfinite(number) or not low <= number <= high:
        raise ValueError(f"{name} must be a finite number in [{low:g}, {high:g}], got {value}")
    return number


def _at(placed: tuple[int, Any]) -> int:
    return placed[0]
