"""What the report says of the order of its models, asked of our figures too.

FIDs by other features compare with nothing else; which of two models is the better one does, if
they are further apart than both spreads together (as in ``report.best``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .report import Row

# By table: a claim, and the columns (better, worse) that it is about, every pair of them.
CLAIMS = {
    "table-1": (
        ("With the linear schedule, no attention is better than attention", ((0, 1),)),
        ("With the cosine schedule, attention is better than none", ((3, 2),)),
        ("The cosine schedule is better than the linear one", ((2, 0), (3, 1))),
    ),
    "table-2": (
        ("With the linear schedule, no attention is better than attention", ((0, 1),)),
        ("The linear schedule is better than the cosine one", ((0, 2), (1, 3))),
    ),
}
UNMEASURED = "not measured"


@dataclass(frozen=True)
class Claim:
    """A claim, and what each row of figures says to it.

    Attributes:
        text: the claim.
        verdicts: by the title of a row: ``"yes"``, ``"no"``, ``"not told apart"`` or
            ``"not measured"``.
    """

    text: str
    verdicts: dict[str, str]


def judged(name: str, rows: Sequence[Row]) -> tuple[Claim, ...]:
    """The report's claims about a table, none for a table it makes none about.

    Args:
        rows: each has one protocol for all its columns, so that they may be compared.
    """
    return tuple(
        Claim(text, {row.title: _verdict(row, pairs) for row in rows})
        for text, pairs in CLAIMS.get(name, ())
    )


def _verdict(row: Row, pairs) -> str:
    found = [_compared(_figure(row, better), _figure(row, worse)) for better, worse in pairs]
    # The least certain of them decides.
    order = (UNMEASURED, "no", "not told apart", "yes")
    return min(found, key=order.index)


def _compared(better, worse) -> str:
    if better is None or worse is None:
        return UNMEASURED
    (first, spread), (second, other) = better, worse
    if spread + other > 0 and abs(first - second) <= spread + other:
        return "not told apart"
    return "yes" if first < second else "no"


def _figure(row: Row, column: int) -> tuple[float, float] | None:
    if row.reported:
        return row.reported[column], 0.0
    wanted = row.measured[column]
    if wanted is None or wanted.result is None:
        return None
    return wanted.result["fid"], wanted.result["spread"] or 0.0
