"""Everything is kept: the run on a stage as a film, a picture, link, Python and command line."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ..events import QUIET
from ..runs.runs import Progress, Studio
from ..widgets.download.download import (
    Choice,
    Download,
    Taken,
    due,
    idle,
    pending,
    size_in_words,
    wire,
)
from . import permalinks

__all__ = [
    "BOTH",
    "REMEMBER",
    "Choice",
    "SharePanel",
    "Download",
    "Taken",
    "build",
    "due",
    "idle",
    "pending",
    "remember",
    "size_in_words",
    "take",
    "wire",
]

# Rewrites the address without a request, and shows the link whole. A run whose visitor has gone to
# another tab or view meanwhile leaves the address alone. Another tab or view is a step of the
# browser's history, see history.js; another run is none.
REMEMBER = """(query) => {
  if (!query) return query;
  const url = new URL(location.href);
  const theme = url.searchParams.get("__theme");
  const params = new URLSearchParams(query.slice(query.indexOf("?") + 1));
  const link = location.origin + location.pathname + "?" + params;
  const open = (id) => document.querySelector(`[data-tab-id="${id}"][aria-selected=true]`);
  const place = window.placeOf(params);
  if (!place.every(open)) return link;
  const step = String(place) === String(window.placeOf(url.searchParams)) ? "replace" : "push";
  if (theme) params.set("__theme", theme);
  history[`${step}State`](null, "", location.pathname + "?" + params);
  return link;
}"""
# The state, the prediction, or both.
BOTH = [("x",), ("x0",), ("x", "x0")]


@dataclass
class SharePanel:
    """The components under a stage that hand the run over."""

    take: Download
    link: gr.Textbox
    python: gr.Code
    command: gr.Code

    @property
    def outputs(self) -> list:
        return [self.take, self.link, self.python, self.command]

    def announced(self, studio: Studio, tab: str, progress: Progress, order: int) -> dict:
        """Updates that name a run: its link, its code, and its files once it has ended.

        Args:
            order: of the run (``Ticket.order``).
        """
        meant = studio.model(progress.key.model).config.sampling
        return {
            self.link: permalinks.query(progress.key, tab=tab),
            self.python: permalinks.python(progress.key),
            self.command: permalinks.command_line(progress.key, meant=meant),
            self.take: due(order, progress.id) if progress.done else pending(order),
        }


def take(prefix: str, panes=(), chosen=None, png: bool = False, **more) -> Download:
    """Lay out the row that hands over what is on the screen; see ``Download`` and ``wire``.

    Whoever puts something on the screen tells the row: ``{row: keep.pending(order)}`` when that
    begins, ``{row: keep.due(order, run)}`` when it can be taken. ``order`` rises from run to run,
    as ``Ticket.order`` does; ``run`` is the id of the run.
    """
    return Download(prefix, panes=panes, chosen=chosen, png=png, elem_classes="keep", **more)


def build(prefix: str, chosen: tuple[str, ...] = ("x",), panes=BOTH) -> SharePanel:
    """Lay the row of downloads and the folded copies out.

    Args:
        chosen: the panes that a film shows unless others are chosen.
        panes: what can be chosen.
    """
    row = take(prefix, panes, chosen, png=True)
    with gr.Accordion("Link, Python, command line", open=False, elem_id=f"{prefix}-copies"):
        link = gr.Textbox(label="Link", interactive=False, buttons=["copy"], max_lines=1)
        python = gr.Code(label="Python", language="python", interactive=False, wrap_lines=True)
        command = gr.Code(
            label="Command line", language="shell", interactive=False, wrap_lines=True
        )
    return SharePanel(row, link, python, command)


def remember(event, kept: SharePanel) -> None:
    """After ``event``, put the run into the page's address."""
    event.then(None, kept.link, kept.link, js=REMEMBER, **QUIET)
