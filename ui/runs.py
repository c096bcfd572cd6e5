"""Runs on behalf of visitors: streamed, stopped on request, kept within a byte budget."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from weakref import WeakValueDictionary

from ddpm_core import Film, InvalidInput, Model, Request, Run, available, load
from ddpm_core.errors import check_int

KEPT_BYTES = 256 * 2**20
# A minute of two cores, about; sixteen images over all 1,000 steps must be within it.
MAX_WORK = 20_000
MAX_IMAGES = 64
FRAMES_PER_SECOND = 20
SECONDS_PER_TILE = 0.0015  # larger grids are larger frames: fewer of them a second


@dataclass(frozen=True)
class Progress:
    """Where a run stands; the film grows as the run goes on.

    Attributes:
        key: names the run: (model, request).
        seconds: of sampling so far, waiting for other visitors' steps included.
        done: no further progress will come.
        stopped: ended by the visitor before the last step.
    """

    key: tuple
    film: Film
    seconds: float
    done: bool = False
    stopped: bool = False

    def named(self, model: str, request: Request) -> Progress:
        """The same film under the request that would make it."""
        return replace(self, key=(model, request))

    @property
    def steps_done(self) -> int:
        return self.film.frames - 1


class Studio:
    """Loads models once, runs requests step by step in turn, and keeps recent films."""

    def __init__(self):
        self._models: dict[str, Model] = {}
        self._kept: OrderedDict[tuple, Progress] = OrderedDict()
        # An ending lives as long as its run: a visitor who left is forgotten by itself.
        self._endings: WeakValueDictionary[tuple, Ending] = WeakValueDictionary()
        self._orders = count(time.time_ns() // 1000)
        self._guard = threading.RLock()
        self._turns = Turnstile()

    def names(self) -> list[str]:
        """The models to choose from, the best for a first look first."""
        return sorted(available(), key=lambda name: (name != "mnist-conditional", name))

    def model(self, name: str) -> Model:
        """A shipped model; never a path from a visitor."""
        if name not in available():
            raise InvalidInput(f"unknown model {name!r}; known: {', '.join(self.names())}")
        with self._guard:
            if name not in self._models:
                self._models[name] = load(name)
            return self._models[name]

    def allowed(self, model_name: str, request: Request) -> Request:
        """The request as the model can serve it, if it is within the bounds on work.

        Raises:
            InvalidInput: saying what is out of bounds.
        """
        check_int("n", request.n, 1, MAX_IMAGES)
        return request.for_model(self.model(model_name), MAX_WORK)

    def arm(self, visitor: tuple) -> Ending:
        """Prepare a run of a visitor's; an earlier one of theirs ends without another word.

        Args:
            visitor: who runs it, and where on the page.
        """
        with self._guard:
            earlier = self._endings.get(visitor)
            if earlier is not None:
                earlier.superseded = earlier.asked = True
            self._endings[visitor] = ending = Ending(next(self._orders))
            return ending

    def stream(self, ending: Ending, model_name: str, request: Request) -> Iterator[Progress]:
        """Run a request, yielding about twenty times a second and always at the end.

        Args:
            ending: from ``arm``.

        Raises:
            InvalidInput: for a request that the model or the bounds on work do not allow.
        """
        model, request = self.model(model_name), self.allowed(model_name, request)
        key = (model_name, request)
        kept = self.kept(key)
        if kept is not None and kept.film.finished:
            yield kept
            return
        yield from self._run(ending, key, Run(model, request))

    def _run(self, ending: Ending, key: tuple, run: Run) -> Iterator[Progress]:
        film, started, shown = run.film(), time.monotonic(), 0.0
        pause = max(1 / FRAMES_PER_SECOND, run.request.n * SECONDS_PER_TILE)
        yield Progress(key, film, 0.0)
        steps = film.record(run.steps())
        while not ending.asked:
            with self._turns.turn():
                if next(steps, None) is None:
                    break
            now = time.monotonic()
            if now - shown >= pause and not film.finished and not ending.asked:
                shown = now
                yield Progress(key, film, now - started)
        if not ending.superseded:
            end = Progress(key, film, time.monotonic() - started, True, not film.finished)
            self._keep(end)
            yield end

    def stop(self, visitor: tuple) -> None:
        """Ask the visitor's run to end after the step it is in; what it has is kept."""
        with self._guard:
            ending = self._endings.get(visitor)
            if ending is not None:
                ending.asked = True

    def kept(self, key: tuple) -> Progress | None:
        """A finished or stopped run, if its film is still kept."""
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def tile(self, key: tuple, image: int) -> Progress | None:
        """One image of a kept run, in full; None if the run is no longer kept."""
        whole = self.kept(key)
        return whole and replace(whole, film=whole.film.tile(image))

    def _keep(self, progress: Progress) -> None:
        with self._guard:
            kept = self._kept.get(progress.key)
            if progress.stopped and kept is not None and kept.film.finished:
                return  # somebody else's whole run is worth more than this part of it
            self._kept[progress.key] = progress
            self._kept.move_to_end(progress.key)
            while sum(p.film.nbytes for p in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)


@dataclass(eq=False)
class Ending:
    """How a run is told to end: asked by its visitor, or overtaken by their next run.

    Attributes:
        order: rises from run to run, so that late news of an old one can be told.
    """

    order: int = 0
    asked: bool = False
    superseded: bool = False


class Turnstile:
    """A lock that serves in order of arrival, so that runs advance step by step in turn.

    Two networks running at once on few cores slow each other down more than taking turns.
    """

    def __init__(self):
        self._waiting: deque = deque()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self):
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._waiting[0] is ticket)
        try:
            yield
        finally:
            with self._changed:
                self._waiting.popleft()
                self._changed.notify_all()
