"""A slider with two handles on the player's time axis: noise on the left, picture on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ddpm_core.errors import InvalidInput, check_int

from .. import component

__all__ = ["Interval"]


class Interval(component.Component):
    """An interval of timesteps, low <= t <= high.

    A function gets it as a tuple (low, high), and returns such a tuple or a dictionary with "low",
    "high" and, if wanted, "maximum" (no more than the constructor's) and "order".
    `input` fires while a handle moves, `release` when it is let go.
    """

    NAME = "interval"
    EVENTS = ("input", "release")

    def __init__(
        self,
        label: str,
        *,
        low: int = 0,
        high: int | None = None,
        maximum: int = 999,
        first: int = 0,
        **props: Any,
    ):
        """
        Parameters:
            label: what the interval is of, a name of the glossary.
            low, high: the first interval; all of it unless told.
            maximum: the timestep at the left end, at most.
            first: what timestep 0 is called in all that shows.
        """
        self.maximum = maximum
        options = {"maximum": maximum, "first": first}
        whole = (low, maximum if high is None else high)
        super().__init__(whole, label=label, options=options, **props)

    def preprocess(self, payload: Any) -> tuple[int, int]:
        """Hold what came from the browser, or from elsewhere, to its bounds."""
        if not isinstance(payload, Mapping) or not {"low", "high"} <= set(payload):
            raise InvalidInput(f"{self.label}: an interval has a low and a high end")
        return self._checked(payload["low"], payload["high"], self.maximum)

    def postprocess(self, value: Sequence[int] | Mapping[str, Any] | None) -> dict | None:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            low, high = value
            value = {"low": low, "high": high}
        maximum = check_int("maximum", value.get("maximum", self.maximum), 1, self.maximum)
        low, high = self._checked(value["low"], value["high"], maximum)
        return {**value, "low": low, "high": high, "maximum": maximum}

    def _checked(self, low: Any, high: Any, maximum: int) -> tuple[int, int]:
        high = check_int(f"{self.label}: high", high, 0, maximum)
        return check_int(f"{self.label}: low", low, 0, high), high
