"""The parts of Gradio that the page's Python needs and that Gradio does not promise.

No other Python file uses a private name of Gradio or spells one of its messages. Two attributes of
components are exceptions: `GRADIO_CACHE`, the folder whose files are served, and `is_template`,
which draws a subclass like its base class. Each release may change any of this:
`tests/ui/test_gradio_internals.py` says what a new one broke. The needs of scripts and styles stand
in `docs/gradio.md`.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.context import LocalContext
from gradio.exceptions import ComponentProcessingError
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder

__all__ = ["FONTS", "MATHEMATICS", "ComponentProcessingError", "get_upload_folder"]

SEEN = "6.31.0"
# For each name, why the page needs it.
NAMES = {
    "gradio.Blocks.process_api": "every call runs through it: a refused one is noted in one line",
    "gradio.HTML.__getattr__": "looks for the names of a component's events in js_on_load",
    "gradio.exceptions.ComponentProcessingError": "a value that cannot be read",
    "gradio.utils.get_upload_folder": "the folder whose files are served and cleared away",
    "gradio.state_holder.SessionState._update_config": "keeps a copy of the page for deep links",
    "gradio.state_holder.SessionState._update_value_in_config": "keeps every value in it",
    "gradio.themes.utils.colors": "the scales of the theme",
    "gradio.themes.utils.sizes": "the scales of the theme",
}
# Folders of its package: the fonts that its own themes may use, and those of mathematics.
FONTS = "gradio", "templates/frontend/static/fonts"
MATHEMATICS = "gradio", "templates/frontend/assets"


# --- values ---


def file(path: str, **fields: Any) -> dict[str, Any]:
    """A part of a value that Gradio turns into a file with an address."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}} | fields


def is_file(value: dict[str, Any]) -> bool:
    """True if Gradio would take a value for a file: it fetches an address and looks for a path."""
    return "path" in value and "meta" in value


# --- functions of a page ---


def function(page: gr.Blocks, number: Any) -> BlockFunction | None:
    """The function of this number, or None; a stranger may send anything for it."""
    return page.fns.get(number) if type(number) is int else None


def public_function(page: gr.Blocks, name: str) -> BlockFunction | None:
    """The public function of this name, or None."""
    public = (f for f in page.fns.values() if f.api_visibility == "public")
    return next((f for f in public if f.api_name == name), None)


def component_function(page: gr.Blocks, number: Any, name: Any):
    """The function of this name among a component's `server_functions`, or None."""
    component = page.blocks.get(number) if type(number) is int else None
    method = getattr(component, name, None) if isinstance(name, str) else None
    return method if getattr(method, "_is_server_fn", False) else None


def announce_progress_on(page: gr.Blocks, component: gr.components.Component) -> None:
    """Let every event announce its progress there and nowhere else."""
    for event in page.fns.values():
        event.show_progress_on = [component]


# --- who is here ---


def has_left() -> bool:
    """True if the caller of the function that runs here has left.

    Gradio itself checks only between the answers of a generator, not within one. If it notes
    nothing about the caller, nobody has left.
    """
    queue = getattr(LocalContext.blocks.get(None), "_queue", None)
    event = getattr(queue, "event_ids_to_events", {}).get(LocalContext.event_id.get(None))
    return not getattr(event, "alive", True)


def lighten_sessions() -> None:
    """Make every new session without the copy of the whole page that Gradio keeps in each.

    Only deep links read that copy, and the page offers none. Making it takes a tenth of a second,
    in which the server answers nobody, and half a megabyte. It keeps every shown value as well.
    """
    SessionState.__init__ = _begin
    SessionState._update_config = SessionState._update_value_in_config = _keep_nothing


def _begin(session: SessionState, blocks) -> None:
    session.blocks_config = copy(blocks.default_config)
    session.config_values = {}
    session.state_data = {}
    session._state_ttl = {}
    session.is_closed = False
    session.STATE_TTL_WHEN_CLOSED = 3600  # seconds, as Gradio has it


def _keep_nothing(*_) -> None:
    pass
