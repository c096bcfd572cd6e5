"""What the report says of the order of its models, asked of our figures too.

FIDs by other features compare with nothing else; which of two models is the better one does, if
they can be told apart (``compare.told_apart``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .compare import difference, told_apart
from .report import AGAIN, RESAMPLED, Row

# By table: a claim, and the columns (better, worse) that it is about, with where that is.
CLAIMS = {
    "table-1": (
        ("With the linear schedule, no attention is better than attention", ((0, 1, ""),)),
        ("With the cosine schedule, attention is better than none", ((3, 2, ""),)),
        (
            "The cosine schedule is better than the linear one",
            ((2, 0, "without attention"), (3, 1, "with attention")),
        ),
    ),
    "table-2": (
        ("With the linear schedule, no attention is better than attention", ((0, 1, ""),)),
        (
            "The linear schedule is better than the cosine one",
            ((0, 2, "without attention"), (1, 3, "with attention")),
        ),
        # Of the two whose samples the report shows; its text says no more than that both cosine
        # models are "significantly worse".
        (
            "Of Figure 5's pair, linear without attention is better than cosine with attention",
            ((0, 3, ""),),
        ),
    ),
}
TWICE = {AGAIN: "trained", RESAMPLED: "sampled"}
YES, NO, NOT_APART = "yes", "no", "not told apart"
UNMEASURED, NOT_COMPARED = "not measured", "do not compare"


@dataclass(frozen=True)
class Claim:
    """A claim, and what each row of figures says to it.

    Attributes:
        text: the claim.
        verdicts: by the title of a row: ``"yes"``, ``"no"``, ``"not told apart"``,
            ``"do not compare"`` or ``"not measured"``.
        margins: by the title of a row of ours that says yes or no, in words: by how much. Of
            two pairs the one that decides: the closest for yes, the farthest for no.
    """

    text: str
    verdicts: dict[str, str]
    margins: dict[str, str]


def judged(name: str, rows: Sequence[Row]) -> tuple[Claim, ...]:
    """The report's claims about a table, none for a table it makes none about.

    Args:
        rows: each asks the same of all its columns, but for those of the first column's model
            trained or sampled again, which tell how far luck leads. The report's own figures come
            without a spread and are taken as they stand.
    """
    by_title = {row.title: row for row in rows}
    asked = [row for row in rows if not row.title.endswith(tuple(TWICE))]
    claims = []
    for text, pairs in CLAIMS.get(name, ()):
        verdicts = {row.title: _verdict(row, pairs) for row in asked}
        margins = {
            row.title: "; ".join([_margin(row, pairs), *_luck(row, by_title)])
            for row in asked
            if row.measured and verdicts[row.title] in (YES, NO)
        }
        claims.append(Claim(text, verdicts, margins))
    return tuple(claims)


def _verdict(row: Row, pairs) -> str:
    found = [_compared(row, better, worse) for better, worse, _ in pairs]
    # One pair that contradicts is enough, whatever the others say; then the least certain decides.
    return min(found, key=(NO, UNMEASURED, NOT_COMPARED, NOT_APART, YES).index)


def _compared(row: Row, better: int, worse: int) -> str:
    if row.reported:
        return YES if row.reported[better] < row.reported[worse] else NO
    wanted = row.measured[better], row.measured[worse]
    if any(it is None or it.result is None for it in wanted):
        return UNMEASURED
    first, second = (it.result for it in wanted)
    if difference(first, second) is None:
        return NOT_COMPARED
    if not told_apart(first, second):
        return NOT_APART
    return YES if first["fid"] < second["fid"] else NO


def _margin(row: Row, pairs) -> str:
    """Of the pair that decides, the gap in standard errors."""
    verdict = _verdict(row, pairs)
    found = []
    for better, worse, where in pairs:
        if _compared(row, better, worse) == verdict:
            it = difference(row.measured[better].result, row.measured[worse].result)
            found.append((it.gap / it.error if it.error else math.inf, it.gap, where, it.paired))
    errors, gap, where, paired = (min if verdict == YES else max)(found)
    words = f"by {gap:.3f}{where and f' {where}'}, {errors:.1f} standard errors"
    return words + ("" if paired else " as of independent samples")


def _luck(row: Row, by_title: dict[str, Row]) -> Iterator[str]:
    """How far the first column's model is from itself, trained or sampled again."""
    for suffix, done in TWICE.items():
        again = by_title.get(row.title + suffix)
        twice = [it.result for it in (row.measured[0], again.measured[0])] if again else [None]
        found = None if None in twice else difference(*twice)
        if found is not None:
            yield f"the model {done} twice differs by {found.gap:.3f} ± {found.error:.3f}"
