"""Whether the gap in the report's second table is explained: in words, by figures that are stored.

The report has 14.5 for its cosine model with attention where its linear one without has 0.13 (and
49 for cosine without attention, of which there is no model here). Its code differs from its text in
ways that act at sampling, and what those do is measured: a sentence for each figure, none without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .report import COST_MODELS, Measurement, Row, comparable, difference

QUESTION = "Is its gap explained?"
# Of Table 2's columns, and of the columns of what the errors cost.
LINEAR, COSINE = 0, 3
DIGITS = COST_MODELS.index("mnist-cosine")
CLIPPED, UNCLIPPED, BOTH = "as it should be", "x̂0 not clipped", "x̂0 not clipped and ᾱ off by one"
# A gap so many times as wide as without the error is of another kind, not the same gap again.
WIDER = 3


def explained(table: Sequence[Row], costs: Sequence[Row]) -> str:
    """What the figures say of the gap; empty before there are any.

    Args:
        table: the rows of Table 2.
        costs: the rows of what the report's errors cost.
    """
    return " ".join([*_pair(table), *_digits(costs)])


def _pair(table: Sequence[Row]) -> Iterator[str]:
    """The pair that the report shows samples of, over all steps: clipped, and not."""
    reported = next((row.reported for row in table if row.reported and "Test" in row.title), ())
    ours = [r for r in table if r.measured and "Test-FID, DDPM" in r.title]
    clipped = next((row for row in ours if "not clipped" not in row.title), None)
    unclipped = next((row for row in ours if "not clipped" in row.title), None)
    if not reported or clipped is None or unclipped is None:
        return
    cells = [row.measured[at] for row in (clipped, unclipped) for at in (LINEAR, COSINE)]
    if not _known(cells):
        return
    a, b, c, d = (it.result["fid"] for it in cells)
    usual, without, its = b / a, d / c, reported[COSINE] / reported[LINEAR]
    yield (
        f"The report's cosine model with attention has {_times(its)} the Test-FID of its linear "
        "one without. Over the same 1,000 steps of DDPM ours has "
        f"{_times(usual)} ({b:.3f} to {a:.3f}) where x̂0 is clipped, and {_times(without)} "
        f"({d:.3f} to {c:.3f}) where it is not, as in the report's code."
    )
    apart = difference(cells[1].result, cells[3].result)
    if without > WIDER * usual and apart.gap > 2 * apart.error:
        yield (
            "So sampling without clipping is enough to make a gap of that kind: with the cosine "
            "schedule the first steps divide by next to nothing, and what they get wrong is never "
            "brought back."
        )
    else:
        yield "So sampling without clipping does not explain it."


def _digits(costs: Sequence[Row]) -> Iterator[str]:
    """The same schedule on digits, of which the report's cosine models were its best."""
    rows = {row.title: row.measured[DIGITS] for row in costs}
    clipped, unclipped, both = (rows.get(title) for title in (CLIPPED, UNCLIPPED, BOTH))
    if not _known([clipped, unclipped]):
        return
    a, b = clipped.result["fid"], unclipped.result["fid"]
    yield (
        f"Not clipping makes the FID of the cosine model of digits {_times(b / a)} what it was "
        f"({b:.3f} to {a:.3f}, {clipped.request.steps} steps), yet the report's cosine models of "
        "digits were its best."
    )
    if not _known([clipped, both]):
        return
    c = both.result["fid"]
    helps = difference(unclipped.result, both.result)
    if c < b and helps is not None and helps.gap > 2 * helps.error:
        rest = "no more than with clipping" if c < WIDER * a else f"still {_times(c / a)} that"
        yield (
            "Its ᾱ, off by one, lets its chain begin where more of the image is left: with that "
            f"error too it is {c:.3f}, {rest}. One error hides the other."
        )
    else:
        yield f"With its ᾱ off by one as well it is {c:.3f}: that does not save it."


def _known(cells: Sequence[Measurement | None]) -> bool:
    """Whether all are measured, and compare."""
    if any(it is None or it.result is None for it in cells):
        return False
    return comparable([it.result for it in cells])


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.1f} times"
