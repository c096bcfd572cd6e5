"""Holes in pictures, filled for visitors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ddpm_core import Model
from ddpm_core.recorder import film_bytes
from lab.process.engine import Account
from lab.process.filling import fill_calls, fill_run, filling

from .limits import check_work
from .runs import Key, Progress, Studio
from .ticket import Ticket

PAUSE = 1 / 10


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


def stream(studio: Studio, ticket: Ticket, key: FillKey) -> Iterator[tuple[int, Progress]]:
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
