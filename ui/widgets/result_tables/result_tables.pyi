"""The board of results: tables of figures, a plot and curves, each figure with its protocol."""

from __future__ import annotations

from typing import Any

from .. import component

__all__ = ["ResultTables", "board"]

from gradio.events import Dependency

class ResultTables(component.Component):
    """Tables, the few-step plot and training curves; a figure opens its protocol.

    Its value is the dictionary built by `board`.
    """

    NAME = "result_tables"
    WHAT = "a value built by board"
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def board(tables: list[dict[str, Any]], curves: list[dict[str, Any]]) -> dict[str, Any]:
    """What the component shows.

    Parameters:
        tables: with "name", "title", "about" and either "error" or "corner", "columns" and "rows".
            A row has a "title" and either "reported", texts, or "cells". A cell is None where
            there is nothing to measure; it has the "command" that measures it, and once that was
            done "value", "error" (its spread, or None), "figure" and "spread" as texts, "words",
            its protocol, "took", and maybe "cost", a text. A table with "plot" is plotted over its
            columns as well, with its "floors". The paragraphs of its "answer" stand below it,
            under its "question".
        curves: with "model", "rows" of (images, training loss, validation loss, distance or None),
            "distance", what the last is called, "words" and "command".
    """
    cells = [
        cell
        for table in tables
        for row in table.get("rows", ())
        for cell in row.get("cells", ())
        if cell is not None
    ]
    return {
        "kind": "board",
        "wanted": len(cells),
        "measured": sum("value" in cell for cell in cells),
        "tables": tables,
        "curves": curves,
    }