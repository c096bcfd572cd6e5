"""How a run is told to end, and which run speaks last."""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from weakref import WeakValueDictionary

VISITORS_KEPT = 10_000


@dataclass(eq=False)
class Ticket:
    """How a run is told to end: asked by its visitor, or overtaken by their next run.

    Attributes:
        head_start: its run's on the engine, in seconds; see ``Account``.
        order: rises from run to run, so that late news of an old run can be recognised.
        key: its run's, if that is known.
        through: its generator has ended, if it is one that says so.
        overtaken: references to the tickets of the visitor's earlier runs, while these last.
    """

    order: int = 0
    head_start: float = 0.0
    key: Hashable | None = None
    asked: bool = False
    superseded: bool = False
    through: bool = False
    overtaken: list[weakref.ref] = field(default_factory=list)

    @contextmanager
    def until_through(self) -> Iterator[None]:
        """Note when the generator that runs in this context has ended."""
        try:
            yield
        finally:
            self.through = True

    def speaks_last(self, seconds: float) -> bool:
        """Wait until all runs that this one overtook are through, but no longer than ``seconds``.

        Returns:
            True if there were any, and this one has not been overtaken itself.
        """
        until, others = time.monotonic() + seconds, False
        while self.under_way() and not self.superseded and time.monotonic() < until:
            others = True
            time.sleep(0.02)
        if others:
            time.sleep(0.1)  # when a generator ends, Gradio sends its last value once more
        return others and not self.superseded

    def under_way(self) -> list[weakref.ref]:
        """The runs that this one overtook and that may still send something."""
        return [ref for ref in self.overtaken if not getattr(ref(), "through", True)]


class Tickets:
    """The newest ticket of every visitor, for each place of the page."""

    def __init__(self):
        # A ticket lives as long as its run, so that visitors who left are forgotten.
        self._tickets: WeakValueDictionary[tuple, Ticket] = WeakValueDictionary()
        self._orders = count(time.time_ns() // 1000)
        self._asked: OrderedDict[tuple, float] = OrderedDict()  # when each visitor last asked
        self._lock = threading.Lock()

    def arm(self, visitor: tuple, at: float | None = None, yields: bool = False) -> Ticket:
        """Prepare a visitor's run; their earlier one ends without sending anything more.

        Args:
            visitor: who runs it, and where on the page.
            at: when they asked for it, by their own clock: requests that are under way at once
                may arrive in any order. One that was made before the newest is superseded from
                the start.
            yields: it follows from a request, but is none itself. A request, even an earlier one,
                takes its place, and so does a preview that is not through.
        """
        with self._lock:
            earlier = self._tickets.get(visitor)
            is_late = at is not None and at < self._asked.get(visitor, 0.0)
            if is_late or (yields and earlier and earlier.head_start and not earlier.through):
                return Ticket(asked=True, superseded=True)
            if at is not None and not yields:
                self._asked[visitor] = at
                self._asked.move_to_end(visitor)
                if len(self._asked) > VISITORS_KEPT:
                    self._asked.popitem(last=False)
            self._tickets[visitor] = ticket = Ticket(next(self._orders))
            if earlier is not None:
                earlier.superseded = earlier.asked = True
                ticket.overtaken = [*earlier.under_way(), weakref.ref(earlier)]
            return ticket

    def going(self, visitor: tuple) -> Ticket | None:
        """The ticket of the visitor's run that is under way or was told to end."""
        ticket = self._tickets.get(visitor)
        return None if ticket is None or ticket.superseded or ticket.through else ticket

    def has_asked(self, visitor: tuple) -> bool:
        """True if the visitor has run anything there."""
        return visitor in self._asked

    def stop(self, visitor: tuple) -> None:
        """Ask the visitor's run to end after the step it is in; what it has made so far is kept."""
        ticket = self._tickets.get(visitor)
        if ticket is not None:
            ticket.asked = True
