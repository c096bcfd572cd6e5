"""What the Forward tab runs for visitors: pictures noised, and holes in them filled."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ddpm_core import Model
from ddpm_core.errors import check_int
from ddpm_core.noise import MAX_SEED
from ddpm_core.recorder import film_bytes
from lab.process.engine import Account
from lab.process.filling import fill_calls, fill_run, filling
from lab.process.forward import ForwardFilm, noising
from lab.process.step_numbers import noise_share, readings

from .limits import check_work
from .player_values import film_value, judge_of, read_classes
from .runs import Key, Progress, Studio
from .ticket import Ticket

RECENT = 8
PAUSE = 1 / 10
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


@dataclass(frozen=True)
class FillKey(Key):
    """Names a hole that is filled.

    Attributes:
        picture: the bytes of a picture of the model's shape.
        hole: a byte for each of its pixels, 0 if the pixel is known.
        resample: how often each stretch of steps is walked.
    """

    picture: bytes = b""
    hole: bytes = b""
    resample: int = 1

    @property
    def columns(self) -> int:
        return self.request.n

    def opened(self, model: Model) -> tuple[np.ndarray, np.ndarray]:
        """The picture, uint8 (H, W, C), and the hole, bool (H, W)."""
        c, h, w = model.shape
        hole = np.frombuffer(self.hole, np.uint8).reshape(h, w) > 0
        return np.frombuffer(self.picture, np.uint8).reshape(h, w, c), hole


def fill(studio: Studio, ticket: Ticket, key: FillKey) -> Iterator[tuple[int, Progress]]:
    """Fill a hole, in turn with other visitors' runs.

    Yields:
        the number of steps taken, repeated ones among them, and the progress.

    Raises:
        InvalidInput: if the bounds on work or memory do not allow it.
    """
    model, stored, count = studio.model(key.model), studio.kept(key), 0
    check_work(model, [key.request] * key.resample, "these steps, gone back over,")
    if stored is not None and stored.finished:
        yield key.request.steps * key.resample, replace(stored, seconds=None)
        return
    with studio.room(film_bytes((key.request.n, *model.shape), key.request.steps)):
        account = Account()

        def begin():
            run = fill_run(model, *key.opened(model), key.request)
            return run, run.film()

        def steps():
            nonlocal count
            for step, is_kept in filling(run, key.resample):
                count += 1
                if is_kept:
                    film.add(step)
                yield

        run, film = studio.engine.do(begin, account=account)
        progress = Progress(key, film, 0.0, calls=fill_calls(run, key.resample))
        for _ in studio.paced(ticket, steps(), PAUSE, account):
            yield count, replace(progress, seconds=account.spent)
        if not ticket.superseded:
            stopped = not film.finished
            done = replace(progress, seconds=account.spent, done=True, stopped=stopped)
            studio.keep(done)
            yield count, done
