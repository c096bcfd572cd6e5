"""The pixels of x_t against a normal: equations 3 and 4 with their numbers at the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ddpm_core.schedules import NoiseSchedule
from lab.process.forward import BINS, REACH, ForwardFilm

from .. import component
from ..equations import typeset


class Histogram(component.Component):
    """A histogram that follows a player's cursor; its value is built by `histogram`."""

    def __init__(self, *, player: str, **props: Any):
        """``player`` is the element id of the one whose cursor it follows."""
        markup = typeset.markup(4) + typeset.markup(3)
        options = {"player": player, "bins": BINS, "reach": REACH, "markup": markup}
        super().__init__(options=options, **props)


def histogram(noised: ForwardFilm) -> dict[str, Any]:
    """The component's value, for every time from 0, the clean image, to T."""
    # A flat picture is one tall bar: it is cut off, since it would flatten all others.
    top = 2.5 * float(np.max(noised.normal))
    counts = np.round(255 * np.clip(noised.density / top, 0, 1)).astype(np.uint8)
    schedule = noised.schedule
    return {
        "kind": "histogram",
        "counts": component.raw(counts),
        "density": _rounded(noised.normal),
        "top": top,
        "t": list(range(len(counts))),
        "mean": _rounded(noised.mean),
        "std": _rounded(noised.std),
        "signal": [1.0, *_rounded(schedule.signals)],
        "noise": [0.0, *_rounded(schedule.sigmas)],
        "keep": [1.0, *_rounded(np.sqrt(schedule.alphas))],
        "add": [0.0, *_rounded(np.sqrt(schedule.betas))],
        "abar": _rounded(schedule.abar(t - 1) for t in range(len(counts))),
        "beta": [0.0, *_rounded(schedule.betas)],
        "straight": not isinstance(schedule, NoiseSchedule),  # the equations are of betas
    }


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{v:.4g}") for v in values]
