"""The player: runs on one timeline, painted while they happen and replayed afterwards.

Each run is a lane; most players have one. One cursor moves all lanes, aligned by step or by
log-SNR. Curves of numbers at every frame may stand under them.

A run reaches the browser twice. While it lasts, `live` values carry the newest frame of each lane,
small enough to stream. When it ends, one `film` value carries every recorded frame as lossless
sheets, and from then on scrubbing and playing happen in the browser without a request. The sheet of
a long film carries some frames, which are played; the browser asks for the others when a visitor
scrubs to them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...runs.frames import some_frames
from .. import component
from ..component import png, raw

# Phones refuse larger pictures: 4096 x 4096 is the largest area every current browser decodes.
SHEET_SIDE = 4096


class Pane(NamedTuple):
    """One kind of picture that a run has at each of its frames; a recorded film or lane has it, as
    uint8 (frames, n, H, W, C), under its key in ``PANES``.

    Attributes:
        symbol, text: what stands over it, both HTML.
        spoken: its name for assistive technology.
        term: its name in the glossary.
    """

    symbol: str
    text: str
    spoken: str
    term: str


PANES = {
    "x": Pane("<i>x<sub>t</sub></i>", "the sample", "samples", "x_t"),
    "x0": Pane(
        "<i>x̂</i><sub>0</sub>",
        'the<span class="player-wide"> clean</span> image it predicts',
        "predicted clean images",
        "x̂0",
    ),
    # It may differ from the network's own: where x̂0 is clipped, ε follows from x̂0.
    "eps": Pane(
        "<i>ε</i>",
        "noise given <i>x̂</i><sub>0</sub>",
        "noise that goes with the predicted images",
        "noise",
    ),
    "change": Pane("change", "by the step", "changes made by the step", "change"),
}


class Player(component.Component):
    """A stage of pictures, a timeline with a transport, and curves.

    Its value is one of the dictionaries built by `component.idle`, `live`, `film`, `error` and
    `next_run`.
    On the page it dispatches `player:cursor` (`detail`: the first lane's `index` and `t`; `run`;
    `tile`; `position`, from 0 to 1), and follows `player:seek` (`detail.index`, a step of the first
    lane). With `clickable_tiles`, `player.select(fn)` calls `fn` with a `gr.SelectData` whose
    `index` is the tile that was clicked (0 first, row by row) and whose `value` is the run it
    belongs to. `player.rested(fn)` calls `fn` once a preview has stood for 0.3 seconds in which no
    other came: the hand that moves a slider rests.
    """

    EVENTS = ("select", "rested")

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        label: str = "Reverse process",
        lanes: Sequence[str] = ("",),
        panes: Sequence[str] = ("x", "x0"),
        shown: Sequence[str] | None = None,
        align: Sequence[str] = ("step",),
        curves: Sequence[Mapping[str, Any]] = (),
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
            lanes, grid: the names of the lanes, and the columns and rows of tiles to come, so that
                the first run moves nothing.
            panes: what there is to choose from, out of `PANES`.
            shown: which of them are shown at first; all, and no choice, unless given.
            align: "step" for one lane; for several "t" (by step), "logsnr", or both.
            curves: for each its `key` among a lane's numbers, its `symbol` (HTML), a `text`, a
                sentence `about` it, the `scale` it is drawn to, "linear" or "log", and what a
                linear axis has to `span` at least, if anything. The first is shown at first.
            autoplay: play a film that was not watched live, once, unless motion is unwelcome.
            names: for a pane that shows something else, what differs from its entry in `PANES`.
            counts: the word for what `total` counts, as it is spoken.
            way: where Play leads: 1 from noise to picture, -1 from picture to noise.
        """
        names = names or {}
        super().__init__(
            value,
            label=label,
            options={
                "lanes": list(lanes),
                "panes": [
                    {"key": pane} | PANES[pane]._asdict() | names.get(pane, {}) for pane in panes
                ],
                "shown": list(panes if shown is None else shown),
                "align": list(align),
                "curves": list(curves),
                "clickable": clickable_tiles,
                "autoplay": autoplay,
                "grid": grid,
                "counts": counts,
                "way": way,
            },
            server_functions=[some_frames],
            **props,
        )


def error(message: str) -> dict[str, Any]:
    """Something went wrong; `message` is shown over the stage and the last film stays usable. With
    `beside` a run that is under way goes on."""
    return {"kind": "error", "message": message}


def next_run(index: int, total: int) -> dict[str, Any]:
    """The position of a run that shows only its end; what is on the stage stays there."""
    return {"kind": "next", "index": int(index), "total": int(total)}


def live(run: str, lanes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The newest frame of each lane of a run under way, from `live_lane`; one that has not begun
    may be left out. `run` is a name that no other run shares."""
    return {"kind": "live", "run": run, "lanes": list(lanes)}


def film(
    run: str,
    lanes: Sequence[Mapping[str, Any]],
    *,
    stopped: bool = False,
    recorded: str = "",
    earlier: bool = False,
) -> dict[str, Any]:
    """Every recorded frame of a run that has ended, from `lane`.

    Parameters:
        stopped: it ended before its last step.
        recorded: for one that ships with the page, words for a badge.
        earlier: a badge says that several lanes, and their seconds, were computed before this
            visitor asked for them.
    """
    about = {"stopped": stopped, "recorded": recorded, "earlier": earlier}
    return {"kind": "film", "run": run, "lanes": list(lanes)} | about


def live_lane(
    name: str,
    index: int,
    t: int,
    frame: Mapping[str, np.ndarray],
    *,
    log_snr: float | None = None,
    numbers: Mapping[str, float | None] | None = None,
    expected: float | None = None,
    **about: Any,
) -> dict[str, Any]:
    """The newest frame of one lane, for `live`; for the other arguments see `lane`.

    Parameters:
        index: how many steps are done, 0 (the opening noise, which has x alone) to `total`.
        t: the timestep the frame is at; T for the opening noise.
        frame: by pane, uint8 (n, H, W, C).
        expected: about how many seconds all of the run will take, if that is to be said.
    """
    return {
        "index": int(index),
        "t": int(t),
        "log_snr": log_snr,
        "frame": {pane: raw(a) for pane, a in frame.items() if index or pane == "x"},
        "numbers": {k: _short(v) for k, v in (numbers or {}).items()},
        "expected": None if expected is None else round(expected),
        **_about(name, frame["x"].shape, **about),
    }


def lane(
    name: str,
    t: Sequence[int],
    panes: Mapping[str, np.ndarray],
    *,
    log_snr: Sequence[float] | None = None,
    numbers: Mapping[str, Sequence[float | None]] | None = None,
    indices: Sequence[int] | None = None,
    chosen: Sequence[int] | None = None,
    source: str = "",
    classes: Sequence[str] | None = None,
    **about: Any,
) -> dict[str, Any]:
    """Every recorded frame of one lane, for `film`.

    Parameters:
        name: shown over the pictures of several; it names the lane.
        t: the time of each frame's state, falling.
        panes: by name out of `PANES`, uint8 (frames, n, H, W, C), C = 1 or 3; "x" among them.
            Nothing is predicted at step 0: what stands there in the others is not shown, and may be
            left out altogether.
        log_snr: of each frame's state, finite, rising; for lanes aligned by it. The timeline ends
            at -12 and 12: beyond, what is left of image or noise is less than half a grey level.
        numbers: for each key as many as frames; None or a nan where there is none.
        indices: the step of each frame, rising; 0, 1, 2 ... unless given.
        chosen: the frames that the panes hold, by number, the first and the last among them; all
            unless given.
        source: the name by which the others are asked for (`frames.name_of`).
        classes: the names of those that the number `reads` counts.
        about: `columns`, tiles in a row; `calls` of the network for each image; `seconds`, None
            where they were another's; `total`, how many steps the run had, or was to have; `note`,
            which stands after the name; `told`, whether the network was told a class.
    """
    steps = [int(i) for i in (range(len(t)) if indices is None else indices)]
    x = panes["x"]
    predicted = len(x) - (steps[0] == 0)
    others = {pane: a[-predicted:] for pane, a in panes.items() if pane != "x" and predicted}
    return {
        "t": [int(v) for v in t],
        "log_snr": None if log_snr is None else [float(v) for v in log_snr],
        "indices": steps,
        "chosen": None if chosen is None else [int(k) for k in chosen],
        "source": source,
        "numbers": {k: [_short(v) for v in values] for k, values in (numbers or {}).items()},
        "sheets": {pane: sheet(a) for pane, a in ({"x": x} | others).items()},
        "classes": classes,
        **_about(name, x.shape[1:], **about),
    }


def _about(
    name: str,
    shape: Sequence[int],
    *,
    columns: int,
    calls: int,
    seconds: float | None,
    total: int,
    note: str = "",
    told: bool = False,
) -> dict[str, Any]:
    counts = {"columns": int(columns), "calls": int(calls), "total": int(total)}
    time = None if seconds is None else round(float(seconds), 3)
    about = {"name": name, "shape": list(shape), "seconds": time, "note": note, "told": told}
    return about | counts


def sheet(frames: np.ndarray) -> str:
    """A PNG data URI with every tile of every frame, row by row, as near square as may be."""
    f, n, h, w, c = frames.shape
    count = f * n
    across = min(count, max(1, round((count * h / w) ** 0.5)), SHEET_SIDE // w)
    down = -(-count // across)
    cells = np.zeros((down * across, h, w, c), np.uint8)
    cells[:count] = frames.reshape(count, h, w, c)
    page = cells.reshape(down, across, h, w, c).swapaxes(1, 2).reshape(down * h, across * w, c)
    return png(page)


def _short(value: float | None) -> float | None:
    """Six digits, for a curve; JSON has no nan."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
