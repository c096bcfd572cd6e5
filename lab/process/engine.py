"""One thread for all the arithmetic of a process that serves many, and whose turn it is there.

OpenMP keeps a team of threads for every thread that computes. Where two such teams outnumber the
cores, their members go to sleep after each operation instead of waiting a moment for the next,
and a small network, hundreds of short operations in a row, takes more than twice as long. A
server whose every request computes in a thread of its own always runs into this: let all of them
hand their work to one engine.

Work is handed over in pieces, a sampler's step for example. Next is whoever has had least of the
engine so far, so that what is short overtakes what is long; but waiting counts too, so that what
is long is never left standing. A piece that evaluates a network stops there for a moment: other
pieces that wait for the same network are evaluated with it, in one batch. What is to be
differentiated stops there, too, but shares no batch: its graph is its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from queue import Empty, SimpleQueue
from typing import TypeVar

import torch
from greenlet import getcurrent, greenlet
from torch import Tensor, nn

from ddpm_core.errors import check_int

Result = TypeVar("Result")

# Seconds: whoever has had this much counts as having had no more, so that it takes no longer than
# about this until even the longest run has its next step.
PATIENCE = 1.0
# Images in a shared batch, unless whoever's turn it is has more than half as many, or the network
# bears fewer (see ``Engine.evaluate``).
SHARED = 8


@dataclass
class Account:
    """What one run, or one visitor, has had of the engine."""

    # Seconds, up to the last time that its work waited; of a shared batch, its images' part.
    spent: float = 0.0
    # The moment from which its work goes on just now; None while it waits.
    since: float | None = None
    # For what is short and must be quick: seconds that others must have waited to come before it.
    # It shares no batch.
    head_start: float = 0.0

    def seconds(self) -> float:
        """What it has had up to this moment; a clock that stands still while others compute."""
        return self.spent + (0.0 if self.since is None else time.monotonic() - self.since)


@dataclass
class _Asked:
    """An evaluation that a piece of work waits for; see ``Engine.evaluate``."""

    net: nn.Module
    x: Tensor
    t: Tensor
    labels: Tensor | None
    most: int | None

    @property
    def alone(self) -> bool:
        """Whether it is evaluated where it was asked for, within a graph of its own."""
        return self.x.requires_grad

    @property
    def kind(self) -> tuple:
        """Equal for evaluations that can be one batch."""
        labels = None if self.labels is None else (self.labels.dtype, self.labels.shape[1:])
        return id(self.net), self.alone, self.x.dtype, self.x.shape[1:], labels


@dataclass(eq=False)
class _Job:
    """A piece of work: not begun, waiting for an evaluation (``asked``), or done (``future``)."""

    work: Callable
    account: Account
    shares: bool
    arrived: float = field(default_factory=time.monotonic)
    future: Future = field(default_factory=Future)
    fiber: greenlet | None = None
    asked: _Asked | None = None
    grad: bool = True  # whether autograd was on when it stopped: its thread is others' too

    def urgency(self, now: float) -> float:
        """The lowest is next."""
        charged = min(self.account.spent, PATIENCE) - self.account.head_start
        return charged - (now - self.arrived)


class Engine:
    """A thread that does what it is handed.

    Making one leaves every other thread of the process with a single processor thread, so that
    no second team can arise. Make it before anything is computed, and one in a process
    (``shared_engine``).

    Args:
        threads: processor threads; those of the calling thread unless given.

    Attributes:
        batches: how many evaluations there were, and of how many pieces of work in all.
    """

    def __init__(self, threads: int | None = None):
        threads = torch.get_num_threads() if threads is None else threads
        self.threads = check_int("threads", threads, 1, 1024)
        self.batches = (0, 0)
        self._arrivals: SimpleQueue[_Job] = SimpleQueue()
        self._waiting: list[_Job] = []
        ready = threading.Event()
        thread = threading.Thread(target=self._work, args=(ready,), name="engine", daemon=True)
        thread.start()
        ready.wait()
        self._thread = thread.ident
        # Only now: what is set last holds for threads that have not computed yet.
        torch.set_num_threads(1)

    def do(self, function: Callable[..., Result], *args, account: Account | None = None) -> Result:
        """Call ``function`` on the engine's thread and wait for what it returns or raises.

        Without an ``account`` it is the work of somebody who has had nothing yet.
        """
        return self._hand(lambda: function(*args), account, False)

    def step(self, steps: Iterator[Result], account: Account | None = None, end=None) -> Result:
        """The next of an iterator that evaluates a network, such as a sampler; ``end`` at its end.

        What it evaluates by way of ``evaluate`` may share a batch with others' steps, which
        changes rounding only. For that it may be begun before its turn: what evaluates nothing,
        and so would not stop, is for ``do``.
        """
        return self._hand(lambda: next(steps, end), account, True)

    def advance(
        self, steps: Iterator, enough: Callable[[], bool], account: Account | None = None
    ) -> bool:
        """Take steps, one at least, until it is enough; False if there are none left.

        Nobody is kept waiting: at every evaluation it is decided anew whose turn it is. But what
        comes next need not travel to another thread and back before it can be anybody's.
        """

        def work() -> bool:
            return any(enough() for _ in steps)

        return self._hand(work, account, True)

    def evaluate(
        self,
        net: nn.Module,
        x: Tensor,
        t: Tensor,
        labels: Tensor | None = None,
        most: int | None = None,
    ) -> Tensor:
        """``net(x, t, labels)``, from within a step perhaps together with others' (see ``step``).

        Args:
            most: images that this network may have at a time, all those of a batch together; any
                number unless given. More are evaluated in parts, and between these it is decided
                anew whose turn it is.
        """
        fiber = getcurrent()
        if threading.get_ident() != self._thread or fiber.parent is None:
            return net(x, t, labels)
        if most is not None and len(x) > most:
            parts = zip(*(_split(it, most, len(x)) for it in (x, t, labels)), strict=True)
            return torch.cat([self.evaluate(net, *part, most) for part in parts])
        asked = _Asked(net, x, t, labels, most)
        answer = fiber.parent.switch(asked)
        return net(x, t, labels) if asked.alone else answer

    def _hand(self, work: Callable[[], Result], account: Account | None, shares: bool) -> Result:
        if threading.get_ident() == self._thread:
            return work()
        job = _Job(work, account or Account(), shares)
        self._arrivals.put(job)
        return job.future.result()

    def _work(self, ready: threading.Event) -> None:
        torch.set_num_threads(self.threads)
        torch.get_num_threads()  # a thread's first look would take up what was set elsewhere
        ready.set()
        while True:
            self._take_arrivals()
            now = time.monotonic()
            first = min(self._waiting, key=lambda job: job.urgency(now))
            if first.asked is None:
                self._go_on(first)
            elif first.asked.alone:
                self._let_evaluate(first)
            else:
                self._evaluate(self._batch(first, now))

    def _take_arrivals(self) -> None:
        if not self._waiting:
            self._waiting.append(self._arrivals.get())
        while True:
            try:
                self._waiting.append(self._arrivals.get_nowait())
            except Empty:
                return

    def _batch(self, first: _Job, now: float) -> list[_Job]:
        """It, and in order of urgency whoever waits for the same network, while there is room."""
        jobs, kind, images = [first], first.asked.kind, len(first.asked.x)
        most = images if first.account.head_start else max(SHARED, 2 * images)
        if first.asked.most is not None:
            most = min(most, first.asked.most)
        others = [job for job in self._waiting if job is not first]
        for job in sorted(others, key=lambda job: job.urgency(now)):
            if images >= most:
                break
            if job.shares and job.fiber is None:
                self._go_on(job)  # up to its evaluation: it may fit
            asked = job.asked
            if asked is not None and asked.kind == kind and images + len(asked.x) <= most:
                jobs.append(job)
                images += len(asked.x)
        return jobs

    def _let_evaluate(self, job: _Job) -> None:
        """Let a piece of work evaluate by itself what it asked for."""
        job.asked = None
        self._go_on(job)
        job.arrived = time.monotonic()  # it has had its turn

    def _evaluate(self, jobs: list[_Job]) -> None:
        """Evaluate what these wait for, all of one kind, as one batch."""
        asked = [job.asked for job in jobs]
        images = sum(len(one.x) for one in asked)
        self.batches = (self.batches[0] + 1, self.batches[1] + len(jobs))
        begun, error, answers = time.monotonic(), None, [None] * len(jobs)
        try:
            answers = _together(asked)
        except Exception as raised:
            error = raised
        seconds = time.monotonic() - begun
        for job, one, answer in zip(jobs, asked, answers, strict=True):
            job.asked, job.arrived = None, begun + seconds  # it has had its turn
            job.account.spent += seconds * len(one.x) / images
            self._go_on(job, answer, error)

    def _go_on(self, job: _Job, answer: Tensor | None = None, error=None) -> None:
        """Let a piece of work run until it waits for an evaluation, or is done."""
        job.account.since = time.monotonic()
        torch.set_grad_enabled(job.grad)
        try:
            if job.fiber is None:
                job.fiber = greenlet(job.work)
                outcome = job.fiber.switch()
            elif error is not None:
                outcome = job.fiber.throw(error)
            else:
                outcome = job.fiber.switch(answer)
        except BaseException as raised:
            self._lay_down(job)
            job.future.set_exception(raised)
        else:
            self._lay_down(job)
            if job.fiber.dead:
                job.future.set_result(outcome)
            else:
                job.asked = outcome

    def _lay_down(self, job: _Job) -> None:
        """Charge a piece before anybody hears of it: whoever waits may read the account at once."""
        job.grad = torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        job.account.spent, job.account.since = job.account.seconds(), None
        if job.fiber.dead:
            self._waiting.remove(job)


def _split(it: Tensor | None, size: int, length: int) -> Sequence[Tensor | None]:
    return [None] * -(-length // size) if it is None else it.split(size)


def _together(asked: list[_Asked]) -> list[Tensor]:
    """Evaluations of one kind as one batch."""
    with torch.no_grad():
        if len(asked) == 1:
            (one,) = asked
            return [one.net(one.x, one.t, one.labels)]
        labels = None if asked[0].labels is None else torch.cat([one.labels for one in asked])
        x, t = torch.cat([one.x for one in asked]), torch.cat([one.t for one in asked])
        return list(asked[0].net(x, t, labels).split([len(one.x) for one in asked]))


@cache
def shared_engine() -> Engine:
    """The engine of this process, with as many threads as it had when this was first called."""
    return Engine()
