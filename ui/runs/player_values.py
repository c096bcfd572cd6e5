"""Runs as values for the player."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ddpm_core import Film, Model, Request
from ddpm_core.faults import FAULTS
from ddpm_core.guidance import GUIDANCE
from ddpm_core.guides import classifier_for, roles_for
from ddpm_core.recorder import default_columns
from lab.process.step_numbers import noise_share, step_numbers

from ..events import words_of
from ..sharing import permalinks
from ..widgets.player import player
from .frames import name_of
from .runs import Progress, Studio
from .ticket import Ticket

# Noise hardly compresses, so a longer film sends only as many frames of a pane as fit into this.
PANE_BYTES = 2 * 2**20
LONG = 3.0  # seconds; a longer run says how long it takes while it lasts
LAST_WORD = 5.0  # seconds that an overtaken run may take to end its step
FAILED = "The run failed on the server, which has made a note of it."


def values(
    runs: Iterator, ticket: Ticket, value: Callable
) -> Iterator[tuple[dict, Progress | None]]:
    """Values for the player, with the progress of a run, or of a race, behind each.

    A request that cannot be met is one value: its error.
    """
    try:
        for progress in runs:
            yield ordered(value(progress), ticket), progress
    except Exception as error:
        yield failed(words_of(error, FAILED), ticket), None


def ordered(value: dict, ticket: Ticket) -> dict:
    """Let a component tell news of this run from late news of an earlier one."""
    return value | {"order": ticket.order}


def failed(message: object, ticket: Ticket) -> dict:
    """An error, which says why there is nothing new to see."""
    return ordered(player.error(str(message)), ticket)


def once_more(ticket: Ticket, news: dict) -> Iterator[dict]:
    """Yield the only news of a run again, after the last news of the run that it overtook.

    A browser shows only the later of two values of a component that arrive together. If that is
    the other run's, nothing else would ever show this one.
    """
    if ticket.speaks_last(LAST_WORD):
        yield news


def shown(studio: Studio, progress: Progress) -> dict:
    """All frames of a run that has ended, or the newest one."""
    return (final if progress.done else under_way)(studio, progress)


def under_way(studio: Studio, progress: Progress) -> dict:
    """The newest frame, while a run goes on."""
    film, done = progress.film, progress.steps_done
    noise = noise_share(_schedule(studio, progress), film.t[-1])  # its end is not known yet
    about = {"numbers": {"noise": noise}} | _about(studio, progress)
    if (progress.expected or 0) > LONG:
        about["expected"] = progress.expected
    lane = player.live_lane("", done, film.t[done], pictures(film, done), **about)
    return player.live(run_name(progress), [lane])


def final(studio: Studio, progress: Progress) -> dict:
    """The film of a run that has ended."""
    model, schedule = studio.model(progress.key.model), _schedule(studio, progress)
    judge, trace = judge_of(model), progress.trace
    numbers = studio.engine.do(lambda: step_numbers(progress.film, schedule, judge, trace=trace))
    about = {"numbers": numbers} | _about(studio, progress)
    about |= {"classes": read_classes(model)} if "reads" in numbers else {}
    return film_value(run_name(progress), progress.film, stopped=progress.stopped, **about)


def film_value(run: str, film: Film, stopped: bool = False, **about) -> dict:
    """A film for the player: all its frames, or as many as one transfer should carry."""
    chosen = film.strided(transfer(film))
    about |= {"chosen": chosen, "source": name_of(film)}
    lane = player.lane("", film.t, pictures(film, chosen), **about)
    return player.film(run, [lane], stopped=stopped)


def transfer(film: Film) -> int:
    """How many frames of a film one transfer should carry."""
    return max(2, PANE_BYTES // film.x[0].nbytes)


def pictures(film: Film, frames, panes: Iterable[str] = ("x", "x0")) -> dict[str, np.ndarray]:
    """The pictures of some frames, or of one, by pane."""
    return {pane: getattr(film, pane)[frames] for pane in panes}


def run_name(progress: Progress) -> str:
    """A name that no other run shares."""
    return permalinks.query(progress.key)


def columns(progress: Progress) -> int:
    """Images in a row."""
    return progress.key.columns or default_columns(progress.film.x.shape[1])


def judge_of(model: Model):
    """A function that reads clean pictures like a model's; None if there is no judge."""
    if "judge" not in roles_for(model):
        return None
    network = classifier_for(model, "judge")
    return lambda x: network.log_probs(x, 1.0)


def read_classes(model: Model) -> list[str]:
    """The classes that the judge of a model's pictures reads; the model may know no classes."""
    return list(classifier_for(model, "judge").classes)


def _schedule(studio: Studio, progress: Progress):
    schedule = studio.model(progress.key.model).schedule
    return FAULTS[progress.key.request.fault].schedule(schedule)


def _about(studio: Studio, progress: Progress) -> dict:
    return {
        "columns": columns(progress),
        "seconds": progress.seconds,
        "calls": progress.calls[progress.steps_done],
        "total": progress.film.steps,
        "told": _is_told(studio.model(progress.key.model), progress.key.request),
    }


def _is_told(model: Model, request: Request) -> bool:
    """True if the network is told what to draw. Where a classifier guides, it is told no class, if
    it can do without."""
    if GUIDANCE[request.guidance].classifier and model.unet.null_index is not None:
        return False
    return request.label != "none" and bool(model.classes)
