"""One thread for all the arithmetic of a process that serves many, and the order of their turns.

OpenMP keeps a team of threads for every thread that computes. If two such teams outnumber the
cores, their members go to sleep after each operation instead of waiting a moment for the next. A
small network, hundreds of short operations in a row, then takes more than twice as long. A server
that computes every request in a thread of its own always runs into this. So let all requests hand
their work to one engine.

Work comes in pieces, for example a sampler's step. The run that has used least of the engine so
far is next, so short work overtakes long work. Waiting counts too, so long work always goes on. A
piece stops where it evaluates a network: other pieces that wait for the same network are evaluated
with it, in one batch. An evaluation that is to be differentiated stops too, but shares no batch:
its graph is its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from queue import SimpleQueue
from typing import TypeVar

import torch
from greenlet import getcurrent, greenlet
from torch import Tensor, nn

Result = TypeVar("Result")

# Seconds. A run that has used more counts as if it had used this much, so even the longest run
# waits no longer than about this for its next step.
PATIENCE = 1.0
# The most images in a shared batch. It is more if the piece whose turn it is has more than half as
# many, and fewer if the network bears fewer (see ``Engine.evaluate``).
SHARED = 8


@dataclass
class Account:
    """How much of the engine one run, or one visitor, has used."""

    # Seconds, up to the last time that its work waited. In shared batches only its images count.
    spent: float = 0.0
    # The moment since which its work has been running; None while it waits.
    since: float | None = None
    # For short work that must be quick: others come first only after waiting so many seconds.
    # When it is its turn, it shares no batch.
    head_start: float = 0.0

    def seconds(self) -> float:
        """Seconds used up to this moment; a clock that stands still while others compute."""
        return self.spent + (0.0 if self.since is None else time.monotonic() - self.since)


@dataclass
class _Call:
    """A network call that a piece of work waits for; see ``Engine.evaluate``."""

    net: nn.Module
    x: Tensor
    t: Tensor
    labels: Tensor | None
    most: int | None

    @property
    def alone(self) -> bool:
        """True if the piece of work evaluates it by itself, within a graph of its own."""
        return self.x.requires_grad

    @property
    def kind(self) -> tuple:
        """Equal for evaluations that can be one batch."""
        labels = None if self.labels is None else (self.labels.dtype, self.labels.shape[1:])
        return id(self.net), self.alone, self.x.dtype, self.x.shape[1:], labels


@dataclass(eq=False)
class _Job:
    """A piece of work: not begun, waiting for a network (``call``), or done (``future``)."""

    work: Callable
    account: Account
    shares: bool
    arrived: float = field(default_factory=time.monotonic)
    future: Future = field(default_factory=Future)
    fiber: greenlet | None = None
    call: _Call | None = None
    grad: bool = True  # whether autograd was on when it stopped: others use its thread too

    def urgency(self, now: float) -> float:
        """The lowest is next."""
        charged = min(self.account.spent, PATIENCE) - self.account.head_start
        return charged - (now - self.arrived)


class Engine:
    """A thread that does the work that others hand to it.

    An engine leaves every other thread of the process with a single processor thread, so that no
    second team can arise. Make it before anything is computed, and only one in a process
    (``shared_engine``).

    Args:
        threads: processor threads; those of the calling thread unless given.
    """

    def __init__(self, threads: int | None = None):
        self.threads = threads or torch.get_num_threads()
        self._arrivals: SimpleQueue[_Job] = SimpleQueue()
        self._waiting: list[_Job] = []
        ready = threading.Event()
        thread = threading.Thread(target=self._work, args=(ready,), name="engine", daemon=True)
        thread.start()
        ready.wait()
        self._thread = thread.ident
        # Only now: the last setting holds for threads that have not computed yet.
        torch.set_num_threads(1)

    def do(self, function: Callable[..., Result], *args, account: Account | None = None) -> Result:
        """Call ``function`` on the engine's thread and wait for what it returns or raises.

        Without an ``account`` the work counts as that of a run that has used nothing yet.
        """
        return self._hand(lambda: function(*args), account, False)

    def advance(
        self, steps: Iterator, enough: Callable[[], bool], account: Account | None = None
    ) -> bool:
        """Take the next of an iterator that evaluates a network, such as a sampler, at least one,
        until ``enough()``; False if there are none left.

        Its calls of ``evaluate`` may share a batch with others' steps, which changes rounding
        only. For that a step may begin before its turn. Work that calls no ``evaluate`` would
        not stop: hand it to ``do``.

        Several steps at once keep nobody waiting: every evaluation decides anew whose turn it is.
        But the next step need not travel to another thread and back first.
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
        """``net(x, t, labels)``; in ``advance``, perhaps in one batch with others.

        Args:
            most: images that this network may have at a time, all those of a batch together; any
                number unless given. More images are evaluated in parts, and each part decides
                anew whose turn it is.
        """
        fiber = getcurrent()
        if threading.get_ident() != self._thread or fiber.parent is None:
            return net(x, t, labels)
        if most is not None and len(x) > most:
            columns = [value.split(most) for value in (x, t, labels) if value is not None]
            parts = zip(*columns, strict=True)
            return torch.cat([self.evaluate(net, *part, most=most) for part in parts])
        call = _Call(net, x, t, labels, most)
        answer = fiber.parent.switch(call)
        return net(x, t, labels) if call.alone else answer

    def _hand(self, work: Callable[[], Result], account: Account | None, shares: bool) -> Result:
        if threading.get_ident() == self._thread:
            return work()
        job = _Job(work, account or Account(), shares)
        self._arrivals.put(job)
        return job.future.result()

    def _work(self, ready: threading.Event) -> None:
        torch.set_num_threads(self.threads)
        torch.get_num_threads()  # a thread's first look takes up what was set elsewhere: look now
        ready.set()
        while True:
            while not self._waiting or not self._arrivals.empty():
                self._waiting.append(self._arrivals.get())
            now = time.monotonic()
            first = min(self._waiting, key=lambda job: job.urgency(now))
            if first.call is None:
                self._resume(first)
            elif first.call.alone:
                first.call = None  # it evaluates by itself what it asked for
                self._resume(first)
                first.arrived = time.monotonic()  # it has had its turn
            else:
                self._evaluate(self._batch(first, now))

    def _batch(self, first: _Job, now: float) -> list[_Job]:
        """``first``, and by urgency others that wait for the same network, while there is room."""
        jobs, kind, images = [first], first.call.kind, len(first.call.x)
        most = images if first.account.head_start else max(SHARED, 2 * images)
        if first.call.most is not None:
            most = min(most, first.call.most)
        others = [job for job in self._waiting if job is not first]
        for job in sorted(others, key=lambda job: job.urgency(now)):
            if images >= most:
                break
            if job.shares and job.fiber is None:
                self._resume(job)  # up to its evaluation: it may fit
            call = job.call
            if call is not None and call.kind == kind and images + len(call.x) <= most:
                jobs.append(job)
                images += len(call.x)
        return jobs

    def _evaluate(self, jobs: list[_Job]) -> None:
        """Evaluate what these jobs wait for, all of one kind, as one batch."""
        calls = [job.call for job in jobs]
        images = sum(len(call.x) for call in calls)
        start, error, answers = time.monotonic(), None, [None] * len(jobs)
        try:
            answers = _as_one_batch(calls)
        except Exception as raised:
            if len(jobs) > 1:  # each alone, so that only those at fault fail
                for job in jobs:
                    self._evaluate([job])
                return
            error = raised
        seconds = time.monotonic() - start
        for job, call, answer in zip(jobs, calls, answers, strict=True):
            job.call, job.arrived = None, start + seconds  # it has had its turn
            job.account.spent += seconds * len(call.x) / images
            self._resume(job, answer, error)

    def _resume(self, job: _Job, answer: Tensor | None = None, error=None) -> None:
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
            self._charge(job)
            job.future.set_exception(raised)
        else:
            self._charge(job)
            if job.fiber.dead:
                job.future.set_result(outcome)
            else:
                job.call = outcome

    def _charge(self, job: _Job) -> None:
        """Charge a piece before its caller hears of it: the caller may read the account at once."""
        job.grad = torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        job.account.spent, job.account.since = job.account.seconds(), None
        if job.fiber.dead:
            self._waiting.remove(job)


def _as_one_batch(calls: list[_Call]) -> list[Tensor]:
    """Evaluations of one kind as one batch."""
    with torch.no_grad():
        if len(calls) == 1:
            (call,) = calls
            return [call.net(call.x, call.t, call.labels)]
        labels = None if calls[0].labels is None else torch.cat([call.labels for call in calls])
        x, t = torch.cat([call.x for call in calls]), torch.cat([call.t for call in calls])
        return list(calls[0].net(x, t, labels).split([len(call.x) for call in calls]))


@cache
def shared_engine() -> Engine:
    """The engine of this process, with as many threads as it had when this was first called."""
    return Engine()
