"""A labelled contact sheet: rows x columns tiles in one picture, each of which can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import component
from ..component import ordered

__all__ = ["ImageGrid", "contact", "idle", "pending"]

from gradio.events import Dependency

class ImageGrid(component.Component):
    """A film strip (one row, its labels below) or an atlas (labels above and at the left).

    Its value is one of the dictionaries built by `idle`, `pending` and `contact`.
    `contact.select(fn)` calls `fn` with a `gr.SelectData` whose `index` is the tile that was chosen
    (0 first, row by row) and whose `value` is the run it belongs to.
    """

    NAME = "image_grid"
    EVENTS = ("select",)
    WHAT = "a value built by idle, pending or contact"

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
        # Gradio reads these back by name to build its configuration.
        self.symbol = symbol
        self.glance = glance
        self.clickable = clickable
        super().__init__(
            idle() if value is None else value,
            label=label,
            options={"symbol": symbol, "glance": glance, "clickable": clickable},
            **props,
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Move the picture out of the value, unless it is one of many in a row."""
        if not isinstance(value, dict) or value.get("kind") != "contact" or value["live"]:
            return value
        sheet = component.as_file(value["sheet"], "contact.png", self.GRADIO_CACHE)
        return {**value, "sheet": sheet}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

    
    def select(self,
        fn: Callable[..., Any] | None = None,
        inputs: Block | Sequence[Block] | set[Block] | None = None,
        outputs: Block | Sequence[Block] | None = None,
        api_name: str | None = None,
        scroll_to_output: bool = False,
        show_progress: Literal["full", "minimal", "hidden"] = "full",
        show_progress_on: Component | Sequence[Component] | None = None,
        queue: bool | None = None,
        batch: bool = False,
        max_batch_size: int = 4,
        preprocess: bool = True,
        postprocess: bool = True,
        cancels: dict[str, Any] | list[dict[str, Any]] | None = None,
        every: Timer | float | None = None,
        trigger_mode: Literal["once", "multiple", "always_last"] | None = None,
        js: str | Literal[True] | None = None,
        concurrency_limit: int | None | Literal["default"] = "default",
        concurrency_id: str | None = None,
        api_visibility: Literal["public", "private", "undocumented"] = "public",
        key: int | str | tuple[int | str, ...] | None = None,
        api_description: str | None | Literal[False] = None,
        validator: Callable[..., Any] | None = None,
        inputs_kwargs: dict[str, Block] | None = None,
    
        ) -> Dependency:
        """
        Parameters:
            fn: the function to call when this event is triggered. Often a machine learning model's prediction function. Each parameter of the function corresponds to one input component, and the function should return a single value or a tuple of values, with each element in the tuple corresponding to one output component.
            inputs: list of gradio.components to use as inputs. If the function takes no inputs, this should be an empty list.
            inputs_kwargs: dictionary mapping function parameter names to gradio.components. The component values are passed to the function as keyword arguments.
            outputs: list of gradio.components to use as outputs. If the function returns no outputs, this should be an empty list.
            api_name: defines how the endpoint appears in the API docs. Can be a string or None. If set to a string, the endpoint will be exposed in the API docs with the given name. If None (default), the name of the function will be used as the API endpoint.
            scroll_to_output: if True, will scroll to output component on completion
            show_progress: how to show the progress animation while event is running: "full" shows a spinner which covers the output component area as well as a runtime display in the upper right corner, "minimal" only shows the runtime display, "hidden" shows no progress animation at all
            show_progress_on: Component or list of components to show the progress animation on. If None, will show the progress animation on all of the output components.
            queue: if True, will place the request on the queue, if the queue has been enabled. If False, will not put this event on the queue, even if the queue has been enabled. If None, will use the queue setting of the gradio app.
            batch: if True, then the function should process a batch of inputs, meaning that it should accept a list of input values for each parameter. The lists should be of equal length (and be up to length `max_batch_size`). The function is then *required* to return a tuple of lists (even if there is only 1 output component), with each list in the tuple corresponding to one output component.
            max_batch_size: maximum number of inputs to batch together if this is called from the queue (only relevant if batch=True)
            preprocess: if False, will not run preprocessing of component data before running 'fn' (e.g. leaving it as a base64 string if this method is called with the `Image` component).
            postprocess: if False, will not run postprocessing of component data before returning 'fn' output to the browser.
            cancels: a list of other events to cancel when this listener is triggered. For example, setting cancels=[click_event] will cancel the click_event, where click_event is the return value of another components .click method. Functions that have not yet run (or generators that are iterating) will be cancelled, but functions that are currently running will be allowed to finish.
            every: continuously calls `value` to recalculate it if `value` is a function (has no effect otherwise). Can provide a Timer whose tick resets `value`, or a float that provides the regular interval for the reset Timer.
            trigger_mode: if "once" (default for all events except `.change()`) would not allow any submissions while an event is pending. If set to "multiple", unlimited submissions are allowed while pending, and "always_last" (default for `.change()` and `.key_up()` events) would allow a second submission after the pending event is complete.
            js: optional frontend JavaScript to run before 'fn', provided as either a function or a raw code string. A function receives the values of 'inputs' and 'outputs' as arguments; raw code can access them through `arguments`. Return a list of values for the output components.
            concurrency_limit: if set, this is the maximum number of this event that can be running simultaneously. Can be set to None to mean no concurrency_limit (any number of this event can be running simultaneously). Set to "default" to use the default concurrency limit (defined by the `default_concurrency_limit` parameter in `Blocks.queue()`, which itself is 1 by default).
            concurrency_id: if set, this is the id of the concurrency group. Events with the same concurrency_id will be limited by the lowest set concurrency_limit.
            api_visibility: controls the visibility and accessibility of this endpoint. Can be "public" (shown in API docs and callable by clients), "private" (hidden from API docs and not callable by the Gradio client libraries), or "undocumented" (hidden from API docs but callable by clients and via gr.load). If fn is None, api_visibility will automatically be set to "private".
            key: A unique key for this event listener to be used in @gr.render(). If set, this value identifies an event as identical across re-renders when the key is identical.
            api_description: Description of the API endpoint. Can be a string, None, or False. If set to a string, the endpoint will be exposed in the API docs with the given description. If None, the function's docstring will be used as the API endpoint description. If False, then no description will be displayed in the API docs.
            validator: Optional validation function to run before the main function. If provided, this function will be executed first with queue=False, and only if it completes successfully will the main function be called. The validator receives the same inputs as the main function, including the same keyword arguments when `inputs_kwargs` is used, so its signature must accept those keyword names.
        
        """
        ...


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
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            "images must be uint8 with 4 dimensions, the last of 1 or 3 channels; "
            f"got {images.dtype} {images.shape}"
        )
    n, height, width, _ = images.shape
    rows = len(row_labels) if row_labels is not None else max(1, -(-n // columns))
    if not 0 < n <= rows * columns:
        raise ValueError(f"{n} images do not fit {rows} rows of {columns}")
    if chosen is not None and not 0 <= chosen < n:
        raise ValueError(f"tile {chosen} of {n} cannot be chosen")
    return {
        "kind": "contact",
        "run": str(run),
        "n": n,
        "chosen": None if chosen is None else int(chosen),
        "symbol": symbol,
        "pending": bool(pending),
        "live": bool(live),
        "recorded": str(recorded),
        "sheet": component.png(_page(images, columns)),
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
    labels = {"column_labels": (column_labels, columns), "row_labels": (row_labels, rows)}
    for name, (given, count) in labels.items():
        if given is not None and len(given) != count:
            raise ValueError(f"{len(given)} {name} for {count}")
    written = {name: [_short(v) for v in given or []] for name, (given, _) in labels.items()}
    return {"rows": int(rows), "columns": int(columns), "side": [*map(int, side)], **written}


def _short(label: Any) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def _page(images: np.ndarray, columns: int) -> np.ndarray:
    n, h, w, c = images.shape
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, h, w, c), np.uint8)
    cells[:n] = images
    tiles = cells.reshape(rows, columns, h, w, c).swapaxes(1, 2)
    return tiles.reshape(rows * h, columns * w, c)