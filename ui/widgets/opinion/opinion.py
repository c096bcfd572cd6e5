"""How much the network's guess of the noise gains when it is told each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import component


class Opinion(component.Component):
    """A bar for every class to either side of a middle, and beside it what the judge says.

    Its value is one of the dictionaries built by `component.idle` and `opinion`.
    """


def opinion(
    names: Sequence[str], gains: Sequence[float], judged: Sequence[float]
) -> dict[str, Any]:
    """The bars as they stand.

    Parameters:
        names: those of the classes.
        gains: one for each class; the largest is marked.
        judged: the judge's probability of each; empty if there is no judge.
    """
    rows = zip(names, gains, judged or [None] * len(names), strict=True)
    listed = [[name, round(gain, 4), p if p is None else round(p, 4)] for name, gain, p in rows]
    return {"kind": "opinion", "rows": listed}
