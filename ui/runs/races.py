"""Races for visitors: how they are named and run, and their values for the player."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ddpm_core import SAMPLERS, InvalidInput, Request
from ddpm_core.errors import check_choice, check_int
from ddpm_core.recorder import film_bytes
from lab.process.engine import Account
from lab.process.race import ERRORS, FEW_STEPS, Lane, Race, broken, samplers, schedules
from lab.process.report_errors import REPORT_ERRORS
from lab.process.step_numbers import noise_share, step_numbers

from ..widgets.player import player
from .limits import check_work
from .player_values import pictures, transfer
from .runs import KEPT_BYTES, Progress, Studio
from .ticket import Ticket

VIEWS = ("schedules", "samplers", "break")
ERROR_WORDS = {
    "no-clip": "x̂0 not clipped",
    "off-by-one": "ᾱ off by one",
    "first-beta": "β from 1e-3",
    "missing-root": "σ without its root",
    "batch-scale": "λ over the batch",
}
MAX_IMAGES = 4  # of each lane
TILES_PER_SECOND = 80  # sent while a race lasts, four panes each
# Fields that only one of the views reads.
OF_VIEW = {"against": "schedules", "error": "break"}
# How the race of batch-scale is guided; the visitor chooses the scale.
GUIDED = {"guidance": "classifier-noisy", "guidance_scale": 5.0, "label": 3}


@dataclass(frozen=True)
class RaceKey:
    """Names a race.

    Attributes:
        view: one of ``VIEWS``.
        request: what every lane samples, apart from the differences between lanes.
        against: for ``"schedules"``, the name of the other model.
        error: for ``"break"``, the error that the second lane has, one of ``ERRORS``.
    """

    view: str
    model: str
    request: Request
    against: str = ""
    error: str = ""

    @property
    def trunk(self) -> RaceKey:
        """Itself: a race has no branches."""
        return self

    @property
    def models(self) -> list[str]:
        return [self.model, self.against] if self.view == "schedules" else [self.model]


def settled(studio: Studio, key: RaceKey) -> tuple[RaceKey, list]:
    """The key as the models can serve it, and the models.

    Raises:
        InvalidInput: saying what is out of bounds.
    """
    check_choice("view", key.view, VIEWS)
    check_int("n", key.request.n, 1, MAX_IMAGES)
    # Fields of other views are emptied, so that equal races have equal names.
    key = replace(key, **{k: "" for k, view in OF_VIEW.items() if view != key.view})
    if key.view == "break":
        check_choice("error", key.error, ERRORS)
    _check_guidance(key)
    models = [studio.model(name) for name in key.models]
    request = replace(key.request, fault="none")
    if key.view == "samplers":  # it sets these itself
        request = replace(request, sampler="ddpm", steps=models[0].schedule.num_timesteps)
    if key.error in REPORT_ERRORS:
        studio.allowed(key.model, replace(request, fault=key.error))
    key = replace(key, request=studio.allowed(key.model, request))
    for name in key.models[1:]:
        studio.allowed(name, request)
    lanes = 1 if key.view == "samplers" else 2  # with all T steps; other lanes have few
    for model in models:
        check_work(model, lanes * [key.request], "side by side these")
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
    room = {"max_bytes": KEPT_BYTES}  # more would not be kept, and would push out everybody's runs
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


def stream(studio: Studio, ticket: Ticket, key: RaceKey) -> Iterator[Progress]:
    """Run a race, a step at a time in turn with other visitors' runs; it is its progress' film.

    Raises:
        InvalidInput: for a race that the models or the bounds on work do not allow.
    """
    key, models = settled(studio, key)
    stored = studio.kept(key)
    if stored is not None and stored.finished:
        yield replace(stored, seconds=None)
        return
    with studio.room(_size(key, models)):
        account, race = Account(), studio.engine.do(_make, key, models)
        pause = max(1 / 20, len(race.lanes) * key.request.n / TILES_PER_SECOND)
        progress = Progress(key, race, 0.0)
        yield progress
        for _ in studio.paced(ticket, race.steps(account.seconds), pause, account):
            yield progress
        race.close()
        if not ticket.superseded:
            done = replace(progress, done=True, stopped=not race.finished)
            studio.keep(done)
            yield done


def value(progress: Progress, run: str) -> dict:
    """The player's value for a race: its newest frames, or all of them once it has ended."""
    lanes = progress.film.lanes
    if not progress.done:
        return player.live(run, [_newest(lane) for lane in lanes])
    about = {"stopped": progress.stopped, "earlier": progress.seconds is None}
    return player.film(run, [whole(lane) for lane in lanes], **about)


def whole(lane: Lane, most: int | None = None, panes: Iterable[str] = player.PANES) -> dict:
    """A lane's film: at most ``most`` frames, or as many as one transfer should carry."""
    chosen = lane.strided(most or transfer(lane))
    return player.lane(
        t=[lane.t[i] for i in chosen],
        panes=pictures(lane, chosen, panes),
        log_snr=_finite(lane)[chosen].tolist(),
        numbers={k: values[chosen].tolist() for k, values in lane.numbers.items()}
        | step_numbers(lane, lane.schedule, chosen=chosen),
        note=lane.failed or f"{lane.kind} schedule",
        indices=chosen,
        **_about(lane),
    )


def _newest(lane: Lane) -> dict:
    last = lane.frames - 1
    return player.live_lane(
        index=last,
        t=lane.t[last],
        frame=pictures(lane, last, player.PANES),
        log_snr=float(_finite(lane)[last]),
        numbers={k: float(v[last]) for k, v in lane.numbers.items()}
        | {"noise": noise_share(lane.schedule, lane.t[last])},
        **_about(lane),
    )


def _about(lane: Lane) -> dict:
    about = {"name": ERROR_WORDS.get(lane.name, lane.name), "columns": min(2, lane.x.shape[1])}
    return about | {"calls": lane.calls, "seconds": lane.seconds, "total": lane.steps}


def _finite(lane: Lane) -> np.ndarray:
    """The log-SNR of each frame. That of the clean image is infinite: it is put a step further."""
    levels = lane.log_snr.copy()
    if np.isinf(levels[-1]):
        top = float(lane.schedule.log_snr[0])
        levels[-1] = top + max(0.5, 0.02 * (top - float(levels[0])))
    return levels
