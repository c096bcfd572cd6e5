"""Models from the Hugging Face Hub in the model picker: the chosen one is fetched and run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import gradio as gr

from ddpm_core import InvalidInput

from ..events import STREAM
from ..runs.runs import Key, Studio

# Unconditional models of other people.
KNOWN = ("google/ddpm-cifar10-32", "1aurent/ddpm-mnist")
ANOTHER = "another …"
# There is a larger model of photographs than the one that ships.
SMALL, BETTER = "cifar10-conditional", "google/ddpm-cifar10-32"
CLEARER = (
    f"Our model of photographs is small: [guided](?model={SMALL}&tab=guidance), it draws clearer "
    "ones."
)
OFFER = "A larger one, not measured here: 143 MB, fetched once."
# A download is no run: it must not wait for one, nor delay one. It leaves its queue before the run
# of the fetched model begins.
FETCHING = STREAM | {"concurrency_id": "hub", "concurrency_limit": 4}


@dataclass
class HubModels:
    """The components under a model picker: a field for the name of another model, with a button,
    and a note that says how far a download is, or why there is none."""

    field: gr.Row
    name: gr.Textbox
    fetch: gr.Button
    note: gr.Markdown


def offered(studio: Studio) -> list[str]:
    """The choices of a picker that can fetch."""
    return [*studio.names(), *KNOWN, ANOTHER]


def pick(name: str, choices: Sequence[str]):
    """An update that sets a model picker; a new name becomes one of its choices."""
    return name if name in choices else gr.update(choices=[*choices, name], value=name)


def build(prefix: str) -> HubModels:
    """Lay out the components under a picker; most are hidden at first."""
    with gr.Row(elem_classes="seed", visible=False) as field:
        name = gr.Textbox(
            label="Repository",
            info="owner/name, or with @revision",
            max_lines=1,
            elem_id=f"{prefix}-repository",
        )
        fetch = gr.Button("Fetch", elem_id=f"{prefix}-fetch", min_width=70)
    note = gr.Markdown(elem_classes="caption news", elem_id=f"{prefix}-fetched", visible=False)
    return HubModels(field, name, fetch, note)


def wire(run_tab, pickers: Sequence[gr.Dropdown], others: Sequence[gr.Dropdown]) -> None:
    """Fetch the chosen model, offer it in every picker, and run it on this tab.

    Args:
        pickers: those of the other tabs that can fetch.
        others: further pickers that offer fetched models.
    """
    controls, model, studio = run_tab.controls, run_tab.model, run_tab.studio
    hub, shown, picked = controls.hub, controls.shown, controls.picked
    to_run = gr.State(None, time_to_live=3600)  # the run of the fetched model

    def back_to(name: str) -> dict:
        return {model: name, shown: name}

    def note(text: str) -> dict:
        return {hub.note: gr.update(value=text, visible=bool(text))}

    def chosen(pick) -> Iterator[dict]:
        """Answer a pick; a model that ships runs by itself."""
        name, last, _ = pick or (shown.value, shown.value, 0)  # an event that nobody's hand sent
        if name == ANOTHER:
            yield note("") | {to_run: None, hub.field: gr.update(visible=True)} | back_to(last)
        elif name in studio.names():
            clearer = CLEARER if name == SMALL and run_tab.name != "guidance" else ""
            yield note(clearer) | {to_run: None, hub.field: gr.update(visible=False)}
            if name == SMALL and studio.can_fetch(BETTER):
                offer = {hub.field: gr.update(visible=True), hub.name: BETTER}
                yield note(f"{clearer} {OFFER}") | offer
        else:
            yield from fetch(name, last)

    def fetch(name, last: str) -> Iterator[dict]:
        name = (name or "").strip()
        yield note("") | {to_run: None}
        try:
            for arrived, total in studio.fetching(name):
                far = f"{name}: {arrived / 1e6:,.1f} of {total / 1e6:,.1f} MB"
                yield note(far if total else f"Asking for {name} …")
            key = studio.settled(Key(name, run_tab.default_for(studio.model(name))))
        except InvalidInput as error:
            yield note(str(error)) | back_to(last)
            return
        c, h, w = studio.model(name).shape
        words = f"{name}: {studio.model(name).parameters:,} parameters, {c} × {h} × {w} pixels."
        yield note(words) | {to_run: key, hub.field: gr.update(visible=False)} | offering(name)

    def offering(name: str) -> dict:
        updates = {}
        for names, group in ((offered(studio), pickers), (studio.names(), others)):
            choices = [*names, *([name] if name not in names else [])]
            updates |= dict.fromkeys(group, gr.update(choices=choices))
        return updates

    def run(key, visitor: gr.Request) -> Iterator[dict]:
        if key is None:
            yield run_tab.silence
        else:
            yield run_tab.set_to(key)
            yield from run_tab.stream(visitor, key)

    outputs = [hub.field, hub.name, hub.note, to_run, shown, model, *pickers, *others]
    picked.change(chosen, picked, outputs, **FETCHING)
    events = [hub.fetch.click, hub.name.submit]
    gr.on(events, fetch, [hub.name, shown], outputs, **FETCHING)
    to_run.change(run, to_run, [*run_tab.settable, *run_tab.outputs], **STREAM)
