"""The row that hands over what is on a screen: as a GIF, WebP or MP4 of so many frames, or PNG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from ddpm_core.errors import check_choice, check_int

from ...events import QUIET, words_of
from ...gradio_internals import file
from .. import component

FAILED = "The file could not be written; the server has made a note of it."
FORMATS = {"gif": "GIF", "webp": "WebP", "mp4": "MP4"}
STRIDES = (1, 2, 5, 10, 25, 50)
PANES = {"x": "xₜ", "x0": "x̂₀", "eps": "ε̂", "change": "change"}
# Encoding has a queue of its own: it delays no run, and no run delays it.
ENCODING = QUIET | {"concurrency_id": "encode", "concurrency_limit": 2}


@dataclass(frozen=True)
class Choice:
    """A visitor's choice: the ``order`` and ``run`` of ``due``, a ``format``, one of ``FORMATS``, a
    frame every ``stride`` steps, and ``panes``, if any can be chosen. With a ``frame``, the number
    of one, its picture alone."""

    format: str = "gif"
    stride: int = 1
    panes: tuple[str, ...] = ()
    order: int = 0
    run: str = ""
    frame: int | None = None

    def picture(self, frames: Sequence[Any]) -> Any:
        """The picture that goes with these frames: the last, unless another is chosen."""
        last = len(frames) - 1
        return frames[last if self.frame is None else check_int("frame", self.frame, 0, last)]


class Taken(NamedTuple):
    """A file that was written: its path within Gradio's cache, its frames, and the path of a
    picture that goes with it."""

    path: str
    frames: int
    png: str


class Download(component.Component):
    """Format, stride and panes, and a button that shows frames and size before it is pressed.

    Its value is one of the dictionaries built by `idle`, `pending` and `due`; a function gets a
    `Choice` of it, or None. What is due is encoded at once, and again with every choice: see
    `wire`. `linked` fires when the browser knows another link of the run.
    """

    EVENTS = ("input", "linked")

    def __init__(
        self,
        prefix: str,
        *,
        panes: Sequence[tuple[str, ...]] = (),
        chosen: tuple[str, ...] | None = None,
        named: Mapping[str, str] = PANES,
        place: str = "",
        of_tool: bool = False,
        by_frame: bool = False,
        **props: Any,
    ):
        """
        Parameters:
            prefix: its element is `{prefix}-take`, its buttons are `{prefix}-gif`, whatever the
                format, `{prefix}-png` and `{prefix}-copy`.
            panes: what can be chosen; one or none of them offers no choice.
            chosen: which of them at first; the first one unless given.
            place: where the browser keeps the run's link, which a button copies: a tab, or a tab
                and one of its views with a space between them; none unless given.
            of_tool: it is the row of a tool, below the one of the place: when it has nothing to
                take, the place keeps its link.
            by_frame: while the cursor of the place's film rests before its end, the PNG is of what
                stands there.
        """
        self.panes = [tuple(p) for p in panes]
        self.chosen = tuple(chosen) if chosen else (self.panes or [()])[0]
        names = {",".join(p): _named(p, named) for p in self.panes}
        super().__init__(
            idle(),
            options={
                "prefix": prefix,
                "formats": FORMATS,
                "strides": STRIDES,
                "panes": names if len(names) > 1 else {},
                "chosen": ",".join(self.chosen),
                "place": place,
                "of_tool": of_tool,
                "by_frame": by_frame,
            },
            elem_id=f"{prefix}-take",
            elem_classes="keep",
            **props,
        )

    def preprocess(self, payload: Any) -> Choice | None:
        """The choice that was sent, by the browser or by others; None if it asks for nothing."""
        if not isinstance(payload, Mapping) or payload.get("kind") != "asked":
            return None
        panes = str(payload.get("panes", "")) or ",".join(self.chosen)
        offered = [",".join(p) for p in self.panes] or [""]
        panes = check_choice("choice of panes", panes, offered)
        frame = payload.get("frame")
        return Choice(
            check_choice("kind of animation", payload.get("format"), FORMATS),
            check_int("stride", payload.get("stride"), 1, 10_000),
            tuple(panes.split(",")) if panes else (),
            check_int("order", payload.get("order"), 0, 2**53 - 1),
            str(payload.get("run", "")),
            None if frame is None else check_int("frame", frame, 0, 10_000),
        )


def idle(order: int | None = None, link: str = "") -> dict[str, Any]:
    """There is nothing to take, or no longer anything older than this order.

    Parameters:
        link: the query of a run that was stopped before there was anything.
    """
    return {"kind": "idle", "link": link} | ({} if order is None else {"order": int(order)})


def pending(order: int, link: str = "") -> dict[str, Any]:
    """The last offer is about to be replaced by one of this order and this link."""
    return {"kind": "pending", "order": int(order), "link": link}


def due(order: int, run: str = "", link: str = "") -> dict[str, Any]:
    """Something can be taken: the browser asks for it, as its visitor has chosen.

    Parameters:
        run: the kept run whose film it is.
        link: the query of the run, if it has one.
    """
    return {"kind": "due", "order": int(order), "run": run, "link": link}


def wire(take: Download, encode: Callable[..., Sequence], inputs: Sequence = ()) -> None:
    """Encode what is due, with what is chosen; news that a newer run has overtaken is dropped.

    Args:
        encode: ``(choice, *values of inputs) -> Taken``, whose paths must lie in Gradio's cache
            (``component.cached``). It runs on a thread of Gradio's, at most two at a time for all
            visitors, and must use the engine for nothing long. The button shows its
            ``InvalidInput``.
        inputs: components whose values it needs.
    """

    def write(choice: Choice | None, *values):
        if choice is None:
            return gr.skip()
        about = {"order": choice.order, "format": choice.format, "stride": choice.stride}
        about |= {"panes": ",".join(choice.panes), "frame": choice.frame}
        try:
            taken = encode(choice, *values)
        except Exception as error:
            return about | {"kind": "refused", "message": words_of(error, FAILED)}
        return about | {
            "kind": "ready",
            "file": file(taken.path, orig_name=Path(taken.path).name),
            "png": file(taken.png, orig_name=Path(taken.png).name),
            "name": Path(taken.path).name,
            "label": in_words(choice.format, taken.frames, Path(taken.path).stat().st_size),
        }

    # Not the last value only: Gradio would read a later request from the component when the answer
    # to the earlier one already stands there.
    take.input(write, [take, *inputs], take, trigger_mode="multiple", **ENCODING)


def in_words(kind: str, frames: int, size: int) -> str:
    """The words of a button about a file, before it is pressed."""
    amount = f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(1, size // 2**10)} kB"
    return f"Save {FORMATS[kind]} · {frames:,} frame{'s'[: frames != 1]} · {amount}"


def _named(panes: tuple[str, ...], names: Mapping[str, str]) -> str:
    if len(panes) == 2:
        return "both"
    return names.get(panes[0], panes[0]) if len(panes) == 1 else "all"
