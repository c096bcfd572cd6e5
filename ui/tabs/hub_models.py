"""Models from the Hugging Face Hub: a field for a repository's name, beside the model picker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import gradio as gr

from ddpm_core import InvalidInput
from ddpm_core.hub import KNOWN

from ..events import STREAM
from ..runs.runs import Key, Studio

# A download is no run: it must not wait for one, nor hold one up. It gives its place back before
# the run of the fetched model begins.
FETCHING = STREAM | {
    "concurrency_id": "hub",
    "concurrency_limit": 4,
    "trigger_mode": "once",
}


@dataclass
class HubModels:
    """The components: the name, the button, and what is said of it."""

    name: gr.Dropdown
    fetch: gr.Button
    note: gr.Markdown


def build(prefix: str) -> HubModels:
    """Lay the field out, folded."""
    with gr.Accordion("From the Hugging Face Hub", open=False, elem_id=f"{prefix}-shelf"):
        with gr.Row(elem_classes="seed"):
            name = gr.Dropdown(
                list(KNOWN),
                value=None,
                allow_custom_value=True,
                label="Repository",
                info="owner/name, or with @revision",
                elem_id=f"{prefix}-repository",
            )
            fetch = gr.Button("Fetch", elem_id=f"{prefix}-fetch", min_width=70)
        note = gr.Markdown(elem_classes="caption", elem_id=f"{prefix}-fetched")
    return HubModels(name, fetch, note)


def pick(studio: Studio, name: str):
    """An update that sets a model picker; one that was fetched is offered in it from then on."""
    if name in studio.names():
        return name  # and what else is on offer stays
    return gr.update(choices=[*studio.names(), name], value=name)


def wire(run_tab, others: Sequence[gr.Dropdown]) -> None:
    """Fetch what is asked for, offer it in every picker, and run it on this run_tab.

    Args:
        others: the pickers of the other tabs.
    """
    shelf, studio = run_tab.controls.shelf, run_tab.studio
    wanted = gr.State(None, time_to_live=3600)  # the run of what was fetched

    def fetch(name) -> Iterator[dict]:
        name = (name or "").strip()
        yield {wanted: None}
        try:
            for arrived, total in studio.fetching(name):
                yield {shelf.note: _progress(name, arrived, total)}
            model = studio.model(name)
            key = studio.settled(Key(name, run_tab.default_for(model)))
            shown = run_tab.set_to(key)
        except InvalidInput as error:
            yield {shelf.note: str(error)}
            return
        c, h, w = model.shape
        told = f"{name}: {model.parameters:,} parameters, {c} × {h} × {w} pixels."
        more = gr.update(choices=[*studio.names(), *([name] if name not in studio.names() else [])])
        offered = dict.fromkeys(others, more)
        yield {shelf.note: told, wanted: key} | offered | shown

    def run(key, visitor: gr.Request) -> Iterator[dict]:
        if key is None:
            yield run_tab.silence
        else:
            yield from run_tab.stream(visitor, key)

    outputs = [shelf.note, wanted, *others, *run_tab.controls.inputs, *run_tab.outputs]
    fetched = shelf.fetch.click(fetch, shelf.name, outputs, **FETCHING)
    fetched.then(run, wanted, run_tab.outputs, **STREAM)


def _progress(name: str, arrived: int, total: int) -> str:
    if not total:
        return f"Asking for {name} …"
    return f"{name}: {arrived / 1e6:,.1f} of {total / 1e6:,.1f} MB"
