"""Runs worth trying: links of the page, each opened with one press and without loading it anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ddpm_core import Request
from ddpm_core.errors import check_int

from ...runs.races import RaceKey
from ...runs.runs import Key
from ...sharing import permalinks, race_links
from .. import component


class Example(NamedTuple):
    """A link: the words that offer it, what there is to see, and the query of its address."""

    words: str
    look: str
    query: str

    @property
    def place(self) -> str:
        """Where it leads: a tab, or a tab and one of its views with a space between them."""
        named = dict(parse_qsl(self.query))
        return " ".join(named[name] for name in ("tab", "view") if name in named)


_ALL_STEPS = Request(n=1, label=3, sampler="ddpm", steps=1000)
EXAMPLES = (
    Example(
        "A digit that changes its mind: 8, 5, 0, 5",
        "Drag the timeline and watch x̂0: the judge reads an 8 in it, then a 5, a 0, a 5 again.",
        permalinks.query(
            Key("mnist-cosine", Request(n=1, label="none", steps=50, seed=1, first=25)),
            tab="reverse",
        ),
    ),
    Example(
        "The strongest guidance: all alike",
        "Eight noises, eight bold threes that differ little. Move the scale to 1 and compare.",
        permalinks.query(
            Key(
                "mnist-conditional",
                Request(n=8, label=3, steps=50, guidance="cfg", guidance_scale=10),
            ),
            tab="guidance",
        ),
    ),
    Example(
        "A schedule that fails without clipping",
        "The digits dissolve: nothing keeps the first wild guesses within the range of a picture. "
        "Clipping is under Fine print.",
        permalinks.query(
            Key("mnist-cosine", Request(n=16, label="none", steps=20, clip=False)), tab="sample"
        ),
    ),
    Example(
        "20 steps beside 1,000",
        "DDIM draws nearly the same 3 in 10, 20 and 50 steps. DDPM draws another, in 1,000.",
        race_links.query(RaceKey("samplers", "mnist-conditional", _ALL_STEPS), tab="reverse"),
    ),
    Example(
        "A straight way out of noise",
        "The same 3 by flow matching. Below, choose “how straight” and compare the two curves.",
        race_links.query(
            RaceKey(
                "schedules",
                "mnist-conditional",
                Request(n=1, label=3, steps=20),
                against="mnist-flow",
            ),
            tab="reverse",
        ),
    ),
    Example(
        "Small photographs: eight horses, guided",
        "Move the scale down to 1: without guidance the same eight are much less of a horse.",
        permalinks.query(
            Key(
                "cifar10-conditional",
                Request(n=8, label=7, steps=20, guidance="cfg", guidance_scale=3),
            ),
            tab="guidance",
        ),
    ),
    Example(
        "A missing root in the report",
        "With too little noise put back, the digits come out clean and thin, and nearly all alike.",
        race_links.query(
            RaceKey(
                "break",
                "mnist-linear",
                replace(_ALL_STEPS, n=4, label="none"),
                error="missing-root",
            ),
            tab="reverse",
        ),
    ),
)


class Examples(component.Component):
    """The links of ``EXAMPLES``.

    `input` fires when one is pressed; a function gets its query, or None.
    """

    NAME = "examples"
    EVENTS = ("input",)

    def __init__(self, **props: Any):
        links = [example._asdict() | {"place": example.place} for example in EXAMPLES]
        super().__init__(options={"links": links}, **{"elem_id": "examples"} | props)

    def preprocess(self, payload: Any) -> str | None:
        """The query of the link that was pressed, if what was sent is a press, else None."""
        if not isinstance(payload, Mapping) or payload.get("kind") != "chosen":
            return None
        last = len(EXAMPLES) - 1
        return EXAMPLES[check_int("example", payload.get("index"), 0, last)].query
