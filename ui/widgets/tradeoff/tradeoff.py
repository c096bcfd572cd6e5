"""Guidance against diversity: a plot that builds up while the scales are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import component


class Tradeoff(component.Component):
    """Two panels over one axis of scales: how often the wanted class is met, and how much varies.

    Its value is the dictionary built by `tradeoff`.
    `tradeoff.select(fn)` calls `fn` with a `gr.SelectData` whose `index` is the place of the
    clicked scale among the wanted ones and whose `value` is the run. `tradeoff.stop(fn)` calls
    `fn` when it is out of sight, in a tab that was left, while it runs.
    """

    EVENTS = ("select", "stop")


def tradeoff(
    points: Sequence[Mapping[str, float]] = (),
    symbol: str = "s",
    wanted_scales: Sequence[float] = (0, 1, 1.5, 2, 3, 5, 8),
    n: int = 0,
    running: bool = False,
    *,
    reference: float | None = None,
    message: str = "",
    steps: tuple[int, int] = (0, 0),
    run: str = "",
) -> dict[str, Any]:
    """The component's value for what has been measured so far.

    Parameters:
        points: for each scale measured, "scale", one of the wanted, "accuracy" (0 to 1, the share
            judged the wanted class), "distance" (mean pairwise) and "n" (images so far).
        symbol: what the scales are values of.
        wanted_scales: all that will be measured, in the order they stand in.
        n: how many images a scale is to be measured on.
        running: the rest is still to come.
        reference: the mean pairwise distance of real images.
        message: stands between the panels.
        steps: while it runs, how many steps are done, and how many there are.
        run: a name; `select` returns it.
    """
    scales = list(wanted_scales)
    return {
        "points": [{"index": scales.index(point["scale"]), **point} for point in points],
        "symbol": symbol,
        "scales": scales,
        "n": n,
        "running": running,
        "reference": reference,
        "message": message,
        "steps": list(steps),
        "run": run,
    }
