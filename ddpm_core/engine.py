"""One thread for all the arithmetic of a process that serves many.

OpenMP keeps a team of threads for every thread that computes. Where two such teams outnumber the
cores, their members go to sleep after each operation instead of waiting a moment for the next,
and a small network, hundreds of short operations in a row, takes more than twice as long. A
server whose every request computes in a thread of its own always runs into this: let all of them
hand their work to one engine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

from .errors import check_int

Result = TypeVar("Result")


class Engine:
    """A thread that does what it is handed, in order of arrival.

    Making one leaves every other thread of the process with a single processor thread, so that
    no second team can arise. Make it before anything is computed, and one in a process
    (``shared_engine``).

    Args:
        threads: processor threads; those of the calling thread unless given.
    """

    def __init__(self, threads: int | None = None):
        threads = torch.get_num_threads() if threads is None else threads
        self.threads = check_int("threads", threads, 1, 1024)
        self._pool = ThreadPoolExecutor(1, "engine")
        self._thread = self._pool.submit(self._take_threads).result()
        # Only now: what is set last holds for threads that have not computed yet.
        torch.set_num_threads(1)

    def do(self, function: Callable[..., Result], *args) -> Result:
        """Call ``function`` on the engine's thread and wait for what it returns or raises.

        Steps of several runs, handed over one by one, take turns.
        """
        if threading.get_ident() == self._thread:
            return function(*args)
        return self._pool.submit(function, *args).result()

    def _take_threads(self) -> int:
        torch.set_num_threads(self.threads)
        torch.get_num_threads()  # a thread's first look would take up what was set elsewhere
        return threading.get_ident()


@cache
def shared_engine() -> Engine:
    """The engine of this process, with as many threads as it had when this was first called."""
    return Engine()
