"""The forward process of a picture, for visitors."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from ddpm_core import Model
from ddpm_core.errors import check_int
from ddpm_core.noise import MAX_SEED
from lab.process.engine import Account
from lab.process.forward import ForwardFilm, noising
from lab.process.step_numbers import noise_share, readings

from .player_values import film_value, judge_of, read_classes
from .runs import Studio
from .ticket import Ticket

RECENT = 8
_recent: OrderedDict[tuple, ForwardFilm] = OrderedDict()
_guard = threading.Lock()


def noised(
    studio: Studio, model: Model, picture: np.ndarray, seed: int, ticket: Ticket
) -> ForwardFilm | None:
    """The forward process of a picture. Those of the last few pictures are not computed again.

    None if it was overtaken.
    """
    key = (model.name, check_int("seed", seed, 0, MAX_SEED), picture.shape, picture.tobytes())
    with _guard:
        film = _recent.get(key)
    if film is not None:
        return film
    parts, account = noising(model, picture, seed), Account()
    while film is None:
        film = studio.engine.do(next, parts, account=account)
        if ticket.asked:
            return None
    with _guard:
        _recent[key] = film
        while len(_recent) > RECENT:
            _recent.popitem(last=False)
    return film


def value(model: Model, noised: ForwardFilm, run: str) -> dict:
    """The player's value for a forward process."""
    film, frames = noised.film, noised.film.frames
    # Counted from 1: the player shows no second picture at step 0, and here there is one.
    about = {"columns": 1, "seconds": 0, "calls": 0, "total": frames}
    about["indices"] = range(1, frames + 1)
    about["numbers"] = {"noise": [noise_share(model.schedule, t) for t in film.t]}
    is_blank = not np.ptp(film.x[-1])  # a judge would choose a class all the same
    if not is_blank and (log_probs := judge_of(model)):
        about["numbers"] |= readings(film.x, log_probs)
        about["classes"] = read_classes(model)
    return film_value(run, film, **about) | {"still": True}
