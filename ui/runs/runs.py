"""Runs for visitors: streamed, stopped on request, kept within a byte budget."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ddpm_core import Film, InvalidInput, Request, Run
from ddpm_core.errors import check_int
from ddpm_core.recorder import film_bytes
from lab.measure.metrics import Measured, measuring
from lab.process.engine import Account
from lab.process.trace import Trace, reported, trace_bytes

from .limits import (
    MAX_IMAGES,
    MAX_SHEET,
    MAX_TRACED,
    check_through,
    check_work,
    most_images,
    most_work,
)
from .models import Models
from .ticket import Ticket, Tickets

KEPT_BYTES = 256 * 2**20
CALLS = 16  # of the API at a time; as many more wait, outside the visitors' queue
# For films and records of all visitors' runs under way, and for the copies of each film's pages.
RUNNING_BYTES = 2**30
MAX_PREVIEWS = 16  # at a time; Gradio's 40 threads serve everything else, too
FRAMES_PER_SECOND = 20
MEASURED_AT_A_TIME = 25
PAIRED_BYTES = 8  # for each value of images whose distances are measured
SECONDS_PER_TILE = 0.0015  # larger grids are larger frames: fewer of them a second


def new_id() -> str:
    """The id of a run: two visitors who ask for the same run get two ids."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Key:
    """Names what is run.

    Attributes:
        beside: requests that run in the same batch, each with its own row of images.
        branch_at: the step from which on the one request beside goes on alone, or None.
    """

    model: str
    request: Request
    beside: tuple[Request, ...] = ()
    branch_at: int | None = None

    @property
    def requests(self) -> list[Request]:
        return [self.request, *self.beside]

    @property
    def trunk(self) -> Key:
        """The run that the controls spell: for a branch, the run that it branched from."""
        return self if self.branch_at is None else Key(self.model, self.request)

    @property
    def columns(self) -> int | None:
        """Images in a row: one row for each request that is guided, or leads from one seed to
        another, and of a sheet for each class; else None, for whatever fits."""
        if self.request.n == 1 and len(self.beside) > 2:  # see ``sampling.scale_sheet``
            return len({request.guidance_scale for request in self.requests})
        in_rows = self.request.guidance != "none" or self.request.toward is not None
        row = in_rows and self.request.n <= 8
        return self.request.n if self.beside or row else None

    @property
    def size(self) -> int:
        """Images times steps."""
        return sum(r.n * r.steps for r in self.requests)


@dataclass(frozen=True)
class Progress:
    """The progress of a run; the film grows as the run goes on.

    Attributes:
        key, film: a ``RaceKey`` and the race, for the progress of a race.
        seconds: computing time so far, without waiting for other visitors' steps; None for a run
            that was computed earlier, or together with other images.
        done: no further progress will come.
        stopped: ended by the visitor before the last step.
        trace: what guidance did, if that was asked for; for a branch, in its own part only.
        calls: evaluations of the network for each image at every frame; for a branch, in its own
            part only.
        id: this run's, see ``new_id``.
        expected: seconds that all of it will take; None if no such run was measured yet.
    """

    key: Key
    film: Film
    seconds: float | None
    done: bool = False
    stopped: bool = False
    trace: Trace | None = None
    calls: Sequence[int] = ()
    id: str = field(default_factory=new_id)
    expected: float | None = None

    @property
    def steps_done(self) -> int:
        return self.film.frames - 1

    @property
    def finished(self) -> bool:
        return self.film.finished

    @property
    def nbytes(self) -> int:
        return self.film.nbytes + (self.trace.nbytes if self.trace else 0)


class Studio(Models, Tickets):
    """Runs requests step by step in turn, and keeps recent films. For arguments see ``Models``."""

    def __init__(self, *args, **options):
        Models.__init__(self, *args, **options)
        Tickets.__init__(self)
        self._kept: OrderedDict[str, Progress] = OrderedDict()  # by id
        self._newest: dict[Key, str] = {}  # the id of the run to show to the next who asks for it
        # For each kind of run and number of images: seconds for a call, the last time.
        self._paces: dict[tuple, dict[int, float]] = {}
        self._previews = threading.BoundedSemaphore(MAX_PREVIEWS)
        self._calls = threading.BoundedSemaphore(CALLS)
        self._callers = threading.BoundedSemaphore(2 * CALLS)  # those who wait among them
        self._running = 0  # bytes

    def allowed(self, model_name: str, request: Request) -> Request:
        """The request as the model can serve it, if it is within the bounds on work.

        Raises:
            InvalidInput: saying what is out of bounds.
        """
        check_int("n", request.n, 1, MAX_IMAGES)
        model = self.model(model_name)
        most = most_images(model)
        if most is not None:
            check_int(f"n, for {model_name},", request.n, 1, most)
        return request.for_model(model, most_work(model))

    def stream(
        self, ticket: Ticket, key: Key, traced: bool = False, rate: float = FRAMES_PER_SECOND
    ) -> Iterator[Progress]:
        """Run what a key names, yielding so many times a second and always at the end.

        Args:
            traced: record what guidance did, too.

        Raises:
            InvalidInput: for a request that the model or the bounds on work do not allow.
        """
        key = self.settled(key)
        stored = self.kept(key)
        if (
            stored is not None
            and stored.film.finished
            and (stored.trace or not self.is_recorded(key, traced))
        ):
            yield replace(stored, seconds=None)
            return
        with self.room(self._size(key, traced)):
            runner = self._whole if key.branch_at is None else self._branch
            yield from runner(ticket, key, traced, rate)

    def _whole(self, ticket, key: Key, traced, rate) -> Iterator[Progress]:
        model = self.model(key.model)  # not on the engine: it may have to be loaded

        def begin():
            run = Run(model, key.requests)
            return run, run.film(), run.start

        account = Account(head_start=ticket.head_start)
        run, film, start = self.engine.do(begin, account=account)
        yield from self._run(ticket, key, run, film, start, None, traced, rate)

    def _branch(self, ticket, key: Key, traced, rate) -> Iterator[Progress]:
        trunk_key = Key(key.model, key.request)
        trunk = self.kept(trunk_key)
        if trunk is None or not (trunk.finished and trunk.trace):
            for trunk in self._whole(ticket, trunk_key, True, rate):
                if not trunk.done:
                    yield replace(trunk, key=key)
        if not (trunk.done and trunk.finished):  # it was ended too early
            if trunk.stopped:
                yield trunk
            return
        # Whatever its own noise, a branch starts where the trunk was.
        model = self.model(key.model)
        if key.branch_at:
            step = self.engine.do(trunk.trace.state, key.branch_at)
            start = step.x
        else:
            step, start = None, self.engine.do(lambda: Run(model, key.request).start)
        run = Run(model, key.beside[0])
        film = trunk.film.until(key.branch_at)
        for progress in self._run(ticket, key, run, film, start, step, traced, rate):
            joined = trunk.film.beside(progress.film)
            progress = replace(progress, film=joined)
            if progress.done:
                self.keep(progress)
            yield progress

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """So many bytes for a run under way; a run that is alone gets all it needs.

        Raises:
            InvalidInput: if others' runs take too much.
        """
        with self._guard:
            if self._running and self._running + size > RUNNING_BYTES:
                raise InvalidInput(
                    "the page is full: the runs of others take all memory that runs may have; try "
                    "again in a minute, or take fewer images or steps"
                )
            self._running += size
        try:
            yield
        finally:
            with self._guard:
                self._running -= size

    def is_recorded(self, key: Key, traced: bool) -> bool:
        """True if a record is asked for, and the run is small enough to be recorded and kept."""
        return traced and key.size <= MAX_TRACED and sum(self._bytes(key)) <= KEPT_BYTES

    def _bytes(self, key: Key) -> tuple[int, int]:
        """Bytes of the films of a run's rows, and of their records."""
        shapes = [((r.n, *self.model(key.model).shape), r.steps) for r in key.requests]
        return sum(film_bytes(*s) for s in shapes), sum(trace_bytes(*s) for s in shapes)

    def _size(self, key: Key, traced: bool) -> int:
        """Bytes that a run of this allocates."""
        films, records = self._bytes(key)
        recorded = records if self.is_recorded(key, traced) else 0
        if key.branch_at is None:
            return films + recorded
        # Trunk and branch have a film each, and are copied side by side twice: for the frame that
        # is shown and for the next one. The trunk is recorded in any case.
        return 3 * films + max(recorded, self._bytes(key.trunk)[1])

    def preview(self):
        """A place for one of the short runs that wait in no queue.

        Raises:
            InvalidInput: if all places are taken.
        """
        return _place(
            self._previews, "too many sliders move at this moment; rest yours for a second"
        )

    @contextmanager
    def call(self) -> Iterator[None]:
        """A place for a call of the API, whatever way it came; waits for one of ``CALLS``.

        Raises:
            InvalidInput: if ``CALLS`` calls wait already.
        """
        full = f"the API is full: {CALLS} calls are under way and as many wait; try again soon"
        with _place(self._callers, full), self._calls:
            yield

    def settled(self, key: Key) -> Key:
        """The key with every request as the model can serve it, if all is within the bounds.

        Raises:
            InvalidInput: saying what is out of bounds.
        """
        model, requests = self.model(key.model), key.requests
        requests = [self.allowed(key.model, r) for r in requests]
        if any(r.n != requests[0].n for r in requests):
            raise InvalidInput("rows side by side are as long as the first: give them the same n")
        check_int("images side by side", sum(r.n for r in requests), 1, MAX_SHEET)
        check_work(model, requests, "side by side these")
        check_through(model, requests)
        Run(model, requests, images=[])  # checks that they fit together
        films, _ = self._bytes(key)
        if films > KEPT_BYTES:
            raise InvalidInput(
                f"a film of {films // 2**20:,} MiB is more than the {KEPT_BYTES // 2**20} that are "
                "kept; take fewer images or steps"
            )
        if key.branch_at is not None:
            check_int("branch_at", key.branch_at, 0, key.request.steps)
            if len(requests) != 2:
                raise InvalidInput("a branch is one other request")
            if key.size > MAX_TRACED or not self.is_recorded(key.trunk, True):
                raise InvalidInput(
                    "so large a run keeps no states to branch from; take fewer images or steps"
                )
        return Key(key.model, requests[0], tuple(requests[1:]), key.branch_at)

    def paced(
        self, ticket: Ticket, steps: Iterator, pause: float, account: Account | None = None
    ) -> Iterator[None]:
        """Take steps in turn with other runs, until they end or the visitor stops them. Yields
        every ``pause`` seconds, when something can be shown."""
        account, shown_at = account or Account(), 0.0

        def enough() -> bool:
            return ticket.asked or time.monotonic() - shown_at >= pause

        while not ticket.asked and self.engine.advance(steps, enough, account):
            if not ticket.asked:
                yield
                shown_at = time.monotonic()  # not before: showing it may take longer than the pause

    def _run(self, ticket, key: Key, run: Run, film: Film, start, previous, traced, rate):
        account = Account(head_start=ticket.head_start)
        pause = max(1 / rate if rate else 3600, len(run.images) * SECONDS_PER_TILE)
        trace = Trace(run) if self.is_recorded(key, traced) else None
        calls = run.calls(report=trace is not None)
        shared = calls[key.branch_at or 0]  # a branch is charged for its own part only
        calls = [max(0, n - shared) for n in calls]
        kind = (key.model, frozenset(r.guidance for r in key.requests), trace is not None)
        progress = Progress(key, film, 0.0, calls=calls, expected=self._expected(kind, run, calls))
        yield progress
        steps = reported(run, start, previous) if trace else run.steps(start, previous)
        if trace:
            steps = trace.record(steps, start)
        for _ in self.paced(ticket, film.record(steps), pause, account):
            if not film.finished:
                yield replace(progress, seconds=account.spent)
        if film.finished and calls[-1]:
            self._paces.setdefault(kind, {})[len(run.images)] = account.spent / calls[-1]
        if not ticket.superseded:
            stopped = not film.finished
            end = replace(progress, seconds=account.spent, done=True, stopped=stopped, trace=trace)
            if key.branch_at is None:
                self.keep(end)
            yield end

    def _expected(self, kind: tuple, run: Run, calls: Sequence[int]) -> float | None:
        """Seconds that a run will take, by the last one of its kind with about as many images."""
        images, paces = len(run.images), self._paces.get(kind, {})
        nearest = min(paces, key=lambda n: abs(math.log(n / images)), default=None)
        # A call for one image does not take a sixteenth of a call for sixteen.
        if nearest is None or not images / 2 <= nearest <= 2 * images:
            return None
        return calls[-1] * paces[nearest] * images / nearest

    def measuring(
        self, ticket: Ticket, model_name: str, requests: Sequence[Request], pause: float
    ) -> Iterator[tuple[int, dict[Request, Measured]]]:
        """Measure requests one after another, in turn with other runs.

        Yields:
            the number of steps done and each request's figures so far, every ``pause`` seconds
            and at the end.

        Raises:
            InvalidInput: if the model, or the bounds on work or memory, do not allow it.
        """
        model, done, figures = self.model(model_name), 0, {}
        check_work(model, requests, "all scales together")
        images = max(request.n for request in requests)
        at_a_time = min(images, MEASURED_AT_A_TIME)
        check_through(model, [replace(requests[0], n=at_a_time)])

        def steps():
            nonlocal done
            for request in requests:
                for measured in measuring(model, request.for_model(model), batch=at_a_time):
                    if measured is None:
                        done += 1
                    else:
                        figures[request] = measured
                    yield

        with self.room(PAIRED_BYTES * images * math.prod(model.shape)):
            for _ in self.paced(ticket, steps(), pause):
                yield done, figures
        yield done, figures

    def kept(self, key: Key) -> Progress | None:
        """A finished or stopped run of this key, no matter whose, if its film is still kept."""
        with self._guard:
            return self.kept_run(self._newest.get(key, ""))

    def kept_run(self, id: str) -> Progress | None:
        """The run of this id, if its film is still kept."""
        with self._guard:
            if id in self._kept:
                self._kept.move_to_end(id)
            return self._kept.get(id)

    def tile(self, key: Key, image: int) -> Progress | None:
        """One image of a kept run, in full; None if the run is no longer kept."""
        whole = self.kept(key)
        return whole and replace(whole, film=whole.film.tile(image), seconds=None, trace=None)

    def forget(self, name: str) -> None:
        """Of a model's kept runs only the films stay: a record holds the model."""
        with self._guard:
            for id, kept in self._kept.items():
                if getattr(kept, "trace", None) and kept.key.model == name:
                    self._kept[id] = replace(kept, trace=None)

    def keep(self, progress) -> None:
        """Keep a run, or a race, that has ended; the oldest make room within ``KEPT_BYTES``."""
        with self._guard:
            whole = self.kept(progress.key)
            # Somebody else's whole run is worth more to others than this part of it.
            if not (progress.stopped and whole is not None and whole.finished):
                self._newest[progress.key] = progress.id
            self._kept[progress.id] = progress
            self._kept.move_to_end(progress.id)
            while sum(p.nbytes for p in self._kept.values()) > KEPT_BYTES:
                _, oldest = self._kept.popitem(last=False)
                if self._newest.get(oldest.key) == oldest.id:
                    del self._newest[oldest.key]


@contextmanager
def _place(places: threading.Semaphore, full: str) -> Iterator[None]:
    if not places.acquire(blocking=False):
        raise InvalidInput(full)
    try:
        yield
    finally:
        places.release()
