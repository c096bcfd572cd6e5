"""The Plane tab: points instead of pictures, learned in front of the visitor."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import gradio as gr

from ddpm_core import InvalidInput
from lab.process.plane import picture

from ..events import STREAM, arm
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
    """What arrives at the tab, a link or a file, is the query of a link: its stage asks for it."""

    stage: plane.Plane

    @property
    def settable(self) -> list:
        return [self.stage]

    def asked(self, pairs: list, model: str) -> str | None:
        """What a link asks for, if it names anything but the tab."""
        return urlencode(pairs) if "data" in dict(pairs) else None

    def noted(self, about: dict) -> str:
        """What the note of a file asks for."""
        return str(about.get("link", ""))

    def set_to(self, query: str, wanted: str) -> dict:
        return {self.stage: {"kind": "link", "query": query, "wanted": wanted}}


def build(studio: Studio) -> PlaneTab:
    """Lay the tab out and wire it."""
    with gr.Column(elem_classes="plane-bench"):
        offered, recorded = plane_runs.offered(), recordings.load(NAME)
        stage = plane.Plane(recorded, offered=offered, prefix=NAME, elem_id=f"{NAME}-stage")
        take = download.Download(NAME, place=NAME, elem_classes="keep")

    def run(asked: dict | None, visitor: gr.Request) -> Iterator[dict]:
        if asked is None or asked.get("do") == "stop":
            studio.stop((visitor.session_hash, NAME))
            yield {stage: gr.skip()}
            return
        ticket, news = arm(studio, visitor, NAME), {stage: gr.skip()}
        with ticket.until_through():
            for news in answers(ticket, asked):
                yield news
            yield from once_more(ticket, news)

    def answers(ticket: Ticket, asked: dict) -> Iterator[dict]:
        if ticket.superseded:
            yield {stage: gr.skip()}
            return
        try:
            for value in plane_runs.stream(studio, ticket, asked):
                yield {stage: ordered(value, ticket)} | files_of(value, ticket)
        except InvalidInput as error:
            yield {stage: failed(error, ticket)}
        except Exception:
            logging.exception("points could not be learned")
            yield {stage: failed(FAILED, ticket)}

    def files_of(value: dict, ticket: Ticket) -> dict:
        if value["kind"] != "film":
            return {take: download.pending(ticket.order)}
        link = plane_runs.query(plane_runs.kept_flow(value["run"]))
        return {take: download.due(ticket.order, value["run"], link)}

    stage.input(run, stage, [stage, take], **STREAM)
    download.wire(take, taken)
    return PlaneTab(stage)


def taken(choice: download.Choice) -> download.Taken:
    """What is on the stage as a file, every so many frames of it."""
    flow = plane_runs.kept_flow(choice.run)
    frames = [picture(flow, i) for i in range(0, len(flow.t), choice.stride)]
    note = json.dumps({"model": "plane", "tab": NAME, "link": plane_runs.query(flow)})
    name = f"{flow.task.data}-{flow.walk.sampler}-{flow.walk.steps}steps"
    return files.written(choice, name, note, frames, frames[-1])
