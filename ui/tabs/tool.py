"""Tools beside a stage, each with a button of its own: a strip, a sheet, a plot.

A new tool is a subclass of `Tool`: where it shows, and what it computes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import gradio as gr

from ..events import AT_ONCE, STREAM, arm, words_of
from ..runs.player_values import ordered
from ..runs.runs import Studio
from ..runs.ticket import Ticket
from ..sharing.guard import FAILED
from ..widgets import component
from ..widgets.download import download


class Tool(ABC):
    """A tool: where it shows its result, and how it is run and stopped.

    Attributes:
        place: names its runs among a visitor's.
        shows: the component of its result.
        note: says in words what is shown, or how far it is.
        take: offers the result as a file.
        js: a script by which the browser changes the inputs, if any.
    """

    place: str
    shows: gr.components.Component
    note: gr.Markdown | None = None
    take: download.Download | None = None
    js: str | None = None

    def __init__(self, studio: Studio):
        self.studio = studio

    @abstractmethod
    def compute(self, ticket: Ticket, *values) -> Iterator[dict]:
        """Updates with the result so far.

        Raises:
            InvalidInput: saying why it cannot be computed.
        """

    def empty(self, message: str) -> dict:
        """The value that it shows instead of a result."""
        return component.idle(message)

    def buttons(self, words: str, go: str, stop: str, **look) -> None:
        """Lay out the buttons that run and stop it, with these element ids."""
        self.go = gr.Button(words, elem_id=go, **look)
        self.halt = gr.Button("Stop", elem_id=stop, **look)

    def run(self, visitor: gr.Request, *values) -> Iterator[dict]:
        """Compute it for a visitor, in place of their last result there."""
        ticket = arm(self.studio, visitor, self.place)
        if ticket.superseded:
            yield {self.shows: gr.skip()}
            return
        try:
            for updates in self.compute(ticket, *values):
                if self.shows in updates:
                    updates[self.shows] = ordered(updates[self.shows], ticket)
                yield updates
        except Exception as error:
            yield self.cleared(words_of(error, FAILED), ticket)

    def cleared(self, message: str, ticket: Ticket) -> dict:
        """Updates that remove the result and say why."""
        updates = {self.shows: ordered(self.empty(message), ticket)}
        updates |= {self.note: ""} if self.note else {}
        return updates | ({self.take: download.idle(ticket.order)} if self.take else {})

    def stop(self, visitor: gr.Request) -> None:
        """End it after the step it is in; its result so far stays."""
        self.studio.stop((visitor.session_hash, self.place))

    @property
    def parts(self) -> list:
        """Its own components that it updates."""
        return [part for part in (self.shows, self.note, self.take) if part]

    def wire(self, inputs: list, *outputs) -> None:
        """Let its buttons run and stop it.

        Args:
            inputs: components from whose values it is computed.
            outputs: components that it updates besides its ``parts``.
        """
        self.go.click(self.run, inputs, [*self.parts, *outputs], js=self.js, **STREAM)
        self.halt.click(self.stop, **AT_ONCE)
