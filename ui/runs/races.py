"""Races on behalf of visitors: how they are named and run, and what the page is told of them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np

from ddpm_core import SAMPLERS, InvalidInput, Request, save_animation, save_png
from ddpm_core.errors import check_choice, check_int
from ddpm_core.recorder import film_bytes
from ddpm_core.request import unused
from lab.process.engine import Account
from lab.process.race import (
    ERRORS,
    FEW_STEPS,
    Lane,
    Race,
    broken,
    samplers,
    schedules,
)

from ..tabs.request_controls import FAULTS
from ..sharing import permalinks, share_panel
from ..widgets.player import player
from . import player_values
from .ticket import Ticket
from .limits import most_work
from .runs import KEPT_BYTES, Studio, new_id
from .player_values import ordered, pictures, transfer

VIEWS = ("schedules", "samplers", "break")
ERROR_WORDS = {"no-clip": "x̂0 not clipped"} | {
    name: word for word, name in FAULTS if name != "none"
}
MAX_IMAGES = 4  # of each lane
TILES_PER_SECOND = 80  # sent while a race lasts, four panes each
# What only one of the views reads.
OF_VIEW = {"against": "schedules", "error": "break"}
# How the race of batch-scale is guided; the scale is the visitor's to choose.
GUIDED = {"guidance": "classifier-noisy", "guidance_scale": 5.0, "label": 3}
# What a request of a race leaves to the race itself.
OWN = {"schedules": ("fault",), "samplers": ("sampler", "steps", "fault"), "break": ("fault",)}


class RaceKey(NamedTuple):
    """Names a race.

    Attributes:
        view: ``"schedules"``, ``"samplers"`` or ``"break"``.
        model: a model's name.
        request: what every lane samples, apart from what sets them apart.
        against: of ``"schedules"``: the name of the other model.
        error: of ``"break"``: the error that the second lane has, one of ``ERRORS``.
    """

    view: str
    model: str
    request: Request
    against: str = ""
    error: str = ""

    @property
    def models(self) -> list[str]:
        return [self.model, self.against] if self.view == "schedules" else [self.model]


@dataclass(frozen=True)
class RaceProgress:
    """Where a race stands; its lanes grow as it goes on.

    Attributes:
        key: names it.
        done: no further progress will come.
        stopped: ended by the visitor before the last step.
        id: of this race, once it has ended; see ``new_id``.
        earlier: it was computed before it was asked for.
    """

    key: RaceKey
    race: Race
    done: bool = False
    stopped: bool = False
    id: str = field(default_factory=new_id)
    earlier: bool = False

    @property
    def finished(self) -> bool:
        return self.race.finished

    @property
    def nbytes(self) -> int:
        return self.race.nbytes


def settled(studio: Studio, key: RaceKey) -> tuple[RaceKey, list]:
    """The key as the models can serve it, and the models.

    Raises:
        InvalidInput: saying what is out of bounds.
    """
    check_choice("view", key.view, VIEWS)
    check_int("n", key.request.n, 1, MAX_IMAGES)
    # What another view would read is nothing here, so that equal races have equal names.
    key = key._replace(**{k: "" for k, view in OF_VIEW.items() if view != key.view})
    if key.view == "break":
        check_choice("error", key.error, ERRORS)
    _check_guidance(key)
    models = [studio.model(name) for name in key.models]
    few = replace(key.request, fault="none")
    if key.view == "samplers":  # these it sets itself
        few = replace(few, sampler="ddpm", steps=models[0].schedule.num_timesteps)
    key = key._replace(request=studio.allowed(key.model, few))
    for name in key.models[1:]:
        studio.allowed(name, few)
    lanes = 1 if key.view == "samplers" else 2  # of all T; the others are a few steps
    work, most = lanes * key.request.work, min(most_work(model) for model in models)
    if work > most:
        raise InvalidInput(
            f"side by side these are {work:,} denoisings, more than the {most:,} done at a time; "
            "take fewer images or steps"
        )
    return key, models


def _check_guidance(key: RaceKey) -> None:
    if key.error != "batch-scale":
        if key.request.guidance != "none":
            raise InvalidInput("races are not guided, but for the error batch-scale")
        return
    for name, value in GUIDED.items():  # the page has no control for any but the scale
        if name != "guidance_scale" and getattr(key.request, name) != value:
            raise InvalidInput(f"the race of batch-scale has {name} {value}")


def _make(key: RaceKey, models: list) -> Race:
    room = {"max_bytes": KEPT_BYTES}  # more would not be kept, and everybody's runs would go
    if key.view == "schedules":
        return schedules(*models, key.request, **room)
    if key.view == "samplers":
        return samplers(models[0], key.request, **room)
    return broken(models[0], key.request, key.error, **room)


def _size(key: RaceKey, models: list) -> int:
    """Bytes that its lanes will take."""
    steps = key.request.steps
    lanes = [steps, steps]
    if key.view == "samplers":
        lanes = [steps] + (len(SAMPLERS) - 1) * [few for few in FEW_STEPS if few <= steps]
    return sum(2 * film_bytes((key.request.n, *models[0].shape), steps) for steps in lanes)


def stream(studio: Studio, ticket: Ticket, key: RaceKey) -> Iterator[RaceProgress]:
    """Run a race, a step at a time in turn with other visitors' runs.

    Raises:
        InvalidInput: for a race that the models or the bounds on work do not allow.
    """
    key, models = settled(studio, key)
    kept = studio.kept(key)
    if kept is not None and kept.finished:
        yield replace(kept, earlier=True)
        return
    with studio.room(_size(key, models)):
        running = studio.engine.do(_make, key, models)
        yield from _run(studio, ticket, key, running)


def _run(studio: Studio, ticket: Ticket, key: RaceKey, running: Race) -> Iterator[RaceProgress]:
    account = Account()
    pause = max(1 / 20, len(running.lanes) * key.request.n / TILES_PER_SECOND)
    steps, shown = running.steps(account.seconds), time.monotonic()
    yield RaceProgress(key, running)

    def enough() -> bool:
        return ticket.asked or time.monotonic() - shown >= pause

    while not ticket.asked:
        if not studio.engine.advance(steps, enough, account):
            break
        if not ticket.asked:
            yield RaceProgress(key, running)
            shown = time.monotonic()  # not before: showing it may take longer than the pause
    running.close()
    if not ticket.superseded:
        done = RaceProgress(key, running, True, not running.finished)
        studio.keep(done)
        yield done


def value(progress: RaceProgress, ticket: Ticket) -> dict:
    """What the component shows of a race: its newest frames, or all of them once it has ended."""
    lanes, name = progress.race.lanes, query(progress.key)
    if not progress.done:
        return ordered(player.live(name, [_newest(lane) for lane in lanes]), ticket)
    about = {"stopped": progress.stopped, "earlier": progress.earlier}
    return ordered(player.film(name, [whole(lane) for lane in lanes], **about), ticket)


def take(studio: Studio, choice: share_panel.Choice) -> share_panel.Taken:
    """Write a race that has ended as a visitor wants it, and its last picture.

    Raises:
        InvalidInput: if the race is no longer kept.
    """
    progress = studio.kept_run(choice.run)
    if progress is None:
        raise InvalidInput(player_values.GONE)
    running, more = progress.race, {"tab": "reverse"}
    if progress.stopped:
        more["stopped_after"] = [lane.frames - 1 for lane in running.lanes]
    about = running.describe(**more)
    frames = len(running.pictures(choice.panes, choice.stride))
    plain = running.pictures(choice.panes)[0].shape
    scale = player_values.enlargement(plain, frames)
    path = player_values.written(
        f"{progress.key.view}-seed{progress.key.request.seed}.{choice.format}",
        lambda path: save_animation(
            running.pictures(choice.panes, choice.stride, scale=scale),
            path,
            frame_ms=player_values.pace(frames),
            note=about,
        ),
    )
    last = running.pictures(choice.panes, scale=player_values.enlargement(plain, 1))[-1]
    png = player_values.written(
        f"{progress.key.view}-seed{progress.key.request.seed}.png",
        lambda path: save_png(last, path, 1, about),
    )
    return share_panel.Taken(path, frames, Path(path).stat().st_size, png)


def whole(lane: Lane, most: int | None = None, panes: Iterable[str] = player.PANES) -> dict:
    """All of a lane, or as many frames as one transfer should carry.

    Args:
        most: frames, at most.
        panes: which of them.
    """
    chosen = lane.strided(most or transfer(lane))
    return player.lane(
        _name(lane),
        [lane.t[i] for i in chosen],
        pictures(lane, chosen, panes),
        log_snr=_finite(lane)[chosen].tolist(),
        numbers={k: values[chosen].tolist() for k, values in lane.numbers.items()},
        note=_note(lane),
        indices=chosen,
        **_about(lane),
    )


def _newest(lane: Lane) -> dict:
    last = lane.frames - 1
    return player.live_lane(
        _name(lane),
        last,
        lane.t[last],
        pictures(lane, last, player.PANES),
        log_snr=float(_finite(lane)[last]),
        numbers={k: float(v[last]) for k, v in lane.numbers.items()},
        **_about(lane),
    )


def _about(lane: Lane) -> dict:
    about = {"calls": lane.calls, "seconds": lane.seconds, "total": lane.steps}
    return about | {"columns": min(2, lane.x.shape[1])}


def _finite(lane: Lane) -> np.ndarray:
    """log-SNR with the clean image, whose own is infinite, as far on as one more step."""
    levels = lane.log_snr.copy()
    if np.isinf(levels[-1]):
        top = float(lane.schedule.log_snr[0])
        levels[-1] = top + max(0.5, 0.02 * (top - float(levels[0])))
    return levels


def _name(lane: Lane) -> str:
    return ERROR_WORDS.get(lane.name, lane.name)


def _note(lane: Lane) -> str:
    return lane.failed or f"{lane.kind} schedule"


def parse(params: Mapping[str, str], base: RaceKey) -> RaceKey:
    """Read a query string back; what it does not say is as in ``base``.

    Raises:
        InvalidInput: naming the field that is broken.
    """
    named = {k: params.get(k, getattr(base, k)) for k in ("view", "model", "against", "error")}
    return RaceKey(request=base.request.with_texts(params), **named)


def from_note(about: Mapping, base: RaceKey) -> RaceKey:
    """Read the note of a race's file, see ``Race.describe``; what it does not say is as in
    ``base``.

    Raises:
        InvalidInput: naming what is broken, or not to be had on the page.
    """
    if about.get("few", list(FEW_STEPS)) != list(FEW_STEPS):
        known = ", ".join(map(str, FEW_STEPS))
        raise InvalidInput(f"the page races {known} steps, this file has {about['few']}")
    texts = {k: str(v) for k, v in about.items() if isinstance(v, str | int | float)}
    return parse(texts | {"view": about["race"]}, base)


def query(key: RaceKey, **more) -> str:
    """The query string that restores a race."""
    extra = {"view": key.view, "against": key.against or None, "error": key.error or None}
    own = [(k, v) for k, v in (extra | more).items() if v is not None]
    return permalinks.query(permalinks.Key(key.model, key.request)) + "&" + urlencode(own)


def python(key: RaceKey) -> str:
    """Python that runs the same race, and makes its GIF."""
    call = {"schedules": "schedules", "samplers": "samplers", "break": "broken"}[key.view]
    first = f"load({key.model!r})"
    first += f", load({key.against!r})" if key.view == "schedules" else ""
    last = f", {key.error!r}" if key.view == "break" else ""
    return "\n".join(
        [
            "from ddpm_core import Request, load, save_animation",
            f"from lab.process.race import {call}\n",
            f"request = Request({_arguments(key)})",
            f"race = {call}({first}, request{last})",
            "for lane in race.steps():  # the one that took a step",
            "    pass",
            'save_animation(race.pictures(("x", "x0"), scale=2), "race.gif")',
            "",
        ]
    )


def command_line(key: RaceKey, meant: Mapping) -> str:
    """The command that runs the same race.

    Args:
        meant: how the model is meant to be sampled (``Config.sampling``).
    """
    words = ["python", "-m", "lab", "race", key.view]
    known = {"model": key.model, "against": key.against, "error": key.error}
    words += [w for k, v in known.items() if v for w in (f"--{k}", v)]
    base = permalinks.DEFAULTS | RACE_DEFAULTS | dict(meant)
    left_out = unused([key.request]).union(OWN[key.view])
    for name, given in permalinks.changed(key.request, base).items():
        if name not in left_out:
            words += permalinks.option(name, given)
    return shlex.join([*words, "--out", f"{key.view}.gif"])


# What the command line takes where nothing is said.
RACE_DEFAULTS = {"n": 1, "sampler": "ddpm", "steps": 1000, "label": "none"}


def _arguments(key: RaceKey) -> str:
    told = {"n": key.request.n} | permalinks.changed(key.request)
    return ", ".join(f"{k}={v!r}" for k, v in told.items() if k not in OWN[key.view])
