"""A bench: a stage, what can be kept from it, and the controls that run it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from ddpm_core import InvalidInput, Request

from . import controls, keep, player, stage
from .runs import Progress, Studio


@dataclass
class Bench:
    """One tab's stage and controls; a tab is a bench with settings of its own.

    Attributes:
        name: of the tab, in links and element ids.
        panes: what its GIF shows.
        current: the key of the run on the stage, or about to be, (model, request); else None.
    """

    studio: Studio
    name: str
    panes: tuple[str, ...]
    controls: controls.Controls
    stage: player.Player
    keep: keep.Keep
    current: gr.State

    @property
    def outputs(self) -> list:
        return [self.stage, self.current, *self.keep.outputs]

    def stream(self, visitor: gr.Request, model: str, request: Request) -> Iterator[dict]:
        """Run a request on the stage: frames first, files when they are ready."""
        progress = None
        runs = stage.values(self.studio, (visitor.session_hash, self.name), model, request)
        for value, progress in runs:
            yield {self.stage: value} | ({self.current: progress.key} if progress else {})
        if progress is not None and progress.done:
            yield self.handed_over(progress)

    def handed_over(self, progress: Progress) -> dict:
        """Updates that offer a run that has ended to be kept."""
        return self.keep.filled(self.studio, self.name, progress, self.panes)

    def set_to(self, model: str, request: Request) -> dict:
        """Updates that make a request the current one, before its first frame."""
        return {self.current: (model, request)} | self.controls.updates(model, request, self.studio)

    def stop(self, visitor: gr.Request) -> None:
        """End the visitor's run after the step it is in."""
        self.studio.stop((visitor.session_hash, self.name))


def build(
    studio: Studio,
    name: str,
    *,
    default: Request,
    panes: tuple[str, ...],
    single: bool,
    title: str,
    idle: str,
    caption: str,
) -> Bench:
    """Lay a bench out and wire it.

    Args:
        single: one image, chosen by its number, instead of a grid whose tiles can be opened.
        title: the stage's name for assistive technology.
        idle: what stands on the stage before the first run.
        caption: the sentence under it.
    """
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            screen = player.Player(
                player.idle(idle), label=title, clickable_tiles=not single, elem_id=f"{name}-stage"
            )
            gr.Markdown(caption, elem_classes="caption", latex_delimiters=LATEX)
            kept = keep.build(name)
        with gr.Column(elem_classes="control-column"):
            panel = controls.build(studio, name, single=single, default=default)
    current = gr.State(None, time_to_live=3600)
    bench = Bench(studio, name, panes, panel, screen, kept, current)
    _wire(bench)
    return bench


LATEX = [{"left": "$", "right": "$", "display": False}]


def _wire(bench: Bench) -> None:
    def start(visitor: gr.Request, *values):
        try:
            model, request = controls.read(values)
        except InvalidInput as error:
            yield {bench.stage: player.error(str(error))}
            return
        yield from bench.stream(visitor, model, request)

    def stop(visitor: gr.Request):
        bench.stop(visitor)

    panel = bench.controls
    # A new run overtakes the old one, so that a click never waits for what it replaces.
    running = {"fn": start, "inputs": panel.inputs, "outputs": bench.outputs}
    running |= stage.STREAM | {"trigger_mode": "multiple"}
    rolled = panel.roll.click(
        None, None, panel.seed, js=controls.ROLL, show_progress="hidden", api_visibility="private"
    )
    keep.remember(
        gr.on([panel.run.click, panel.label.input, panel.sampler.input], **running), bench.keep
    )
    keep.remember(rolled.then(**running), bench.keep)
    panel.stop.click(stop, queue=False, show_progress="hidden", api_visibility="private")
