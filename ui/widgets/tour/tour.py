"""A short tour for a newcomer in three chapters: what it is, how it is steered, how it is measured.

It is offered once, on a first visit, and starts from a button in the masthead. Each step plays the
stage that it speaks of; the control that it points at works as ever. At the end the page stands
where the visitor left it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .. import component


@dataclass(frozen=True)
class Stop:
    """One step of the tour.

    Attributes:
        chapter: the chapter that it belongs to.
        tab: the id of the tab that it is in.
        title, text: what its card says.
        targets: selectors of what it points at; the first that is on view is taken.
        plays: the run on the stage is played; else its cursor is put to ``at``.
        at: part of the way from noise to picture, 0 to 1; None leaves the cursor where it is.
    """

    chapter: str
    tab: str
    title: str
    text: str
    targets: tuple[str, ...]
    plays: bool = False
    at: float | None = None


IS, STEERED, MEASURED = "1 · What it is", "2 · How it is steered", "3 · How it is measured"
STEPS = (
    Stop(
        IS,
        "sample",
        "It starts from noise",
        "Random numbers, with no picture in them. Any picture ends as noise like this when noise "
        "is added for long enough, so any picture can begin here. A network takes the noise out, "
        "a little at each step.",
        ("#sample-stage .player-stage",),
        at=0,
    ),
    Stop(
        IS,
        "sample",
        "t counts the noise",
        "At t = 1000 there is nothing but noise, at t = 0 the finished picture. See it count down, "
        "then drag the timeline: the sentence above it says what happens at each step.",
        ("#sample-stage .player-timeline",),
        plays=True,
    ),
    Stop(
        IS,
        "sample",
        "x̂0 is a guess",
        "x_t is where the run stands. x̂0 is the finished picture as the network guesses it: at "
        "first a blur of all that could still come. So each step goes a little way towards it, and "
        "the network is asked again.",
        ("#sample-stage .player-stage",),
        at=0.05,
    ),
    Stop(
        STEERED,
        "guidance",
        "Every step is pushed",
        "All of these were asked for one class. At each step the network guesses twice, once told "
        "the class and once not; the difference is the way to the class, and the run is pushed "
        "along it.",
        ("#guidance-stage .player-stage",),
        plays=True,
    ),
    Stop(
        STEERED,
        "guidance",
        "How hard, and what it costs",
        "0 is no class, 1 the model told the class, more exaggerates it. Move the scale: the "
        "pictures get clearer, and more alike. It costs variety, and a second call of the network "
        "at each step.",
        ("#guidance-s", "#guidance-lam", "#guidance-clean-lam", "#guidance-stage"),
    ),
    Stop(
        MEASURED,
        "guidance",
        "A judge reads them",
        "The judge is a network that recognises pictures, here digits, and takes no part in "
        "drawing. Once a run is finished, the sentence says what the judge sees in the guess x̂0 at "
        "each step, long before the noise is gone.",
        ("#guidance-stage .player-sentence",),
        at=0.6,
    ),
    Stop(
        MEASURED,
        "results",
        "How far from real pictures?",
        "Our distance says it in one number, by what the judge sees in drawn pictures and in real "
        "ones. Lower is better. For photographs twenty steps of DDIM are nearly enough, of DDPM "
        "far from it. That is the tour.",
        ("#results-board [data-figure=steps]",),
    ),
)


class Tour(component.Component):
    """The button in the masthead, and the tour behind it."""

    def __init__(self, **props: Any):
        steps = [asdict(stop) for stop in STEPS]
        super().__init__(options={"steps": steps}, **{"elem_id": "tour"} | props)
