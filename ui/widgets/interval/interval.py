"""A slider with two handles on the player's time axis: noise on the left, picture on the right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ddpm_core.errors import InvalidInput, check_int

from .. import component


class Interval(component.Component):
    """An interval of timesteps, low <= t <= high; in Python a tuple (low, high).

    `input` fires while a handle moves.
    """

    EVENTS = ("input",)

    def __init__(self, label: str, *, maximum: int = 999, first: int = 0, **props: Any):
        """
        Parameters:
            label: its name on the page and in the glossary.
            maximum: the timestep at the left end.
            first: the number that a visitor sees for timestep 0.
        """
        self.maximum = maximum
        options = {"maximum": maximum, "first": first}
        super().__init__((0, maximum), label=label, options=options, **props)

    def preprocess(self, payload: Any) -> tuple[int, int]:
        """Check what was sent, by the browser or by others, against the bounds."""
        if not isinstance(payload, Mapping) or not {"low", "high"} <= set(payload):
            raise InvalidInput(f"{self.label}: an interval has a low and a high end")
        high = check_int(f"{self.label}: high", payload["high"], 0, self.maximum)
        return check_int(f"{self.label}: low", payload["low"], 0, high), high

    def postprocess(self, value: tuple[int, int]) -> dict[str, int]:
        low, high = self.preprocess(dict(zip(("low", "high"), value, strict=True)))
        return {"low": low, "high": high}
