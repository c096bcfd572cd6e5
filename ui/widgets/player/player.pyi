"""The player: a canvas that paints a run while it happens and replays it afterwards.

A run reaches the browser twice. While it lasts, `live` values carry one frame each, small enough
to stream. When it ends, one `film` value carries every recorded frame as a lossless sheet, and from
then on scrubbing and playing happen in the browser without a request. Of a long film the sheet
carries some frames, which are played; the others are asked for when they are scrubbed to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...runs.frames import some_frames
from .. import component
from ..component import as_file, png, raw, tiles

__all__ = ["Player", "error", "film", "idle", "live", "next_run", "sheet", "with_files"]

PANES = ("x", "x0")
# Phones refuse larger pictures: 4096 x 4096 is the largest area every current browser decodes.
SHEET_SIDE = 4096

from gradio.events import Dependency

class Player(component.Component):
    """A stage of pictures, a timeline with a transport, and curves.

    Its value is one of the dictionaries built by `idle`, `live`, `film`, `error` and `next_run`.
    On the page it dispatches `player:cursor` (`detail`: the first lane's `index` and `t`; `run`;
    `tile`; `position`, from 0 to 1), and follows `player:seek` (`detail.index`, a step of the first
    lane). With `clickable_tiles`, `player.select(fn)` calls `fn` with a `gr.SelectData` whose
    `index` is the tile that was clicked (0 first, row by row) and whose `value` is the run it
    belongs to.
    """

    NAME = "player"
    EVENTS = ("select",)
    WHAT = "a value built by idle, live, film, error or next_run"

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        label: str = "Reverse process",
        lanes: Sequence[str] = ("",),
        panes: Sequence[str] = ("x", "x0"),
        shown: Sequence[str] | None = None,
        align: Sequence[str] = ("step",),
        curves: Sequence[Mapping[str, str]] = (),
        clickable_tiles: bool = False,
        autoplay: bool = True,
        grid: tuple[int, int] = (1, 1),
        names: Mapping[str, Mapping[str, str]] | None = None,
        counts: str = "step",
        way: int = 1,
        **props: Any,
    ):
        """
        Parameters:
            value: the first value; a `film` here plays as soon as the player is seen.
            label: the name that assistive technology reads.
            lanes: the names of the lanes to come, so that the first run moves nothing.
            panes: what there is to choose from, out of `PANES`.
            shown: which of them are shown at first; all, and no choice, unless told.
            align: "step" for one lane; for several "t" (by step), "logsnr", or both, the first of
                them at first.
            curves: for each its `key` among a lane's numbers, its `symbol` (HTML), a `text`, and
                the `scale` it is drawn to, "linear" or "log".
            clickable_tiles: a click, or Enter on a tile, triggers `select`.
            autoplay: play a film that was not watched live, once, unless motion is unwelcome.
            grid: the columns and rows to come, so that the first run moves nothing.
            names: for a pane that shows something else: its `symbol` and `text`, both HTML, and
                how it is `spoken`.
            counts: what there are `total` of, as it is spoken.
            way: where Play leads: 1 from noise to picture, -1 from picture to noise.
        """
        _within("panes", panes, PANES)
        _within("shown", panes if shown is None else shown, panes)
        _within("align", align, ALIGN)
        if ("step" in align) != (len(_distinct(lanes)) == 1):
            raise ValueError("one lane is aligned by step, and several by t or by log-SNR")
        # Gradio reads these back by name to build its configuration.
        self.lanes, self.panes, self.align = list(lanes), list(panes), list(align)
        self.shown, self.curves = list(panes if shown is None else shown), list(curves)
        self.clickable_tiles, self.autoplay, self.grid = clickable_tiles, autoplay, list(grid)
        self.names, self.counts, self.way = dict(names or {}), counts, way
        super().__init__(
            idle() if value is None else value,
            label=label,
            options={
                "lanes": self.lanes,
                "panes": [_words(pane) | self.names.get(pane, {}) for pane in panes],
                "shown": self.shown,
                "align": self.align,
                "curves": self.curves,
                "clickable": clickable_tiles,
                "autoplay": autoplay,
                "grid": self.grid,
                "counts": counts,
                "way": way,
            },
            server_functions=[some_frames],
            **props,
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Move a film's sheets out of the value, into files that Gradio serves and clears away.

        A generator's last value is sent twice, so half a megabyte in it would count double.
        """
        if not isinstance(value, dict) or value.get("kind") != "film":
            return value
        return value | {"lanes": [with_files(lane, self.GRADIO_CACHE) for lane in value["lanes"]]}
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


def idle(message: str = "Press Run to watch noise become a picture.") -> dict[str, Any]:
    """Nothing has run yet; `message` stands where the pictures will be."""
    return {"kind": "idle", "message": message}


def error(message: str) -> dict[str, Any]:
    """Something went wrong; `message` is shown over the stage and the last film stays usable."""
    return {"kind": "error", "message": message}


def next_run(index: int, total: int) -> dict[str, Any]:
    """How far a run is that shows nothing before its end; what is on the stage stays there.

    Parameters:
        index, total: as for `live`.
    """
    return {"kind": "next", "index": int(index), "total": int(total)}


def live(
    run: str,
    index: int,
    total: int,
    t: int,
    x: np.ndarray,
    x0: np.ndarray | None,
    *,
    columns: int,
    seconds: float | None,
    calls: int,
) -> dict[str, Any]:
    """One frame of a run under way.

    Parameters:
        run: a name no other run shares; a new name clears the stage.
        index: how many steps are done, 0 (the opening noise) to `total`.
        t: the timestep the frame is at; T for the opening noise.
        x: uint8 (n, H, W, C), the sample, C = 1 or 3.
        x0: the same shape, the predicted clean image; None where nothing is predicted yet.
        columns: tiles in a row.
        seconds, calls: how long it was computed so far, and how many network calls.
    """
    x = tiles(x, 4, "x")
    frame = {"x": raw(x)}
    if x0 is not None:
        frame["x0"] = raw(_same(tiles(x0, 4, "x0"), x))
    return {
        "kind": "live",
        "index": int(index),
        "t": int(t),
        "frame": frame,
        **_about(run, x.shape, columns, total, seconds, calls),
    }


def film(
    run: str,
    t: Sequence[int],
    x: np.ndarray,
    x0: np.ndarray,
    *,
    columns: int,
    seconds: float | None,
    calls: int,
    total: int,
    stopped: bool = False,
    indices: Sequence[int] | None = None,
    chosen: Sequence[int] | None = None,
    source: str = "",
) -> dict[str, Any]:
    """Every recorded frame of a run that has ended.

    Parameters:
        t: the timestep of each frame.
        x: uint8 (frames, n, H, W, C), the samples, C = 1 or 3.
        x0: the same shape, the predicted clean images. Nothing is predicted at step 0, so what
            stands there is not shown (and may be left out altogether).
        seconds: how long it was computed; None if that was earlier, for somebody else or with
            other images.
        total: how many steps the run had, or was to have.
        stopped: whether it ended before `total`.
        indices: the step of each frame; 0, 1, 2 ... unless told.
        chosen: the frames that x and x0 hold, by number, the first and the last among them; all
            unless told.
        source: the name by which the others are asked for (`frames.name_of`).
    """
    x = tiles(x, 5, "x")
    steps = [int(i) for i in (range(len(t)) if indices is None else indices)]
    chosen = [int(k) for k in (range(len(t)) if chosen is None else chosen)]
    if len(t) != len(steps) or len(x) != len(chosen):
        raise ValueError(
            f"{len(x)} frames for {len(chosen)}; {len(steps)} indices for {len(t)} timesteps"
        )
    for name, numbers in (("indices", steps), ("chosen", chosen)):
        if any(b <= a for a, b in zip(numbers, numbers[1:], strict=False)):
            raise ValueError(f"{name} must rise from frame to frame")
    if not chosen or (chosen[0], chosen[-1]) != (0, len(t) - 1):
        raise ValueError("the first and the last frame must be among the chosen ones")
    predicted = [k for k, number in enumerate(chosen) if steps[number] > 0]
    x0 = tiles(x0, 5, "x0")
    if len(x0) == len(x):
        x0 = x0[predicted]
    _same(x0, x[predicted])
    return {
        "kind": "film",
        "indices": steps,
        "t": [int(v) for v in t],
        "chosen": chosen,
        "source": source,
        "stopped": bool(stopped),
        "sheets": {"x": sheet(x), **({"x0": sheet(x0)} if len(x0) else {})},
        **_about(run, x.shape[1:], columns, total, seconds, calls),
    }


def _about(
    run: str, shape: Sequence[int], columns: int, total: int, seconds: float | None, calls: int
) -> dict[str, Any]:
    n, height, width, channels = shape
    return {
        "run": str(run),
        "total": int(total),
        "shape": [n, height, width, channels],
        "columns": int(columns),
        "seconds": None if seconds is None else round(float(seconds), 3),
        "calls": int(calls),
    }


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.shape != b.shape:
        raise ValueError(f"x0 has shape {a.shape} where x has {b.shape}")
    return a


def with_files(value: dict[str, Any], cache: str) -> dict[str, Any]:
    """The same value, its sheets written to files that Gradio serves."""
    sheets = {p: as_file(sheet, "film.png", cache) for p, sheet in value["sheets"].items()}
    return {**value, "sheets": sheets}


def sheet(frames: np.ndarray) -> str:
    """A PNG data URI with every tile of every frame, row by row, as near square as may be."""
    f, n, h, w, c = frames.shape
    count = f * n
    across = min(count, max(1, round((count * h / w) ** 0.5)), SHEET_SIDE // w)
    down = -(-count // across)
    if down * h > SHEET_SIDE:
        raise ValueError(
            f"{f} frames of {n} tiles of {h} x {w} do not fit one sheet of {SHEET_SIDE} x "
            f"{SHEET_SIDE} pixels; record fewer frames"
        )
    cells = np.zeros((down * across, h, w, c), np.uint8)
    cells[:count] = frames.reshape(count, h, w, c)
    page = cells.reshape(down, across, h, w, c).swapaxes(1, 2).reshape(down * h, across * w, c)
    return png(page)