"""Of stored figures: which compare, which can be told apart, and how many digits they bear."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..measure.fid import jackknife

if TYPE_CHECKING:
    from .report import Measurement

# Of 2, 3, ... 19 parts: what their mean is away from the truth by, in standard errors, once in
# twenty times (Student 1908). Of more it is two.
STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14)
STUDENT += (2.13, 2.12, 2.11, 2.10)


class Difference(NamedTuple):
    """Of two figures: by how much they differ, the standard error of that, and whether it was had
    from pairs of samples of the same noises, or as of independent ones; and of how many parts of
    the samples it was had, None if that is not known."""

    gap: float
    error: float
    paired: bool
    parts: int | None = None

    @property
    def limit(self) -> float:
        """How many standard errors chance makes of it once in twenty times: two, or of few parts
        what Student's distribution has."""
        few = self.parts is not None and self.parts - 2 < len(STUDENT)
        return STUDENT[self.parts - 2] if few else 2


def told_apart(first: dict, second: dict) -> bool:
    """Whether two stored FIDs differ by more than twice the standard error of their difference, or
    more times if that was had of few minibatches (``Difference.limit``).

    Never if that is unknown (``difference``). Another seed of the samples moves a figure by so
    much once in twenty times; another seed of the training may move it more, and no spread here
    knows of that.
    """
    found = difference(first, second)
    return found is not None and found.gap > found.limit * found.error


def difference(first: dict, second: dict) -> Difference | None:
    """By how much two stored FIDs differ, and the standard error of that.

    Samples of the same noises err alike, and their difference less than either: its error is by
    the jackknife over blocks of the same images, where both results keep what each block's absence
    makes of them. Otherwise the samples are taken to be independent: where they err alike, that
    makes the error too large.

    None if either's spread is unknown, or if the two do not compare.
    """
    if None in (first["spread"], second["spread"]) or not comparable([first, second]):
        return None
    gap = abs(first["fid"] - second["fid"])
    pair = [result.get("left_out") or [] for result in (first, second)]
    noises = {_noises(result["protocol"]) for result in (first, second)}
    parts = min(map(len, pair))
    if len(noises) == 1 and len(pair[0]) == len(pair[1]) > 1:
        return Difference(gap, jackknife([a - b for a, b in zip(*pair, strict=True)]), True, parts)
    error = math.hypot(first["spread"], second["spread"])
    return Difference(gap, error, False, parts if parts > 1 else None)


def comparable(found: Sequence[dict]) -> bool:
    """Whether stored results are by one feature net against one set of real images, and of networks
    of one precision."""
    return len({basis(result) for result in found}) < 2


def basis(result: dict) -> str:
    """What stored results must share to compare."""
    about = result["protocol"]
    net = about["features"]
    return json.dumps([net["mark"], net["layer"], about["reference"], about["dtype"]])


def best(cells: Sequence[Measurement | None]) -> Measurement | None:
    """The lowest of some figures, if it can be told apart from each of them.

    None if there is no telling, or not before all are measured.
    """
    wanted = [cell for cell in cells if cell is not None]
    if len(wanted) < 2 or any(m.result is None for m in wanted):
        return None
    first, *others = sorted(wanted, key=lambda m: m.result["fid"])
    return first if all(told_apart(first.result, m.result) for m in others) else None


def usual_dtype(cells: Iterable[Measurement | None]) -> str | None:
    """The precision of most networks of a table: a figure of another one has to say so."""
    found = Counter(m.result["protocol"]["dtype"] for m in cells if m and m.result is not None)
    return found.most_common(1)[0][0] if found else None


def decimals(fid: float, spread: float | None) -> int:
    """As many as show two digits of the spread, or four of a figure that has none."""
    smallest, digits = (spread, 2) if spread else (abs(fid), 4)
    if not smallest:
        return 4
    return min(4, max(1, digits - 1 - math.floor(math.log10(smallest))))


def _noises(about: dict) -> tuple:
    return about["n"], about["first"], about["request"].get("seed")
