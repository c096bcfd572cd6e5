"""A short tour for a newcomer, from noise to guidance, through the real controls.

It is offered once, on a first visit, and starts from a button in the masthead. No step bars the
page: the control that it points at works as ever, and using it ticks the step off.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .. import component

__all__ = ["STEPS", "Stop", "Tour"]


@dataclass(frozen=True)
class Stop:
    """One step of the tour.

    Attributes:
        tab: the id of the tab that it is in.
        title, text: what its card says.
        targets: selectors of what it points at; the first that is on view is taken.
        deed: the kind of event at the target that ticks the step off, or empty.
    """

    tab: str
    title: str
    text: str
    targets: tuple[str, ...]
    deed: str = ""


STEPS = (
    Stop(
        "sample",
        "Noise becomes a picture",
        "Left: noise, and a little less of it with every step. Right: the clean image that the "
        "network saw before the step. It was computed here, by a small network.",
        ("#sample-stage .player-stage",),
    ),
    Stop(
        "sample",
        "Time is a place",
        "Noise on the left, pictures on the right. Drag the timeline, or press an arrow key on "
        "it; the equations below follow.",
        ("#sample-stage .player-timeline",),
        "pointerdown keydown",
    ),
    Stop(
        "sample",
        "Ask for a digit",
        "Choose one and the run starts over from the same noise.",
        ("#sample-label", "#sample-run"),
        "change",
    ),
    Stop(
        "guidance",
        "Push harder",
        "Guidance steers every step towards the class. Move the scale: the pictures follow, "
        "clearer and more alike the further you go.",
        ("#guidance-s", "#guidance-lam", "#guidance-clean-lam", "#guidance-stage"),
        "input",
    ),
    Stop(
        "forward",
        "The way into noise",
        "Draw a digit of your own. It is turned to noise, and the model can bring it back.",
        ("#forward-sheet .sketch-sheet", "#forward-sheet"),
        "pointerup keydown",
    ),
    Stop(
        "sample",
        "Keep it",
        "Every run can be taken along: as a film, as a picture, and folded below, as a link that "
        "brings it back. That is the tour.",
        ("#sample-take", "#sample-copies"),
    ),
)


class Tour(component.Component):
    """The button in the masthead, and the tour behind it."""

    NAME = "tour"

    def __init__(self, **props: Any):
        steps = [asdict(stop) for stop in STEPS]
        super().__init__(options={"steps": steps}, **{"elem_id": "tour"} | props)
