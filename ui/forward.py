"""The Forward tab: a picture of one's own, noised at once and step by step, and brought back."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np

from ddpm_core import InvalidInput, Model, save_film
from ddpm_core.engine import Account
from ddpm_core.errors import check_int
from ddpm_core.forward import (
    ForwardFilm,
    Inversion,
    inversion_plan,
    inverting,
    noising,
    return_request,
    return_times,
    return_work,
    returns,
)
from ddpm_core.noise import MAX_SEED
from ddpm_core.packed import unpack
from ddpm_core.recorder import Frames

from . import (
    contact,
    controls,
    equations,
    forward_links,
    histogram,
    keep,
    permalinks,
    player,
    runs,
    shelf,
    sketch,
    stage,
)
from .bench import LATEX
from .runs import Ending, Studio

NAME = "forward"
BINS, REACH = 60, 4
FIRST = 3  # of the test set, shown when the tab is opened
LEAST_STEPS = 5  # from each time, of a model that is too large for more
COLUMNS = 10  # of the strip, before there is one
RETURNING = "Noised up to t, and denoised by the model from there: what survives."
INVERTING = "DDIM run backwards: the noise that leads to this very picture."
FAILED = "That failed on the server, which has made a note of it."
# Where the page's address leads when the tab is first shown.
PLACE = """(...values) => {
  return [...values.slice(0, -1), new URLSearchParams(location.search).get("tab") ?? ""];
}"""
PANES = {
    "x": {"symbol": "<i>x<sub>t</sub></i>", "text": "in one step (eq. 4)", "spoken": "pictures"},
    "x0": {
        "symbol": "<i>x<sub>t</sub></i>",
        "text": "step by step (eq. 3)",
        "spoken": "pictures noised step by step",
    },
}
QUIET = {"show_progress": "hidden", "api_visibility": "private"}
RECENT = 8
_recent: OrderedDict[tuple, ForwardFilm] = OrderedDict()
_guard = threading.Lock()
_END = object()


@dataclass
class Forward:
    """The components of the tab."""

    stage: player.Player
    pixels: histogram.Histogram
    formulas: equations.Card
    sheet: sketch.Sketch
    model: gr.Dropdown
    label: gr.Radio
    seed: gr.Number
    back: gr.Button
    strip: contact.Contact
    invert: gr.Button
    inverted: contact.Contact
    note: gr.Markdown
    returned: gr.Markdown
    take: keep.Take
    copies: forward_links.Copies
    drawn: gr.State  # whether there has been a picture
    shown: gr.State  # the picture, the model and the seed of what is on the stage
    made_of: gr.State  # what the strip and the inversion were made of, see ``_mark``


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
            made["formulas"] = equations.beside(studio, NAME, (1, 2, 5))
            made["take"] = keep.take(NAME, keep.BOTH, ("x", "x0"))
            made["copies"] = forward_links.build(NAME)
            with gr.Tabs(elem_classes="instruments"):
                with gr.Tab("There and back", render_children=True):
                    made["strip"] = contact.Contact(
                        contact.idle(
                            RETURNING,
                            rows=2,
                            columns=COLUMNS,
                        ),
                        label="Noised up to t, and denoised from there",
                        symbol="t",
                        elem_id=f"{NAME}-back",
                    )
                    made["back"] = gr.Button("There and back", size="sm", elem_id=f"{NAME}-go")
                    made["returned"] = gr.Markdown(elem_classes="caption")
                with gr.Tab("Inversion", render_children=True):
                    made["inverted"] = contact.Contact(
                        contact.idle(
                            INVERTING,
                            columns=4,
                        ),
                        label="Inverted and reconstructed",
                        symbol="",
                        elem_id=f"{NAME}-inverted",
                    )
                    made["invert"] = gr.Button("Invert", size="sm", elem_id=f"{NAME}-invert")
                    made["note"] = gr.Markdown(elem_classes="caption", latex_delimiters=LATEX)
        with gr.Column(elem_classes="control-column"), gr.Column(elem_classes="controls"):
            made["sheet"] = sketch.Sketch("Your picture", elem_id=f"{NAME}-sheet")
            choices, chosen = _classes(studio, model)
            made["label"] = gr.Radio(
                choices,
                value=chosen,
                label="Brought back as",
                elem_id=f"{NAME}-label",
                elem_classes="chips",
                info="a class, or none",
            )
            made["model"] = gr.Dropdown(
                names,
                value=model,
                label="Model",
                elem_id=f"{NAME}-model",
                info="and its schedule",
                allow_custom_value=True,  # one that was fetched in another tab
            )
            made["seed"] = gr.Number(
                0, label="Seed", precision=0, minimum=0, elem_id=f"{NAME}-seed"
            )
    states = {"drawn": gr.State(False), "made_of": gr.State({}, time_to_live=3600)}
    states["shown"] = gr.State(None, time_to_live=3600)
    tab = Forward(**made, **states)
    _wire(studio, tab)
    _first_look(studio, tab, opened)
    return tab


def _first_look(studio: Studio, tab: Forward, opened: gr.Tab) -> None:
    """A tab that is opened for the first time shows a digit."""

    def start(drawn, model, place):
        # Where the address leads here, what is shown is its link's affair.
        if drawn or model is None or place == NAME:
            return gr.skip(), drawn
        try:
            channels, side, _ = studio.model(model).shape
        except InvalidInput:
            return gr.skip(), drawn
        return sketch.sized(side, channels, FIRST, "first look"), True

    place = gr.Textbox(visible=False)
    opened.select(start, [tab.drawn, tab.model, place], [tab.sheet, tab.drawn], js=PLACE, **QUIET)


def _wire(studio: Studio, tab: Forward) -> None:
    asked = [tab.sheet, tab.model, tab.seed]

    def noise(picture, model, seed, label, made_of, visitor: gr.Request):
        """All of the forward process, as soon as there is a picture."""
        ending = studio.arm((visitor.session_hash, NAME))
        outputs = {tab.stage: gr.skip()}
        if picture is None:
            return outputs
        try:
            named = studio.model(model)
            noised = _noised(studio, named, picture, seed, ending)
        except InvalidInput as error:
            return outputs | {tab.stage: stage.ordered(player.error(str(error)), ending)}
        except Exception:
            logging.exception("a forward process failed")
            return outputs | {tab.stage: stage.ordered(player.error(FAILED), ending)}
        if noised is None or ending.superseded:
            return outputs
        return {
            tab.stage: stage.ordered(_film(noised, f"{ending.order}"), ending),
            tab.pixels: histogram.histogram(noised, order=ending.order),
            tab.formulas: tab.formulas.of(named),
            tab.take: keep.due(ending.order),
            tab.shown: (picture, model, seed),
            **tab.copies.told(named, picture, seed, label),
            **_cleared(studio, tab, visitor, made_of, picture, model, seed),
        }

    def retell(picture, model, seed, label):
        """What can be copied, for another class."""
        if picture is None:
            return {tab.copies.note: gr.skip()}
        try:
            return tab.copies.told(studio.model(model), picture, check_seed(seed), label)
        except InvalidInput:
            return {tab.copies.note: gr.skip()}  # the stage says what is wrong

    def fit(model, visitor: gr.Request):
        """The sheet and the classes that suit a model."""
        try:
            channels, side, _ = studio.model(model).shape
        except InvalidInput as error:
            ending = studio.arm((visitor.session_hash, NAME))
            return {tab.stage: stage.ordered(player.error(str(error)), ending)}
        sheet = sketch.sized(side, channels, wanted=model)
        return {tab.sheet: sheet, tab.label: _labels(studio, model)}

    def back(picture, model, seed, label, made_of, visitor: gr.Request) -> Iterator[dict]:
        """Noise the picture to each time, and let the model denoise it from there."""
        ending = studio.arm((visitor.session_hash, "back"))

        def refused(message):
            idle = contact.idle(message, rows=2, columns=COLUMNS, order=ending.order)
            return {tab.strip: idle, tab.returned: ""}

        if picture is None:
            yield refused("Draw something first.")
            return
        try:
            named = studio.model(model)
            times = return_times(named.schedule)
            steps = _steps(studio, named, times)
            request = return_request(named, label, seed, steps).for_model(named)
            yield {tab.made_of: made_of | {"strip": _mark(picture, model, seed)}}
            about = {"columns": len(times), "column_labels": times, "symbol": "t"}
            about |= {"order": ending.order, "run": f"{ending.order}"}
            sheet = np.full((2, len(times), *picture.shape), 128, np.uint8)
            walk = returns(named, picture, times, request)
            for moment in _turns(studio, ending, walk):
                if not moment.arrived:
                    continue
                column = times.index(moment.time)
                sheet[:, column] = moment.noised, moment.state
                tiles, live = sheet.reshape(-1, *picture.shape), column < len(times) - 1
                rows = ("noised", "back")
                yield {tab.strip: contact.contact(tiles, row_labels=rows, live=live, **about)}
        except InvalidInput as error:
            yield refused(str(error))
            return
        except Exception:
            logging.exception("a return failed")
            yield refused(FAILED)
            return
        if not ending.asked:
            named_class = "" if label == "none" else f", told the class {named.classes[int(label)]}"
            told = f"{steps} steps of DDIM with η = 1 from every t{named_class}."
            yield {tab.returned: told}

    def invert(picture, model, label, made_of, visitor: gr.Request) -> Iterator[dict]:
        """Lead the picture to its noise and back, and tell the error."""
        ending = studio.arm((visitor.session_hash, "inversion"))

        def refused(message):
            return {
                tab.inverted: contact.idle(message, columns=4, order=ending.order),
                tab.note: "",
            }

        if picture is None:
            yield refused("Draw something first.")
            return
        found = None
        try:
            named = studio.model(model)
            steps, _ = inversion_plan(named.schedule)
            _check_work(named, 2 * steps)
            yield {tab.made_of: made_of | {"inverted": _mark(picture, model)}}
            for found in _turns(studio, ending, inverting(named, picture, label)):
                pass
        except InvalidInput as error:
            yield refused(str(error))
            return
        except Exception:
            logging.exception("an inversion failed")
            yield refused(FAILED)
            return
        if found is None or ending.asked:
            return
        words = ("the picture", f"its noise, t = {found.time}", "brought back", "difference × 4")
        about = {"symbol": "", "order": ending.order, "run": f"{ending.order}"}
        tiles = contact.contact(found.pictures, 4, words, **about)
        yield {tab.inverted: tiles, tab.note: _account(found)}

    shown = [tab.stage, tab.pixels, tab.formulas, tab.take, tab.shown, *tab.copies.outputs]
    shown += [tab.strip, tab.returned, tab.inverted, tab.note]
    keep.wire(tab.take, partial(_taken, studio), [tab.shown])
    copied = [*asked, tab.label]
    running = {"fn": noise, "inputs": [*copied, tab.made_of], "outputs": shown} | stage.STREAM
    running |= {"trigger_mode": "always_last"}
    keep.remember(gr.on([tab.sheet.input, tab.seed.change], **running), tab.copies)
    told = tab.label.input(retell, copied, tab.copies.outputs, **QUIET)
    keep.remember(told, tab.copies)
    # The sheet then tells anew.
    tab.model.input(fit, tab.model, [tab.sheet, tab.label, tab.stage], **QUIET)
    tab.back.click(
        back,
        [*copied, tab.made_of],
        [tab.strip, tab.returned, tab.made_of],
        trigger_mode="multiple",
        **stage.STREAM,
    )
    tab.invert.click(
        invert,
        [tab.sheet, tab.model, tab.label, tab.made_of],
        [tab.inverted, tab.note, tab.made_of],
        trigger_mode="multiple",
        **stage.STREAM,
    )


def restore(
    studio: Studio, tab: Forward, visitor: gr.Request, pairs: list, first: Callable[[Studio], str]
) -> dict:
    """Updates that put what a link asks for on the sheet, which then tells of it by itself.

    Args:
        pairs: of the page's address.
        first: names the model where the link does not.
    """
    try:
        asked = forward_links.parse(pairs, studio.model(dict(pairs).get("model") or first(studio)))
    except InvalidInput as error:
        ending = studio.arm((visitor.session_hash, NAME))
        return {tab.stage: stage.ordered(player.error(str(error)), ending), tab.drawn: True}
    name, (channels, side, _) = asked.model.name, asked.model.shape
    if asked.picture is None:
        digit = FIRST if asked.digit is None else asked.digit
        sheet = sketch.sized(side, channels, digit, "link")
    else:
        sheet = sketch.shown(asked.picture, "link")
    return {
        tab.model: shelf.pick(studio, name),
        tab.seed: asked.seed,
        tab.label: _labels(studio, name, asked.label),
        tab.sheet: sheet,
        tab.drawn: True,
    }


def restored(tab: Forward) -> list:
    """The components that ``restore`` updates."""
    return [tab.model, tab.seed, tab.label, tab.sheet, tab.drawn, tab.stage]


def read(studio: Studio, about: dict) -> tuple[str, np.ndarray, int]:
    """The model, the picture and the seed that the note of a file of this tab tells of.

    Raises:
        InvalidInput: naming what cannot be used.
    """
    model = studio.model(about["model"])
    channels, side, _ = model.shape
    seed = check_seed(about.get("seed"))
    if "packed" in about:
        return model.name, unpack(about["packed"], model.shape), seed
    picture = {"side": side, "channels": channels, "pixels": about.get("picture")}
    return model.name, sketch.pixels(picture), seed


def set_to(studio: Studio, tab: Forward, run: tuple[str, np.ndarray, int], wanted: str) -> dict:
    """Updates that put a picture on the sheet, which then tells of it by itself.

    Args:
        wanted: names what it is put there for; see ``sketch.shown``.
    """
    model, picture, seed = run
    named = {tab.model: shelf.pick(studio, model), tab.seed: seed, tab.drawn: True}
    return named | {tab.sheet: sketch.shown(picture, wanted), tab.label: _labels(studio, model)}


def _labels(studio: Studio, model: str, wanted: str | None = None):
    """An update that offers the classes that suit a model, and picks one."""
    choices, chosen = _classes(studio, model)
    return gr.update(choices=choices, value=wanted or chosen)


def _classes(studio: Studio, model: str | None) -> tuple[list[tuple[str, str]], str]:
    """The classes that a model can be asked for, and which of them at first."""
    choices = [c for c in controls.label_choices(studio, model) if c[1] != "all"]
    values = [value for _, value in choices]
    return choices, "none" if "none" in values else values[0]


def check_seed(seed) -> int:
    """The seed, if it is one."""
    return check_int("seed", seed, 0, MAX_SEED)


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


def _noised(
    studio: Studio, model: Model, picture: np.ndarray, seed: int, ending: Ending | None = None
) -> ForwardFilm | None:
    """The forward process of a picture; that of the last few is not computed again.

    None if it was overtaken.
    """
    key = (model.name, check_seed(seed), picture.shape, picture.tobytes())
    with _guard:
        noised = _recent.get(key)
    if noised is None:
        parts = noising(model, picture, seed, BINS)
        for noised in _turns(studio, ending or Ending(), parts):
            pass
        if noised is None:
            return None
        with _guard:
            _recent[key] = noised
            while len(_recent) > RECENT:
                _recent.popitem(last=False)
    return noised


def _turns(studio: Studio, ending: Ending, walk: Iterator) -> Iterator:
    """A walk whose every step waits for its turn, until it is overtaken."""
    account = Account()
    while not ending.asked:
        moment = studio.engine.step(walk, account, _END)
        if moment is _END:
            return
        yield moment


def _steps(studio: Studio, model: Model, times: list[int]) -> int:
    """From each time so many steps as are usual, or as many fewer as the model is larger.

    Raises:
        InvalidInput: if hardly any would be left.
    """
    usual = return_request(model, 0 if model.classes else "none").steps
    least = min(LEAST_STEPS, usual)
    most = runs.most_work(model)
    for steps in range(usual, least, -1):
        if return_work(times, steps) <= most:
            return steps
    _check_work(model, return_work(times, least))
    return least


def _check_work(model: Model, work: int) -> None:
    most = runs.most_work(model)
    if work > most:
        raise InvalidInput(
            f"with {model.name} these are {work:,} denoisings, more than the {most:,} done at a "
            "time"
        )


def _mark(picture: np.ndarray, *more) -> str:
    """Tells whether two things were made of the same."""
    return hashlib.blake2b(f"{picture.shape}{more}".encode() + picture.tobytes()).hexdigest()


def _cleared(studio, tab: Forward, visitor, made_of: dict, picture, model, seed) -> dict:
    """Updates that take away what was made of another picture, and end what still is."""
    found, order = {}, {}
    now = {"strip": _mark(picture, model, seed), "inverted": _mark(picture, model)}
    for name, place in (("strip", "back"), ("inverted", "inversion")):
        if name in made_of and made_of[name] != now[name]:
            order[name] = studio.arm((visitor.session_hash, place)).order
    if "strip" in order:
        idle = contact.idle(RETURNING, rows=2, columns=COLUMNS, order=order["strip"])
        found |= {tab.strip: idle, tab.returned: ""}
    if "inverted" in order:
        idle = contact.idle(INVERTING, columns=4, order=order["inverted"])
        found |= {tab.inverted: idle, tab.note: ""}
    return found


def _account(found: Inversion) -> str:
    return (
        f"{found.steps} steps of DDIM each way, float32, $\\hat x_0$ not clipped, up to "
        f"$t = {found.time}$: RMSE {found.rmse:.4f} with pixels in [-1, 1], PSNR "
        f"{found.psnr:.1f} dB."
    )


def _taken(studio: Studio, choice: keep.Choice, shown: tuple | None) -> keep.Taken:
    """Every step from the picture to the noise, and the picture in its note."""
    if shown is None:
        raise InvalidInput(stage.GONE)
    picture, model, seed = shown
    film = _noised(studio, studio.model(model), picture, seed).film.reversed()
    about = {"model": model, "tab": NAME, "process": "forward", "seed": seed}
    about["picture"] = b64encode(picture.tobytes()).decode("ascii")
    frames = Frames(film, choice.panes, choice.stride)
    path = stage.written(
        f"{permalinks.stem(model)}-forward-seed{seed}.{choice.format}",
        lambda path: save_film(
            film,
            path,
            panes=choice.panes,
            stride=choice.stride,
            scale=min(2, stage.enlargement(frames[0].shape, len(frames))),
            frame_ms=stage.pace(len(frames)),
            note=json.dumps(about),
        ),
    )
    return keep.Taken(path, len(frames), Path(path).stat().st_size)
