"""How far a measurement has come.

Whatever takes long is a generator. It yields ``Progress`` after every batch or step, and last of
all its result; so the command line draws a bar, and a page gives way to others in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tqdm import tqdm

from ddpm_core import processes


@dataclass(frozen=True)
class Progress:
    """How far a measurement has come."""

    what: str  # being done, in words
    # done, total: of it; ``done`` is never larger.
    done: int
    total: int


def last(iterable: Iterable):
    """Run a measurement to its end and return its result."""
    found = None
    for found in iterable:
        pass
    return found


def passed(measurement: Iterable):
    """Its progress; returns its result. For ``found = yield from passed(...)``."""
    found = None
    for found in measurement:
        if isinstance(found, Progress):
            yield found
    return found


def followed(steps: Iterable):
    """The result of a measurement, the last that it yields, with a bar while it lasts."""
    found, part = None, None
    with tqdm(leave=False, delay=0.5, disable=processes.rank() > 0) as bar:
        for found in steps:
            if isinstance(found, Progress):
                if found.what != part:
                    part = found.what
                    bar.set_description(part)
                    bar.reset(found.total)
                bar.update(found.done - bar.n)
    return found
