"""How far a measurement has come.

Every long computation is a generator. It yields ``Progress`` after every batch or step, and then
its result. So the command line can draw a bar, and a page can let others compute in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tqdm import tqdm

from ddpm_core import processes


@dataclass(frozen=True)
class Progress:
    """How far a measurement has come."""

    what: str  # what is being done, in words
    # done, total: how much of it is done, and all of it; ``done`` is never larger.
    done: int
    total: int


def last(iterable: Iterable):
    """Run a measurement to its end and return its result."""
    return deque(iterable, maxlen=1).pop()


def passed(measurement: Iterable):
    """Yield a measurement's progress, return its result: ``result = yield from passed(...)``."""
    item = None
    for item in measurement:
        if isinstance(item, Progress):
            yield item
    return item


def followed(steps: Iterable):
    """Run a measurement with a bar and return its result, the last that it yields."""
    item, part = None, None
    with tqdm(leave=False, delay=0.5, disable=processes.rank() > 0) as bar:
        for item in steps:
            if isinstance(item, Progress):
                if item.what != part:
                    part = item.what
                    bar.set_description(part)
                    bar.reset(item.total)
                bar.update(item.done - bar.n)
    return item
