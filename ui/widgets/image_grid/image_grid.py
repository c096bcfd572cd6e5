"""A labelled contact sheet: rows x columns tiles in one picture, each of which can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ddpm_core import grid

from .. import component
from ..component import ordered

__all__ = ["ImageGrid", "contact", "idle", "pending"]


class ImageGrid(component.Component):
    """A film strip (one row, its labels below) or an atlas (labels above and at the left).

    Its value is one of the dictionaries built by `idle`, `pending` and `contact`.
    `contact.select(fn)` calls `fn` with a `gr.SelectData` whose `index` is the tile that was chosen
    (0 first, row by row) and whose `value` is the run it belongs to.
    """

    NAME = "image_grid"
    EVENTS = ("select",)

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        label: str = "Contact sheet",
        symbol: str = "s",
        glance: bool = False,
        clickable: bool = True,
        **props: Any,
    ):
        """
        Parameters:
            label: stands over the sheet.
            symbol: what the columns are values of; stands in the corner.
            glance: no higher than the window, rather than as wide as there is room.
            clickable: whether a tile can be chosen; else they are pictures and no more.
        """
        super().__init__(
            idle() if value is None else value,
            label=label,
            options={"symbol": symbol, "glance": glance, "clickable": clickable},
            **props,
        )


def idle(
    message: str = "Nothing here yet.",
    rows: int = 1,
    columns: int = 9,
    *,
    column_labels: Sequence[Any] | None = None,
    row_labels: Sequence[Any] | None = None,
    side: int | tuple[int, int] = 28,
    order: int | None = None,
) -> dict[str, Any]:
    """Empty tiles, as many and as large as will come, with `message` over them."""
    height, width = (side, side) if isinstance(side, int) else side
    return {
        "kind": "idle",
        "message": message,
        **_layout(rows, columns, (height, width), column_labels, row_labels),
        **ordered(order),
    }


def pending(order: int | None = None) -> dict[str, Any]:
    """What is shown is about to be replaced: dim it."""
    return {"kind": "pending", **ordered(order)}


def contact(
    images: np.ndarray,
    columns: int,
    column_labels: Sequence[Any],
    row_labels: Sequence[Any] | None = None,
    chosen: int | None = None,
    run: str = "",
    order: int | None = None,
    *,
    symbol: str | None = None,
    pending: bool = False,
    live: bool = False,
    recorded: str = "",
) -> dict[str, Any]:
    """A sheet of tiles, row by row; where there are fewer than its rows hold, the rest stays empty.

    Parameters:
        images: uint8 (n, H, W, C), C = 1 or 3.
        columns: tiles in a row.
        column_labels, row_labels: what they are called; numbers are written as short as they are.
        chosen: the tile that is marked.
        run: a name no other sheet shares; `select` hands it back.
        order: a value older than the newest seen is ignored.
        symbol: what the columns are values of, if not what the constructor was told.
        pending: dim it, since another is on its way.
        live: one of many in quick succession, sent with its pixels instead of as a file.
        recorded: says what recorded it, where the sheet came with the page.
    """
    n, height, width, _ = images.shape
    rows = len(row_labels) if row_labels is not None else max(1, -(-n // columns))
    return {
        "kind": "contact",
        "run": str(run),
        "n": n,
        "chosen": None if chosen is None else int(chosen),
        "symbol": symbol,
        "pending": bool(pending),
        "live": bool(live),
        "recorded": str(recorded),
        "sheet": component.png(grid(images, columns, gap=0)),
        **_layout(rows, columns, (height, width), column_labels, row_labels),
        **ordered(order),
    }


def _layout(
    rows: int,
    columns: int,
    side: tuple[int, int],
    column_labels: Sequence[Any] | None,
    row_labels: Sequence[Any] | None,
) -> dict[str, Any]:
    labels = {"column_labels": column_labels, "row_labels": row_labels}
    written = {name: [_short(v) for v in given or []] for name, given in labels.items()}
    return {"rows": int(rows), "columns": int(columns), "side": [*map(int, side)], **written}


def _short(label: Any) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)
