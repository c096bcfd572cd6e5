"""The race: several runs of the reverse process ("lanes") on one locked timeline.

As with the player, a race reaches the browser twice: `live` values carry the newest frame of each
lane while it lasts, and one `film` value carries every recorded frame when it has ended. One cursor
moves all lanes, aligned by step (position 1 - t / T) or by log-SNR; curves of what each lane did at
every frame stand under it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import component
from ..component import ordered, raw, tiles
from ..player.player import sheet

__all__ = ["ALIGN", "PANES", "Race", "error", "film", "idle", "lane", "live", "live_lane"]

PANES = ("x", "x0", "eps", "change")
ALIGN = ("t", "logsnr")
SCALES = ("linear", "log")

from gradio.events import Dependency

class Race(component.Component):
    """Lanes of pictures, a timeline with a transport, and curves.

    Its value is one of the dictionaries built by `idle`, `live`, `film` and `error`. On the page it
    dispatches `player:cursor` as a player does (`detail`: the first lane's `index`, `t`; `run`;
    `tile`, always 0; `position`, from 0 to 1), and follows `player:seek` (`detail.index`, a step of
    the first lane).
    """

    NAME = "race"
    WHAT = "a value built by idle, live, film or error"

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        label: str,
        lanes: Sequence[str],
        curves: Sequence[Mapping[str, str]] = (),
        panes: Sequence[str] = PANES,
        shown: Sequence[str] = ("x",),
        align: Sequence[str] = ALIGN,
        compact: bool = False,
        **props: Any,
    ):
        """
        Parameters:
            value: the first value; a `film` here plays as soon as the race is seen, once, unless
                motion is unwelcome.
            label: the name that assistive technology reads.
            lanes: the names of the lanes to come, so that the first run moves nothing.
            curves: for each its `key` among a lane's numbers, its `symbol` (HTML), a `text`, and
                the `scale` it is drawn to, "linear" (unless told) or "log".
            panes: what there is to choose from, out of "x" (x_t), "x0" (x̂0), "eps" (the noise
                that goes with x̂0, clipped or not) and "change" (made by the step).
            shown: which of them are shown at first.
            align: "t" (by step), "logsnr", or both, the first of them at first.
            compact: many small lanes in a flowing grid instead of large ones side by side.
        """
        _within("panes", panes, PANES)
        _within("shown", shown, panes)
        _within("align", align, ALIGN)
        curves = [{"scale": "linear"} | dict(curve) for curve in curves]
        for curve in curves:
            if set(curve) != {"key", "symbol", "text", "scale"} or curve["scale"] not in SCALES:
                raise ValueError(f"a curve has key, symbol, text and scale {SCALES}, got {curve}")
        # Gradio reads these back by name to build its configuration.
        self.lanes, self.curves, self.compact = list(_distinct(lanes)), curves, bool(compact)
        self.panes = [pane for pane in PANES if pane in panes]
        self.shown, self.align = list(shown), list(align)
        options = {"lanes": self.lanes, "curves": curves, "panes": self.panes}
        options |= {"shown": self.shown, "align": self.align, "compact": self.compact}
        super().__init__(
            idle() if value is None else value,
            label=label,
            options=options,
            **props,
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Move a film's sheets out of the value, into files that Gradio serves and clears away."""
        if not isinstance(value, dict) or value.get("kind") != "film":
            return value
        lanes = []
        for one in value["lanes"]:
            files = {
                pane: component.as_file(picture, f"{pane}.png", self.GRADIO_CACHE)
                for pane, picture in one["sheets"].items()
            }
            lanes.append(one | {"sheets": files})
        return value | {"lanes": lanes}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def idle(
    message: str = "Press Run to watch noise become a picture.",
    lanes: Sequence[str] | None = None,
    order: int | None = None,
) -> dict[str, Any]:
    """Nothing has run yet: empty lanes of these names, or of those the constructor was told."""
    named = {} if lanes is None else {"lanes": list(_distinct(lanes))}
    return {"kind": "idle", "message": message, **named, **ordered(order)}


def error(message: str, order: int | None = None) -> dict[str, Any]:
    """Something went wrong; `message` is shown over the lanes and the last film stays usable."""
    return {"kind": "error", "message": message, **ordered(order)}


def lane(
    name: str,
    t: Sequence[int],
    panes: Mapping[str, np.ndarray],
    *,
    log_snr: Sequence[float],
    numbers: Mapping[str, Sequence[float | None]] | None = None,
    columns: int = 1,
    calls: int = 0,
    seconds: float = 0.0,
    total: int = 0,
    note: str = "",
    indices: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Every recorded frame of one lane, for `film`.

    Parameters:
        name: shown over the pictures; lanes are told apart by it.
        t: the time of each frame's state, falling from T, the opening noise.
        panes: by name out of `PANES`, uint8 (frames, n, H, W, C), C = 1 or 3; "x" among them.
            Nothing is predicted at the first frame: what stands there in the others is not shown,
            and may be left out altogether.
        log_snr: of each frame's state, finite, rising. The timeline ends at -12 and 12: beyond,
            what is left of image or noise is less than half a grey level.
        numbers: for each key as many as frames; None or a nan where there is none.
        columns: tiles in a row.
        calls, seconds: how many network calls, and how long they took.
        total: how many steps the run had, or was to have; as far as it got unless told.
        note: stands after the name.
        indices: the step of each frame, rising from 0; 0, 1, 2 ... unless told.

    Raises:
        ValueError: if shapes, lengths or order do not fit together.
    """
    if "x" not in panes:
        raise ValueError("a lane shows x at least")
    _within("panes", list(panes), PANES)
    x = tiles(panes["x"], 5, "x")
    count = len(x)
    if not count or not x.shape[1]:
        raise ValueError(f"a lane has one frame and one image at least, got {x.shape}")
    steps = list(range(count)) if indices is None else [int(i) for i in indices]
    given = {"timesteps": t, "log-SNRs": log_snr, "indices": steps} | dict(numbers or {})
    for what, values in given.items():
        if len(values) != count:
            raise ValueError(f"{len(values)} {what} for {count} frames")
    times, levels = [int(v) for v in t], [float(v) for v in log_snr]
    if steps[0] or any(b <= a for a, b in zip(steps, steps[1:], strict=False)):
        raise ValueError("indices must begin at 0 and rise from frame to frame")
    if times[0] < 1 or times[-1] < 0 or any(b >= a for a, b in zip(times, times[1:], strict=False)):
        raise ValueError("t must fall from T, at least 1, towards 0")
    if not np.isfinite(levels).all() or (np.diff(levels) < 0).any():
        raise ValueError("log_snr must be finite and must not fall")
    sheets = {"x": sheet(x)}
    for pane, pictures in panes.items():
        pictures = tiles(pictures, 5, pane)
        pictures = pictures[1:] if len(pictures) == count else pictures
        if pictures.shape[1:] != x.shape[1:] or len(pictures) != count - 1:
            raise ValueError(f"{pane} has shape {pictures.shape} where x has {x.shape}")
        if pane != "x" and len(pictures):
            sheets[pane] = sheet(pictures)
    return {
        "t": times,
        "log_snr": [_short(v) for v in levels],
        "indices": steps,
        "numbers": {k: [_short(v) for v in values] for k, values in (numbers or {}).items()},
        "sheets": sheets,
        "total": max(int(total), steps[-1]),
        "note": str(note),
        **_about(name, x.shape[1:], columns, calls, seconds),
    }


def live_lane(
    name: str,
    index: int,
    t: int,
    log_snr: float,
    frame: Mapping[str, np.ndarray],
    columns: int = 1,
    calls: int = 0,
    seconds: float = 0.0,
    total: int = 0,
    numbers: Mapping[str, float | None] | None = None,
    note: str = "",
) -> dict[str, Any]:
    """The newest frame of one lane, for `live`.

    Parameters:
        index: how many steps are done; 0 is the opening noise, which has x alone.
        frame: by pane, uint8 (n, H, W, C); "x" among them.

    The others are as for `lane`, of this frame alone.
    """
    if "x" not in frame:
        raise ValueError("a lane shows x at least")
    _within("panes", list(frame), PANES)
    x = tiles(frame["x"], 4, "x")
    shown = {"x": x} if not index else {p: tiles(a, 4, p) for p, a in frame.items()}
    for pane, picture in shown.items():
        if picture.shape != x.shape:
            raise ValueError(f"{pane} has shape {picture.shape} where x has {x.shape}")
    if not math.isfinite(log_snr):
        raise ValueError("log_snr must be finite")
    return {
        "index": int(index),
        "t": int(t),
        "log_snr": _short(log_snr),
        "frame": {pane: raw(picture) for pane, picture in shown.items()},
        "numbers": {k: _short(v) for k, v in (numbers or {}).items()},
        "total": int(total),
        "note": str(note),
        **_about(name, x.shape, columns, calls, seconds),
    }


def live(
    run: str, lanes: Sequence[Mapping[str, Any]], *, order: int | None = None
) -> dict[str, Any]:
    """The newest frame of each lane of a race under way, from `live_lane`.

    A lane whose frame is the same as before moves nothing, and one that has not begun may be left
    out.

    Parameters:
        run: a name no other race shares; a new name clears the lanes.
        order: a value older than the newest seen is ignored.
    """
    _distinct([one["name"] for one in lanes])
    return {"kind": "live", "run": str(run), "lanes": list(lanes), **ordered(order)}


def film(
    run: str,
    lanes: Sequence[Mapping[str, Any]],
    *,
    order: int | None = None,
    stopped: bool = False,
    recorded: str = "",
    earlier: bool = False,
    still: bool = False,
) -> dict[str, Any]:
    """Every recorded frame of a race that has ended, from `lane`.

    Parameters:
        stopped: whether it ended before its last step.
        recorded: for a race that ships with the page, words for a badge; empty for a live one.
        earlier: whether it was computed before this visitor asked for it, and so were its seconds.
        still: show its end at once; do not play.
    """
    _distinct([one["name"] for one in lanes])
    if not lanes:
        raise ValueError("a film has one lane at least")
    return {
        "kind": "film",
        "run": str(run),
        "lanes": list(lanes),
        "stopped": bool(stopped),
        "recorded": str(recorded),
        "earlier": bool(earlier),
        "still": bool(still),
        **ordered(order),
    }


def _about(
    name: str, shape: Sequence[int], columns: int, calls: int, seconds: float
) -> dict[str, Any]:
    return {
        "name": str(name),
        "shape": [int(side) for side in shape],
        "columns": max(1, min(int(columns), int(shape[0]))),
        "calls": int(calls),
        "seconds": round(float(seconds), 3),
    }


def _short(value: float | None) -> float | None:
    """Six digits, for a curve; JSON has no nan."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _distinct(names: Sequence[str]) -> Sequence[str]:
    if len(set(names)) != len(names):
        raise ValueError(f"lanes are told apart by their names, got {list(names)}")
    return names


def _within(what: str, chosen: Sequence[str], known: Sequence[str]) -> None:
    if not chosen or set(chosen) - set(known):
        raise ValueError(f"{what} must be chosen from {tuple(known)}, got {tuple(chosen)}")