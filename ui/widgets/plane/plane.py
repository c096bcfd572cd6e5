"""Points in the plane: the stage on which they flow, its timeline, and the controls beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import component


class Plane(component.Component):
    """Two planes on one timeline, by a learned and by the exact prediction.

    Its value is built by ``ui.runs.plane_runs``; a function gets what the controls ask for, as a
    dictionary that nobody has checked, or None. `input` fires when they ask for something. Its
    options are what can be chosen, and within which bounds (``plane_runs.offered``), and `prefix`,
    with which the element ids of its controls begin.
    """

    EVENTS = ("input",)

    def preprocess(self, payload: Any) -> Mapping[str, Any] | None:
        is_asked = isinstance(payload, Mapping) and payload.get("kind") == "asked"
        return payload if is_asked else None
