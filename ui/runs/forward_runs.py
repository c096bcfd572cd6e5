"""What the Forward tab does: noise a picture, bring it back, invert it, hand it over as a file."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import numpy as np

from ddpm_core import InvalidInput, Model, save_film, save_png
from ddpm_core.errors import check_int
from ddpm_core.noise import MAX_SEED
from ddpm_core.recorder import Frames
from lab.process.engine import Account
from lab.process.forward import (
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

from ..widgets.image_grid import image_grid
from ..tabs import run_controls
from ..widgets.equations import equations
from ..sharing import forward_links, permalinks, share_panel
from ..widgets.histogram import histogram
from ..widgets.player import player
from . import player_values, runs
from ..widgets.sketch import sketch
from .ticket import Ticket
from .runs import Studio

NAME = "forward"
BINS, REACH = 60, 4
LEAST_STEPS = 5  # from each time, of a model that is too large for more
COLUMNS = 10  # of the strip, before there is one
RETURNING = "Noised up to t, and denoised by the model from there: what survives."
INVERTING = "DDIM run backwards: the noise that leads to this very picture."
FAILED = "That failed on the server, which has made a note of it."
PAUSE = 1 / 8  # seconds between two looks at what is being made
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
    back_stop: gr.Button
    strip: image_grid.ImageGrid
    invert: gr.Button
    invert_stop: gr.Button
    inverted: image_grid.ImageGrid
    note: gr.Markdown
    returned: gr.Markdown
    take: share_panel.Download
    copies: forward_links.Copies
    drawn: gr.State  # whether there has been a picture
    shown: gr.State  # the picture, the model and the seed of what is on the stage
    made_of: gr.State  # what the strip and the inversion were made of, see ``_mark``


@dataclass
class Runs:
    """What the tab's controls set going, each for the visitor who asks."""

    studio: Studio
    tab: Forward

    def noise(self, picture, model, seed, made_of, visitor: gr.Request):
        """All of the forward process, as soon as there is a picture."""
        ticket = self.studio.arm((visitor.session_hash, NAME))
        outputs = {self.tab.stage: gr.skip()}
        if picture is None:
            return outputs
        try:
            named = self.studio.model(model)
            noised = _noised(self.studio, named, picture, seed, ticket)
        except InvalidInput as error:
            return outputs | {self.tab.stage: player_values.ordered(player.error(str(error)), ticket)}
        except Exception:
            logging.exception("a forward process failed")
            return outputs | {self.tab.stage: player_values.ordered(player.error(FAILED), ticket)}
        if noised is None or ticket.superseded:
            return outputs
        return {
            self.tab.stage: player_values.ordered(_film(noised, f"{ticket.order}"), ticket),
            self.tab.pixels: histogram.histogram(noised, order=ticket.order),
            self.tab.formulas: self.tab.formulas.of(named),
            self.tab.take: share_panel.due(ticket.order),
            self.tab.shown: (picture, model, seed),
            **self._cleared(visitor, made_of, picture, model, seed),
        }

    def retell(self, picture, model, seed, label):
        """What can be copied, for a class."""
        if picture is None:
            return {self.tab.copies.note: gr.skip()}
        try:
            return self.tab.copies.told(self.studio.model(model), picture, check_seed(seed), label)
        except InvalidInput:
            return {self.tab.copies.note: gr.skip()}  # the stage says what is wrong

    def fit(self, model, label, visitor: gr.Request):
        """The sheet and the classes that suit a model."""
        try:
            channels, side, _ = self.studio.model(model).shape
        except InvalidInput as error:
            ticket = self.studio.arm((visitor.session_hash, NAME))
            return {self.tab.stage: player_values.ordered(player.error(str(error)), ticket)}
        sheet = sketch.sized(side, channels, wanted=model)
        return {self.tab.sheet: sheet, self.tab.label: self.relabel(model, label)}

    def relabel(self, model, label):
        """The classes that suit a model."""
        try:
            choices, first = classes(self.studio, model)
        except InvalidInput:
            return gr.skip()  # the stage says what is wrong
        return run_controls.offered(choices, label, first)

    def back(self, picture, model, seed, label, made_of, visitor: gr.Request) -> Iterator[dict]:
        """Noise the picture to each time, and let the model denoise it from there."""
        ticket = self.studio.arm((visitor.session_hash, "back"))

        def refused(message):
            idle = image_grid.idle(message, rows=2, columns=COLUMNS, order=ticket.order)
            return {self.tab.strip: idle, self.tab.returned: ""}

        if picture is None:
            yield refused("Draw something first.")
            return
        try:
            named = self.studio.model(model)
            times = return_times(named.schedule)
            steps = _steps(self.studio, named, times)
            request = return_request(named, label, seed, steps).for_model(named)
            made_of = made_of | {"strip": _mark(picture, model, seed)}
            yield {self.tab.made_of: made_of, self.tab.returned: ""}
            about = {"columns": len(times), "column_labels": times, "symbol": "t"}
            about |= {"order": ticket.order, "run": f"{ticket.order}"}
            about |= {"row_labels": ("noised", "back")}
            sheet = np.full((2, len(times), *picture.shape), 128, np.uint8)
            tiles, work = sheet.reshape(-1, *picture.shape), return_work(times, steps)
            walk, done, shown = returns(named, picture, times, request), 0, 0.0
            for done, moment in enumerate(_turns(self.studio, ticket, walk), 1):
                sheet[:, times.index(moment.time)] = moment.noised, moment.state
                if time.monotonic() - shown >= PAUSE:
                    strip = image_grid.contact(tiles, live=True, **about)
                    yield {self.tab.strip: strip, self.tab.returned: f"{done} of {work} steps"}
                    shown = time.monotonic()
            if not ticket.superseded:
                yield {self.tab.strip: image_grid.contact(tiles, **about)}
        except InvalidInput as error:
            yield refused(str(error))
            return
        except Exception:
            logging.exception("a return failed")
            yield refused(FAILED)
            return
        if ticket.superseded:
            return
        named_class = "" if label == "none" else f", told the class {named.classes[int(label)]}"
        told = f"{steps} steps of DDIM with η = 1 from every t{named_class}."
        yield {self.tab.returned: told if done == work else _stopped(done, work)}

    def invert(self, picture, model, label, made_of, visitor: gr.Request) -> Iterator[dict]:
        """Lead the picture to its noise and back, and tell the error."""
        ticket = self.studio.arm((visitor.session_hash, "inversion"))

        def refused(message):
            return {
                self.tab.inverted: image_grid.idle(message, columns=4, order=ticket.order),
                self.tab.note: "",
            }

        if picture is None:
            yield refused("Draw something first.")
            return
        found = None
        try:
            named = self.studio.model(model)
            steps, top = inversion_plan(named.schedule)
            _check_work(named, 2 * steps)
            yield {self.tab.made_of: made_of | {"inverted": _mark(picture, model)}}
            words = ("the picture", f"its noise, t = {top}", "brought back", "difference × 4")
            about = {"columns": 4, "column_labels": words, "symbol": ""}
            about |= {"order": ticket.order, "run": f"{ticket.order}"}
            tiles = np.stack([picture, *3 * [np.full_like(picture, 128)]])
            done, shown = 0, 0.0
            for found in _turns(self.studio, ticket, inverting(named, picture, label)):
                if isinstance(found, Inversion):
                    break
                tiles[1 if done < steps else 2], done = found, done + 1
                if time.monotonic() - shown >= PAUSE:
                    yield {
                        self.tab.inverted: image_grid.contact(tiles, live=True, **about),
                        self.tab.note: f"{done} of {2 * steps} steps",
                    }
                    shown = time.monotonic()
        except InvalidInput as error:
            yield refused(str(error))
            return
        except Exception:
            logging.exception("an inversion failed")
            yield refused(FAILED)
            return
        if ticket.superseded:
            return
        if isinstance(found, Inversion):
            tiles, told = found.pictures, _account(found)
        else:
            told = _stopped(done, 2 * steps)
        yield {self.tab.inverted: image_grid.contact(tiles, **about), self.tab.note: told}

    def stop_back(self, visitor: gr.Request) -> None:
        """End ``back`` after the step it is in; what it has is kept."""
        self.studio.stop((visitor.session_hash, "back"))

    def stop_inversion(self, visitor: gr.Request) -> None:
        """End ``invert`` after the step it is in; what it has is kept."""
        self.studio.stop((visitor.session_hash, "inversion"))

    def _cleared(self, visitor, made_of: dict, picture, model, seed) -> dict:
        """Updates that take away what was made of another picture, and end what still is."""
        found, order = {}, {}
        now = {"strip": _mark(picture, model, seed), "inverted": _mark(picture, model)}
        for name, place in (("strip", "back"), ("inverted", "inversion")):
            if name in made_of and made_of[name] != now[name]:
                order[name] = self.studio.arm((visitor.session_hash, place)).order
        if "strip" in order:
            idle = image_grid.idle(RETURNING, rows=2, columns=COLUMNS, order=order["strip"])
            found |= {self.tab.strip: idle, self.tab.returned: ""}
        if "inverted" in order:
            idle = image_grid.idle(INVERTING, columns=4, order=order["inverted"])
            found |= {self.tab.inverted: idle, self.tab.note: ""}
        return found


def labels(studio: Studio, model: str, wanted: str | None = None):
    """An update that offers the classes that suit a model, and picks one."""
    choices, chosen = classes(studio, model)
    return gr.update(choices=choices, value=wanted or chosen)


def classes(studio: Studio, model: str | None) -> tuple[list[tuple[str, str]], str]:
    """The classes that a model can be asked for, and which of them at first."""
    choices = [c for c in run_controls.label_choices(studio, model) if c[1] != "all"]
    values = [value for _, value in choices]
    return choices, "none" if "none" in values else values[0]


def check_seed(seed) -> int:
    """The seed, if it is one."""
    return check_int("seed", seed, 0, MAX_SEED)


def _film(noised: ForwardFilm, run: str) -> dict:
    frames = noised.film.frames
    # Counted from 1: the player shows no second picture at step 0, and here there is one.
    about = {"columns": 1, "seconds": 0, "calls": 0, "total": frames}
    about["indices"] = range(1, frames + 1)
    return player_values.film_value(run, noised.film, **about) | {"still": True}


def _noised(
    studio: Studio, model: Model, picture: np.ndarray, seed: int, ticket: Ticket | None = None
) -> ForwardFilm | None:
    """The forward process of a picture; that of the last few is not computed again.

    None if it was overtaken.
    """
    key = (model.name, check_seed(seed), picture.shape, picture.tobytes())
    with _guard:
        noised = _recent.get(key)
    if noised is None:
        parts = noising(model, picture, seed, BINS)
        for noised in _turns(studio, ticket or Ticket(), parts, evaluates=False):
            pass
        if noised is None:
            return None
        with _guard:
            _recent[key] = noised
            while len(_recent) > RECENT:
                _recent.popitem(last=False)
    return noised


def _turns(studio: Studio, ticket: Ticket, walk: Iterator, evaluates: bool = True) -> Iterator:
    """A walk whose every step waits for its turn, until it is overtaken.

    Args:
        evaluates: whether its steps evaluate the model, and so stop for whatever is more urgent.
    """
    engine, account = studio.engine, Account()
    while not ticket.asked:
        if evaluates:
            moment = engine.step(walk, account, _END)
        else:
            moment = engine.do(next, walk, _END, account=account)
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


def _stopped(done: int, work: int) -> str:
    return f"Stopped after {done} of {work} steps."


def _account(found: Inversion) -> str:
    return (
        f"{found.steps} steps of DDIM each way, float32, $\\hat x_0$ not clipped, up to "
        f"$t = {found.time}$: RMSE {found.rmse:.4f} with pixels in [-1, 1], PSNR "
        f"{found.psnr:.1f} dB."
    )


def taken(studio: Studio, choice: share_panel.Choice, shown: tuple | None) -> share_panel.Taken:
    """Every step from the picture to noise, some of them as a PNG; the picture is in their note."""
    if shown is None:
        raise InvalidInput(player_values.GONE)
    picture, model, seed = shown
    noised = _noised(studio, studio.model(model), picture, seed)
    film = noised.film.reversed()
    about = {"model": model, "tab": NAME, "process": "forward", "seed": seed}
    about["picture"] = b64encode(picture.tobytes()).decode("ascii")
    note, name = json.dumps(about), f"{permalinks.stem(model)}-forward-seed{seed}"
    frames = Frames(film, choice.panes, choice.stride)
    png = player_values.written(f"{name}.png", lambda path: save_png(noised.sheet(), path, 1, note))
    path = player_values.written(
        f"{name}.{choice.format}",
        lambda path: save_film(
            film,
            path,
            panes=choice.panes,
            stride=choice.stride,
            scale=min(2, player_values.enlargement(frames[0].shape, len(frames))),
            frame_ms=player_values.pace(len(frames)),
            note=note,
        ),
    )
    return share_panel.Taken(path, len(frames), Path(path).stat().st_size, png)
