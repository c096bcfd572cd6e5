"""The Forward tab: a picture of one's own, noised at once and step by step, and brought back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from ddpm_core import InvalidInput, Request, Run, save_gif
from ddpm_core.forward import (
    ForwardFilm,
    forward_film,
    from_picture,
    measured,
    round_trip,
    to_picture,
)

from . import contact, controls, histogram, keep, permalinks, player, sketch, stage
from .bench import LATEX
from .cache import put as cache_file
from .runs import Studio

NAME = "forward"
BINS, REACH = 60, 4
# How far a picture is noised before the model takes it back.
DEPTHS = (50, 100, 200, 300, 400, 500, 600, 700, 800, 999)
BACK_STEPS = 50
INVERSION_STEPS = 100
FIRST = 3  # of the test set, shown when the tab is opened
TOP = 0.9  # of T: beyond, hardly any image is left to find the way back by
PANES = {
    "x": {"symbol": "<i>x<sub>t</sub></i>", "text": "in one step (eq. 4)", "spoken": "pictures"},
    "x0": {
        "symbol": "<i>x<sub>t</sub></i>",
        "text": "step by step (eq. 3)",
        "spoken": "pictures noised step by step",
    },
}
QUIET = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass
class Forward:
    """The components of the tab."""

    stage: player.Player
    pixels: histogram.Histogram
    sheet: sketch.Sketch
    model: gr.Dropdown
    label: gr.Radio
    seed: gr.Number
    back: gr.Button
    strip: contact.Contact
    invert: gr.Button
    inverted: contact.Contact
    note: gr.Markdown
    gif: gr.DownloadButton
    drawn: gr.State  # whether there has been a picture


def build(studio: Studio, opened: gr.Tab) -> Forward:
    """Lay the tab out and wire it; ``opened`` is the tab itself."""
    names = studio.names()
    model = names[0] if names else None
    made: dict = {}
    with gr.Row(elem_classes="workbench"):
        with gr.Column(elem_classes="stage-column"):
            made["stage"] = player.Player(
                player.idle(
                    "Draw something, or take a digit: the forward process turns it to noise."
                ),
                label="Forward process",
                autoplay=False,
                names=PANES,
                elem_id=f"{NAME}-stage",
            )
            gr.Markdown(
                "The picture is on the right, noise on the left, as everywhere here: the forward "
                "process runs leftwards. Play it with R.",
                elem_classes="caption",
                latex_delimiters=LATEX,
            )
            made["pixels"] = histogram.Histogram(
                player=f"{NAME}-stage", bins=BINS, reach=REACH, elem_id=f"{NAME}-histogram"
            )
            with gr.Row(elem_classes="keep"):
                made["gif"] = gr.DownloadButton(
                    "GIF", interactive=False, size="sm", elem_id=f"{NAME}-gif"
                )
            with gr.Tabs(elem_classes="instruments"):
                with gr.Tab("There and back", render_children=True):
                    made["strip"] = contact.Contact(
                        contact.idle(
                            "Noised up to t, and denoised by the model from there: what survives.",
                            rows=2,
                            columns=len(DEPTHS),
                        ),
                        label="Noised up to t, and denoised from there",
                        elem_id=f"{NAME}-back",
                    )
                    made["back"] = gr.Button("There and back", size="sm", elem_id=f"{NAME}-go")
                with gr.Tab("Inversion", render_children=True):
                    made["inverted"] = contact.Contact(
                        contact.idle(
                            "DDIM run backwards: the noise that leads to this very picture.",
                            columns=4,
                        ),
                        label="Inverted and reconstructed",
                        elem_id=f"{NAME}-inverted",
                    )
                    made["invert"] = gr.Button("Invert", size="sm", elem_id=f"{NAME}-invert")
                    made["note"] = gr.Markdown(elem_classes="caption", latex_delimiters=LATEX)
        with gr.Column(elem_classes="control-column"), gr.Column(elem_classes="controls"):
            made["sheet"] = sketch.Sketch("Your picture", elem_id=f"{NAME}-sheet")
            made["label"] = gr.Radio(
                controls.label_choices(studio, model)[1:] if model else [],
                value="none",
                label="Brought back as",
                elem_id=f"{NAME}-label",
                elem_classes="chips",
                info="a class, or none",
            )
            made["model"] = gr.Dropdown(
                names, value=model, label="Model", elem_id=f"{NAME}-model", info="and its schedule"
            )
            made["seed"] = gr.Number(
                0, label="Seed", precision=0, minimum=0, elem_id=f"{NAME}-seed"
            )
    tab = Forward(**made, drawn=gr.State(False))
    _wire(studio, tab)
    _first_look(studio, tab, opened)
    return tab


def _first_look(studio: Studio, tab: Forward, opened: gr.Tab) -> None:
    """A tab that is opened for the first time shows a digit."""

    def start(drawn, model):
        if drawn or model is None:
            return gr.skip(), drawn
        channels, side, _ = studio.model(model).shape
        return sketch.sized(side, channels, FIRST, "first look"), True

    opened.select(start, [tab.drawn, tab.model], [tab.sheet, tab.drawn], **QUIET)


def _wire(studio: Studio, tab: Forward) -> None:
    asked = [tab.sheet, tab.model, tab.seed]

    def noise(picture, model, seed, visitor: gr.Request):
        """All of the forward process, as soon as there is a picture."""
        ending = studio.arm((visitor.session_hash, NAME))
        outputs = {tab.stage: gr.skip(), tab.pixels: gr.skip(), tab.gif: keep.BARRED}
        if picture is None:
            return outputs
        try:
            named = studio.model(model)
            noised = studio.engine.do(forward_film, named, picture, seed, BINS)
        except InvalidInput as error:
            return outputs | {tab.stage: stage.ordered(player.error(str(error)), ending)}
        path, size = _gif(noised, model, seed)
        label = f"GIF · {noised.film.frames:,} frames · {keep.size_in_words(size)}"
        return {
            tab.stage: stage.ordered(_film(noised, f"{ending.order}"), ending),
            tab.pixels: histogram.histogram(noised, order=ending.order),
            tab.gif: gr.update(value=path, label=label, interactive=True),
        }

    def fit(model):
        """The sheet and the classes that suit a model."""
        channels, side, _ = studio.model(model).shape
        choices = [c for c in controls.label_choices(studio, model) if c[1] != "all"]
        values = [value for _, value in choices]
        chosen = "none" if "none" in values else values[0]
        return {
            tab.sheet: sketch.sized(side, channels, wanted=model),
            tab.label: gr.update(choices=choices, value=chosen),
        }

    def back(picture, model, seed, label, visitor: gr.Request) -> Iterator[dict]:
        """Noise the picture to each depth, and let the model denoise it from there."""
        ending = studio.arm((visitor.session_hash, "back"))
        if picture is None:
            yield {tab.strip: contact.idle("Draw something first.", order=ending.order)}
            return
        about = {"columns": len(DEPTHS), "column_labels": DEPTHS, "symbol": "t"}
        about |= {"row_labels": ("noised", "back"), "order": ending.order, "run": f"{ending.order}"}
        try:
            request = Request(
                n=1, label=label, steps=BACK_STEPS, sampler="ddim", eta=1.0, seed=seed
            )
            request = studio.allowed(model, request)
            sheet = np.full((2, len(DEPTHS), *picture.shape), 128, np.uint8)
            for column, depth in enumerate(DEPTHS):
                pair = _back(studio, ending, model, request, picture, depth)
                if pair is None:
                    return
                sheet[:, column] = pair
                tiles = sheet.reshape(-1, *picture.shape)
                yield {tab.strip: contact.contact(tiles, live=depth != DEPTHS[-1], **about)}
        except InvalidInput as error:
            yield {tab.strip: contact.idle(str(error), order=ending.order)}

    def invert(picture, model, label, visitor: gr.Request) -> Iterator[dict]:
        ending = studio.arm((visitor.session_hash, "inversion"))
        if picture is None:
            yield {tab.inverted: contact.idle("Draw something first.", order=ending.order)}
            return
        try:
            found, pictures = _inverted(studio, ending, model, picture, label)
        except InvalidInput as error:
            yield {tab.inverted: contact.idle(str(error), order=ending.order)}
            return
        if found is None:
            return
        top = found.up[-1].t
        words = ("the picture", f"its noise, t = {top}", "brought back", "difference × 4")
        tiles = contact.contact(
            pictures, 4, words, symbol="", order=ending.order, run=f"{ending.order}"
        )
        told = (
            f"{INVERSION_STEPS} steps of DDIM each way, float32, $\\hat x_0$ not clipped, up to "
            f"$t = {top}$: RMSE {float(found.rmse[0]):.4f} with pixels in [-1, 1], PSNR "
            f"{float(found.psnr[0]):.1f} dB."
        )
        yield {tab.inverted: tiles, tab.note: told}

    shown = [tab.stage, tab.pixels, tab.gif]
    noising = {"fn": noise, "inputs": asked, "outputs": shown} | stage.STREAM
    noising |= {"trigger_mode": "always_last"}
    gr.on([tab.sheet.input, tab.seed.change], **noising)
    tab.model.input(fit, tab.model, [tab.sheet, tab.label], **QUIET)  # the sheet then tells anew
    tab.back.click(back, [*asked, tab.label], tab.strip, trigger_mode="multiple", **stage.STREAM)
    tab.invert.click(
        invert,
        [tab.sheet, tab.model, tab.label],
        [tab.inverted, tab.note],
        trigger_mode="multiple",
        **stage.STREAM,
    )


def _film(noised: ForwardFilm, run: str) -> dict:
    film = noised.film
    chosen = film.strided(max(2, stage.PANE_BYTES // film.x[0].nbytes))
    # Counted from 1: the player shows no second picture at step 0, and here there is one.
    return player.film(
        run,
        [film.t[i] for i in chosen],
        film.x[chosen],
        film.x0[chosen],
        columns=1,
        seconds=0,
        calls=0,
        total=film.frames,
        indices=[i + 1 for i in chosen],
    ) | {"still": True}


def _gif(noised: ForwardFilm, model: str, seed: int) -> tuple[str, int]:
    """Every step from the picture to the noise; the path within Gradio's cache, and its size."""
    name = f"{permalinks.stem(model)}-forward-seed{seed}.gif"
    about = json.dumps(
        {"model": model, "process": "forward", "seed": seed, "panes": "eq. 4, eq. 3"}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        film = noised.film.reversed()
        save_gif(film, path, panes=("x", "x0"), scale=2, frame_ms=20, note=about)
        return cache_file(path.read_bytes(), name, get_upload_folder()), path.stat().st_size


def _back(studio, ending, model: str, request: Request, picture, depth: int):
    """The picture noised to a depth, and what the model makes of it; None if overtaken."""
    named = studio.model(model)
    depth = min(depth, named.schedule.num_timesteps - 1)
    x0 = from_picture(picture, named.shape)
    run = studio.engine.do(partial(Run, named, request, x0=x0, t=depth))
    noised = studio.engine.do(lambda: to_picture(run.start))
    steps, last = run.steps(), None
    while not ending.asked:
        step = studio.engine.do(next, steps, None)
        if step is None:
            return noised, to_picture(last.x)
        last = step
    return None


def _inverted(studio, ending, model: str, picture, label):
    """The round trip, and four pictures of it; None and None if overtaken."""
    named = studio.model(model)
    request = studio.allowed(model, Request(n=1, label=label, steps=2 * INVERSION_STEPS))
    x0 = from_picture(picture, named.shape)
    denoiser = named.denoiser(request.labels(named, [0]), "float32")
    top = round(TOP * (named.schedule.num_timesteps - 1))
    walk = round_trip(denoiser, named.schedule, x0, INVERSION_STEPS, top)
    steps: list = []
    while not ending.asked:
        step = studio.engine.do(next, walk, None)
        if step is None:
            found = studio.engine.do(measured, steps, x0)
            again = to_picture(found.down[-1].x)
            apart = 4 * np.abs(again.astype(int) - picture).clip(0, 63)
            pictures = [picture, to_picture(found.up[-1].x), again, apart.astype(np.uint8)]
            return found, np.stack(pictures)
        steps.append(step)
    return None, None
