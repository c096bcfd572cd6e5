"""A list of links worth trying, each opened with one press and without loading the page anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ddpm_core.errors import check_int

from ...sharing import examples
from .. import component


class Examples(component.Component):
    """The links of ``sharing.examples``.

    `input` fires when one is pressed; a function gets its query, or None.
    """

    NAME = "examples"
    EVENTS = ("input",)

    def __init__(self, **props: Any):
        links = [it._asdict() | {"place": it.place} for it in examples.EXAMPLES]
        super().__init__(options={"links": links}, **{"elem_id": "examples"} | props)

    def preprocess(self, payload: Any) -> str | None:
        """What came from the browser, or from elsewhere; None if it is no press."""
        if not isinstance(payload, Mapping) or payload.get("kind") != "chosen":
            return None
        last = len(examples.EXAMPLES) - 1
        return examples.EXAMPLES[check_int("example", payload.get("index"), 0, last)].query
