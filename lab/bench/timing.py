"""Interleaved turns, and ratios of the turns of one round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """A median, with the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        low, median, high = np.percentile(np.asarray(values, float), [25, 50, 75])
        return cls(float(median), float(low), float(high))

    def times(self, factor: float) -> Spread:
        """The same in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)


def interleaved(
    subjects: Mapping[str, Callable[[], object]],
    rounds: int,
    warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Let all take turns: A B C, C B A, B C A, A C B, ...

    Turning the order round in every other round keeps a slow drift of the machine from favouring
    anyone; beginning with another in every other, what a turn finds in the caches of its own last.

    Args:
        subjects: what to run, by name.
        rounds: turns of each; an even number is balanced.
        warmup: turns of each beforehand that are not counted.

    Returns:
        For each its times in seconds, one a round.
    """
    times = {name: [] for name in subjects}
    for round_ in range(-warmup, rounds):
        first = max(0, round_) // 2 % len(subjects)
        order = [*subjects][first:] + [*subjects][:first]
        if round_ % 2:
            order.reverse()
        for name in order:
            begun = clock()
            subjects[name]()
            if round_ >= 0:
                times[name].append(clock() - begun)
    return times


def ratio(times: Mapping[str, Sequence[float]], slow: str, fast: str) -> Spread:
    """How many times as long ``slow`` takes as ``fast``: of every round a ratio, their median."""
    return Spread.of([s / f for s, f in zip(times[slow], times[fast], strict=True)])
