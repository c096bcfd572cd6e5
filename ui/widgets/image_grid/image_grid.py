"""A labelled contact sheet: rows x columns tiles in one picture, each of which can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ddpm_core import grid

from .. import component


class ImageGrid(component.Component):
    """A film strip (one row, its labels below) or an atlas (labels above and at the left).

    Its value is one of the dictionaries built by `idle`, `pending` and `contact`.
    `contact.select(fn)` calls `fn` with a `gr.SelectData` whose `index` is the tile that was chosen
    (0 first, row by row) and whose `value` is the run it belongs to. Its label stands over the
    sheet. Its options: `symbol`, what the columns are values of, stands in the corner; with
    `glance` it is no higher than the window, rather than as wide as there is room; if it is
    `clickable`, a tile can be chosen.
    """

    EVENTS = ("select",)


def idle(message: str, columns: int, rows: int = 1) -> dict[str, Any]:
    """Empty tiles, as many as will come, with `message` over them."""
    labels = {"column_labels": [], "row_labels": []}
    layout = {"rows": rows, "columns": columns, "side": [28, 28]} | labels
    return {"kind": "idle", "message": message} | layout


def pending() -> dict[str, Any]:
    """What is shown is about to be replaced: dim it."""
    return {"kind": "pending"}


def contact(
    images: np.ndarray,
    columns: int,
    column_labels: Sequence[Any],
    row_labels: Sequence[Any] | None = None,
    chosen: int | None = None,
    run: str = "",
    *,
    symbol: str | None = None,
    live: bool = False,
    recorded: str = "",
) -> dict[str, Any]:
    """A sheet of tiles, row by row; the rest of its rows stays empty.

    Parameters:
        images: uint8 (n, H, W, C), C = 1 or 3.
        column_labels, row_labels: texts or numbers; numbers are written in short.
        chosen: the tile that is marked.
        run: a name that no other sheet shares; `select` returns it.
        symbol: what the columns are values of, if that differs from the option.
        live: one of many in quick succession, sent with its pixels instead of as a file.
        recorded: says what recorded it, if the sheet comes with the page.
    """
    return {
        "kind": "contact",
        "run": run,
        "n": len(images),
        "chosen": chosen,
        "symbol": symbol,
        "live": live,
        "recorded": recorded,
        "sheet": component.png(grid(images, columns, gap=0)),
        "rows": -(-len(images) // columns) if row_labels is None else len(row_labels),
        "columns": columns,
        "side": list(images.shape[1:3]),
        "column_labels": [_short(label) for label in column_labels],
        "row_labels": [_short(label) for label in row_labels or []],
    }


def _short(label: Any) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)
