"""Everything is kept: the run on a stage as a film, a picture, link, Python and command line."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ..events import EVERY
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
    "Choice",
    "SharePanel",
    "Download",
    "Taken",
    "build",
    "due",
    "idle",
    "offered",
    "pending",
    "size_in_words",
    "take",
    "wire",
]

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
        """What the server sets; the link is set by the browser."""
        return [self.take, self.python, self.command]

    def announced(self, studio: Studio, tab: str, progress: Progress, order: int) -> dict:
        """Updates that name a run: its link, its code, and its files once it has ended.

        Args:
            order: of the run (``Ticket.order``).
        """
        meant = studio.model(progress.key.model).config.sampling
        link = permalinks.query(progress.key, tab=tab)
        return {
            self.python: permalinks.python(progress.key),
            self.command: permalinks.command_line(progress.key, meant=meant),
            self.take: offered(order, progress, link),
        }


def offered(order: int, progress, link: str) -> dict:
    """What there is to take of a run that goes on, or of one that has ended."""
    return due(order, progress.id, link) if progress.done else pending(order, link)


def take(prefix: str, panes=(), chosen=None, png: bool = False, **more) -> Download:
    """Lay out the row that hands over what is on the screen; see ``Download`` and ``wire``.

    Whoever puts something on the screen tells the row: ``{row: keep.pending(order)}`` when that
    begins, ``{row: keep.due(order, run)}`` when it can be taken. ``order`` rises from run to run,
    as ``Ticket.order`` does; ``run`` is the id of the run.
    """
    return Download(prefix, panes=panes, chosen=chosen, png=png, elem_classes="keep", **more)


def build(prefix: str, place: str, chosen: tuple[str, ...] = ("x",), panes=BOTH) -> SharePanel:
    """Lay the row of downloads and the folded copies out; the link of a run becomes the address.

    Args:
        place: a tab, and behind a space one of its views: where the browser keeps the link.
        chosen: the panes that a film shows unless others are chosen.
        panes: what can be chosen.
    """
    row = take(prefix, panes, chosen, png=True, place=place)
    with gr.Accordion("Link, Python, command line", open=False, elem_id=f"{prefix}-copies"):
        link = gr.Textbox(label="Link", interactive=False, buttons=["copy"], max_lines=1)
        python = gr.Code(label="Python", language="python", interactive=False, wrap_lines=True)
        command = gr.Code(
            label="Command line", language="shell", interactive=False, wrap_lines=True
        )
    row.linked(None, None, link, js=f'() => window.page.link("{place}")', **EVERY)
    return SharePanel(row, link, python, command)
