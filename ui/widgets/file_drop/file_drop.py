"""A file that was made here, dropped onto the page: its note is read in the browser and sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ddpm_core.animation import MAX_NOTE
from ddpm_core.errors import InvalidInput, check_int

from .. import component


class Dropped(NamedTuple):
    """A file's name and the note in it; ``asked`` counts the files of a visitor."""

    name: str
    note: str
    asked: int


class FileDrop(component.Component):
    """A field to open a file with, and the whole page to drop one on.

    `input` fires when a note was found in it. A function gets it as `Dropped` and answers with
    `told`.
    """

    EVENTS = ("input",)

    def __init__(self, **props: Any):
        super().__init__(options={"longest": MAX_NOTE}, **props)

    def preprocess(self, payload: Any) -> Dropped | None:
        """The file that was sent, by the browser or by others; None if it is no file."""
        if not isinstance(payload, Mapping) or payload.get("kind") != "dropped":
            return None
        note = payload.get("note")
        if not isinstance(note, str) or len(note) > MAX_NOTE:
            raise InvalidInput("this is no note")
        name = str(payload.get("name", ""))[:100]
        return Dropped(name, note, check_int("asked", payload.get("asked"), 0, 2**53 - 1))


def told(
    dropped: Dropped, message: str, *, place: str = "", refused: bool = False
) -> dict[str, Any]:
    """The answer to a file: where on the page its run goes, or that nothing was done."""
    about = {"kind": "told", "message": message, "asked": dropped.asked, "refused": refused}
    return about | {"place": place}
