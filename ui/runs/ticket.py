"""How a run is told to end, and who has the last word."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass, field


@dataclass(eq=False)
class Ticket:
    """How a run is told to end: asked by its visitor, or overtaken by their next run.

    Attributes:
        head_start: of its run on the engine, in seconds; see ``Account``.
        order: rises from run to run, so that late news of an old one can be told.
        through: whether its generator has ended, of those that say so.
        overtaken: lead to the tickets of the visitor's earlier runs, while there are any.
    """

    order: int = 0
    head_start: float = 0.0
    asked: bool = False
    superseded: bool = False
    through: bool = False
    overtaken: list[weakref.ref] = field(default_factory=list)

    def speaks_last(self, seconds: float) -> bool:
        """Wait until all runs that this one overtook are through, but no longer than so.

        Returns:
            Whether there were any, and this one has not been overtaken itself.
        """
        until, others = time.monotonic() + seconds, False
        while self.under_way() and not self.superseded and time.monotonic() < until:
            others = True
            time.sleep(0.02)
        if others:
            time.sleep(0.1)  # of a generator that ends, Gradio says the last word once more
        return others and not self.superseded

    def under_way(self) -> list[weakref.ref]:
        """Of the runs that this one overtook, those that may still have something to say."""
        return [it for it in self.overtaken if not getattr(it(), "through", True)]
