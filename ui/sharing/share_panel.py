"""The run on a stage as a film, a picture, a link, Python and a command line."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ..events import EVERY
from ..runs.races import RaceKey
from ..runs.runs import Key, Studio
from ..runs.ticket import Ticket
from ..widgets.download.download import Download, due, pending
from . import permalinks, race_links

# The state, the prediction, or both.
BOTH = [("x",), ("x0",), ("x", "x0")]
# The module that writes each kind of run as a link, as Python and as a command line.
LINKS = {Key: permalinks, RaceKey: race_links}


@dataclass
class SharePanel:
    """The components under a stage that hand the run over.

    Attributes:
        tab: the tab that it stands in.
        note: words about the link, if there can be any.
    """

    tab: str
    take: Download
    python: gr.Code
    command: gr.Code
    note: gr.Markdown | None = None

    @property
    def outputs(self) -> list:
        """The components that the server sets; the browser sets the link."""
        return [self.take, self.python, self.command, *([self.note] if self.note else [])]

    def announced(
        self, studio: Studio, ticket: Ticket, key: Key | RaceKey, ended: str = ""
    ) -> dict:
        """Updates that name a run, or a race: its link, its code, and its files once it has
        ``ended``, under this name."""
        order = ticket.order
        sampling = studio.model(key.model).config.sampling
        links = LINKS[type(key)]
        link = links.query(key, tab=self.tab)
        return {
            self.python: links.python(key),
            self.command: links.command_line(key, sampling),
            self.take: due(order, ended, link) if ended else pending(order, link),
        }


def build(prefix: str, place: str, chosen: tuple[str, ...], panes=BOTH) -> SharePanel:
    """Lay the row of downloads out, and the folded copies right below it."""
    row = Download(prefix, panes=panes, chosen=chosen, place=place, by_frame=True)
    return copies(row, prefix, place)


def copies(row: Download, prefix: str, place: str, noted: bool = False) -> SharePanel:
    """Lay out, folded, a run's link and code to be copied; ``noted`` adds room for words about the
    link."""
    with gr.Accordion("Link, Python, command line", open=False, elem_id=f"{prefix}-copies"):
        line = {"interactive": False, "buttons": ["copy"], "max_lines": 1}
        link = gr.Textbox(label="Link", elem_id=f"{prefix}-link", **line)
        frame = gr.Textbox(label="Embed code", elem_id=f"{prefix}-embed", **line)
        note = gr.Markdown(elem_classes="caption", elem_id=f"{prefix}-note") if noted else None
        boxes = {"interactive": False, "wrap_lines": True, "lines": 1}
        python = gr.Code(label="Python", language="python", **boxes)
        command = gr.Code(label="Command line", language="shell", **boxes)
    script = f'() => [window.page.link("{place}"), window.page.embedding("{place}")]'
    row.linked(None, None, [link, frame], js=script, **EVERY)
    return SharePanel(place.partition(" ")[0], row, python, command, note)
