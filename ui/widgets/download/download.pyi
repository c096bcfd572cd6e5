"""The row that hands over what is on a screen: as a GIF, WebP or MP4 of so many frames, or PNG."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from ddpm_core import InvalidInput
from ddpm_core.animation import KINDS
from ddpm_core.errors import check_choice, check_int

from ...events import QUIET
from .. import component

__all__ = ["Choice", "Download", "Taken", "due", "idle", "pending", "size_in_words", "wire"]

FAILED = "The file could not be written; the server has made a note of it."
FORMATS = {"gif": "GIF", "webp": "WebP", "mp4": "MP4"}
STRIDES = (1, 2, 5, 10, 25, 50)
PANES = {"x": "xₜ", "x0": "x̂₀", "eps": "ε̂", "change": "change"}
# Encoding takes turns of its own: it holds no run up, and no run holds it up.
ENCODING = QUIET | {"concurrency_id": "encode", "concurrency_limit": 2}


@dataclass(frozen=True)
class Choice:
    """What a visitor wants to take.

    Attributes:
        format: ``"gif"``, ``"webp"`` or ``"mp4"``.
        stride: every how many steps a frame is kept.
        panes: which panes, by name; empty where there is no choice.
        order, run: of what it is wanted, as told to ``due``.
    """

    format: str = "gif"
    stride: int = 1
    panes: tuple[str, ...] = ()
    order: int = 0
    run: str = ""


class Taken(NamedTuple):
    """A file that was written: its path within Gradio's cache, its frames, its size in bytes.

    Attributes:
        png: a picture that goes with it, or None.
    """

    path: str
    frames: int
    size: int
    png: str | None = None

from gradio.events import Dependency

class Download(component.Component):
    """Format, stride and panes, and a button that tells frames and size before it is pressed.

    Its value is one of the dictionaries built by `idle`, `pending` and `due`; a function gets a
    `Choice` of it, or None. What is due is encoded as soon as it is told, and again with every
    choice: see `wire`.
    """

    NAME = "download"
    EVENTS = ("input",)
    WHAT = "format, stride, panes, order"

    def __init__(
        self,
        prefix: str,
        *,
        panes: Sequence[tuple[str, ...]] = (),
        chosen: tuple[str, ...] | None = None,
        png: bool = False,
        named: Mapping[str, str] = PANES,
        **props: Any,
    ):
        """
        Parameters:
            prefix: its element is `{prefix}-take`, its buttons are `{prefix}-gif`, whatever the
                format, and `{prefix}-png`.
            panes: what can be chosen; one or none of them offers no choice.
            chosen: which of them at first; the first one unless given.
            png: whether there is a button for a picture, too.
            named: what each pane is called.
        """
        # Gradio reads these back by name to build its configuration.
        self.prefix, self.panes, self.png = prefix, [tuple(p) for p in panes], png
        self.chosen = tuple(chosen) if chosen else (self.panes or [()])[0]
        self.named = dict(named)
        names = {",".join(p): _named(p, self.named) for p in self.panes}
        super().__init__(
            idle(),
            options={
                "prefix": prefix,
                "formats": FORMATS,
                "strides": STRIDES,
                "panes": names if len(names) > 1 else {},
                "chosen": ",".join(self.chosen),
                "png": png,
            },
            elem_id=f"{prefix}-take",
            **props,
        )

    def preprocess(self, payload: Any) -> Choice | None:
        """What came from the browser, or from elsewhere; None if it asks for nothing."""
        if not isinstance(payload, Mapping) or payload.get("kind") != "asked":
            return None
        panes = str(payload.get("panes", "")) or ",".join(self.chosen)
        offered = [",".join(p) for p in self.panes] or [""]
        panes = check_choice("choice of panes", panes, offered)
        return Choice(
            check_choice("kind of animation", payload.get("format"), KINDS),
            check_int("stride", payload.get("stride"), 1, 10_000),
            tuple(panes.split(",")) if panes else (),
            check_int("order", payload.get("order"), 0, 2**53 - 1),
            str(payload.get("run", "")),
        )
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

    
    def input(self,
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


def idle(order: int | None = None) -> dict[str, Any]:
    """There is nothing to take, or no longer: of what is older than this order."""
    return {"kind": "idle"} if order is None else {"kind": "idle", "order": int(order)}


def pending(order: int) -> dict[str, Any]:
    """What was there to take is about to be replaced by something of this order."""
    return {"kind": "pending", "order": int(order)}


def due(order: int, run: str = "") -> dict[str, Any]:
    """Something can be taken: the browser asks for it, as its visitor has chosen.

    Parameters:
        run: which run's film it is, of those that are kept; see `Choice`.
    """
    return {"kind": "due", "order": int(order), "run": run}


def wire(take: Download, encode: Callable[..., Sequence], inputs: Sequence = ()) -> None:
    """Encode what is due, with what is chosen; news that a newer run has overtaken is dropped.

    Args:
        encode: ``(choice, *values of inputs) -> Taken`` or ``(path, frames, size)``; the path must
            lie in Gradio's cache (see ``cache.put``). It runs on a thread of Gradio's, at most two
            at a time for all visitors, and must use the engine for nothing long. Its
            ``InvalidInput`` is what the button says then.
        inputs: components whose values it needs.
    """

    def write(choice: Choice | None, *values):
        if choice is None:
            return gr.skip()
        about = {"order": choice.order, "format": choice.format, "stride": choice.stride}
        about["panes"] = ",".join(choice.panes)
        try:
            made = Taken(*encode(choice, *values))
        except InvalidInput as error:
            return about | {"kind": "refused", "message": str(error)}
        except Exception:
            logging.exception("a file could not be written")
            return about | {"kind": "refused", "message": FAILED}
        return about | {
            "kind": "ready",
            "file": _served(made.path),
            "png": made.png and _served(made.png),
            "name": Path(made.path).name,
            "label": in_words(choice.format, made.frames, made.size),
        }

    # Not the last value only: what is asked for meanwhile would be read off the component once the
    # answer to the former stands there.
    take.input(write, [take, *inputs], take, trigger_mode="multiple", **ENCODING)


def in_words(kind: str, frames: int, size: int) -> str:
    """What a button says of a file before it is pressed."""
    return f"{FORMATS[kind]} · {frames:,} frame{'s'[: frames != 1]} · {size_in_words(size)}"


def size_in_words(size: int) -> str:
    """Bytes as a person reads them."""
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(1, size // 2**10)} kB"


def _named(panes: tuple[str, ...], names: Mapping[str, str]) -> str:
    if len(panes) == 2:
        return "both"
    return names.get(panes[0], panes[0]) if len(panes) == 1 else "all"


def _served(path: str) -> dict[str, Any]:
    return {"path": path, "orig_name": Path(path).name, "meta": {"_type": "gradio.FileData"}}