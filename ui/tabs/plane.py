"""The Plane tab: points instead of pictures, learned in front of the visitor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import gradio as gr

from lab.process.plane import picture

from ..events import STREAM, arm, words_of
from ..runs import plane_runs
from ..runs.player_values import failed, once_more, ordered
from ..runs.runs import Studio
from ..runs.ticket import Ticket
from ..sharing import files
from ..widgets.download import download
from ..widgets.plane import plane
from . import recordings
from .tool import FAILED

NAME = "plane"


@dataclass
class PlaneTab:
    """A link or a file reaches the tab as the query of a link, which the stage then asks for."""

    stage: plane.Plane

    @property
    def settable(self) -> list:
        return [self.stage]

    def asked(self, pairs: list, model: str) -> str | None:
        """The query of a link; None if it names no data."""
        return urlencode(pairs) if "data" in dict(pairs) else None

    def noted(self, about: dict) -> str:
        """The query in the note of a file."""
        return str(about.get("link", ""))

    def set_to(self, query: str, wanted: str) -> dict:
        return {self.stage: {"kind": "link", "query": query, "wanted": wanted}}


def build(studio: Studio) -> PlaneTab:
    """Lay the tab out and wire it."""
    with gr.Column(elem_classes="plane-bench"):
        props = {"label": "Points", "options": plane_runs.offered() | {"prefix": NAME}}
        stage = plane.Plane(recordings.load(NAME), elem_id=f"{NAME}-stage", **props)
        download_row = download.Download(NAME, place=NAME, by_frame=True)

    def run(request: dict | None, visitor: gr.Request) -> Iterator[dict]:
        if request is None or request.get("do") == "stop":
            studio.stop((visitor.session_hash, NAME))
            yield {stage: gr.skip()}
            return
        ticket, update = arm(studio, visitor, NAME), {stage: gr.skip()}
        with ticket.until_through():
            for update in answers(ticket, request):
                yield update
            yield from once_more(ticket, update)

    def answers(ticket: Ticket, request: dict) -> Iterator[dict]:
        if ticket.superseded:
            yield {stage: gr.skip()}
            return
        try:
            for value in plane_runs.stream(studio, ticket, request):
                yield {stage: ordered(value, ticket)} | files_of(value, ticket)
        except Exception as error:
            yield {stage: failed(words_of(error, FAILED), ticket)}

    def files_of(value: dict, ticket: Ticket) -> dict:
        if value["kind"] != "film":
            return {download_row: download.pending(ticket.order)}
        link = plane_runs.query(plane_runs.kept_flow(value["run"]))
        return {download_row: download.due(ticket.order, value["run"], link)}

    stage.input(run, stage, [stage, download_row], **STREAM)
    download.wire(download_row, taken)
    return PlaneTab(stage)


def taken(choice: download.Choice) -> download.Taken:
    """Write the film on the stage as a file, with a frame every ``choice.stride``."""
    flow = plane_runs.kept_flow(choice.run)
    numbers = range(len(flow.t))
    frames = [picture(flow, i) for i in numbers[:: choice.stride]]
    note = json.dumps({"model": "plane", "tab": NAME, "link": plane_runs.query(flow)})
    name = f"{flow.task.data}-{flow.walk.sampler}-{flow.walk.steps}steps"
    return files.written(choice, name, note, frames, picture(flow, choice.picture(numbers)))
