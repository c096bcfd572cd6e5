"""Runs worth trying: links of the page, each opened with one press and without loading it anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ddpm_core.errors import check_int

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


EXAMPLES = (
    Example(
        "A digit that changes its mind: 8, 5, 0, 5",
        "Drag the timeline and watch x̂0: the judge reads an 8 in it, then a 5, a 0, a 5 again.",
        "tab=reverse&model=mnist-cosine&label=none&sampler=ddim&steps=50&seed=1&first=25",
    ),
    Example(
        "The strongest guidance: all alike",
        "Eight noises, eight bold threes that differ little. Move the scale to 1 and compare.",
        "tab=guidance&model=mnist-conditional&n=8&label=3&steps=50&guidance=cfg&guidance_scale=10",
    ),
    Example(
        "A schedule that fails without clipping",
        "The digits dissolve: nothing keeps the first wild guesses within the range of a picture. "
        "Clipping is under Fine print.",
        "tab=sample&model=mnist-cosine&n=16&label=none&steps=20&clip=0",
    ),
    Example(
        "20 steps beside 1,000",
        "DDIM draws nearly the same 3 in 10, 20 and 50 steps. DDPM draws another, in 1,000.",
        "tab=reverse&view=samplers&model=mnist-conditional&label=3",
    ),
    Example(
        "A straight way out of noise",
        "The same 3 by flow matching. Below, choose “how straight” and compare the two curves.",
        "tab=reverse&view=schedules&model=mnist-conditional&against=mnist-flow&label=3&sampler=ddim"
        "&steps=20",
    ),
    Example(
        "Small photographs: eight horses, guided",
        "Move the scale down to 1: without guidance the same eight are much less of a horse.",
        "tab=guidance&model=cifar10-conditional&n=8&label=7&steps=20&guidance=cfg&guidance_scale=3",
    ),
    Example(
        "A missing root in the report",
        "With too little noise put back, the digits come out clean and thin, and nearly all alike.",
        "tab=reverse&view=break&model=mnist-linear&error=missing-root&n=4&label=none&steps=1000",
    ),
)


class Examples(component.Component):
    """The links of ``EXAMPLES``.

    `input` fires when one is pressed; a function gets its query, or None.
    """

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
