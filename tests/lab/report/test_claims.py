"""What our figures say to the report's findings, and by how much."""

import math
from dataclasses import replace

import pytest
import scipy.stats

from ddpm_core.request import Request
from lab.report import compare, report
from lab.report.claims import NOT_COMPARED, UNMEASURED, judged
from tests.support.toys import result_of

NOT_TOLD = ("not told apart", None)


def test_claims_hold_for_the_report_and_not_where_figures_are_too_close():
    def row(title, *fids, spread=0.1, nets="aaaa"):
        cells = []
        for fid, net in zip(fids, nets, strict=True):
            wanted = report.Measurement("mnist-linear", Request(), "test")
            result = result_of(wanted, fid or 0, spread)
            result["protocol"]["features"]["mark"] = net
            cells.append(replace(wanted, result=result if fid else None))
        return report.Row(title, measured=tuple(cells))

    found = judged(
        "table-1",
        [
            report.Row("report", (2.8, 3.5, 2.7, 2.4)),
            row("apart", 1, 2, 5, 3),
            row("close", 1, 1.1, 3, 3.1),
            row("half", 1, 2, None, None),
            row("against", 1, None, 2, None),
            row("unknown", 1, 2, 5, 3, spread=None),
            row("nets", 1, 2, 5, 3, nets="abab"),
        ],
    )
    assert [list(claim.verdicts.values()) for claim in found] == [
        ["yes", "yes", "not told apart", "yes", UNMEASURED, *[NOT_COMPARED] * 2],
        ["yes", "yes", "not told apart", UNMEASURED, UNMEASURED, *[NOT_COMPARED] * 2],
        # One pair against it settles it, measured or not as the other may be.
        ["yes", "no", "no", UNMEASURED, "no", NOT_COMPARED, "no"],
    ]
    unlike = row("nets", 1, 2, 5, 3, nets="abaa").measured
    assert compare.best(unlike) is None
    assert compare.best(row("one net", 1, 2, 5, 3).measured) is not None
    assert judged("costs", []) == ()


def test_a_claim_tells_by_how_much_and_how_far_luck_leads():
    def cell(fid, left_out=()):
        wanted = report.Measurement("mnist-linear", Request(), "test")
        return replace(wanted, result=result_of(wanted, fid, 0.03) | {"left_out": [*left_out]})

    def verdicts(*rows):
        return [(it.verdicts.get("DDIM"), it.margins.get("DDIM")) for it in judged("table-1", rows)]

    row = report.Row("DDIM", measured=tuple(map(cell, (0.9, 1.2, 0.7, 0.5))))
    again = report.Row("DDIM" + report.AGAIN, measured=(cell(0.85), None, None, None))
    # The difference of two figures with 0.03 each is known to 0.0424; of the last claim's two
    # pairs, 0.2 and 0.7 apart, the closer is told, or where they speak against it the farther.
    assert verdicts(row) == [
        ("yes", "by 0.300, 7.1 standard errors as of independent samples"),
        ("yes", "by 0.200, 4.7 standard errors as of independent samples"),
        ("yes", "by 0.200 without attention, 4.7 standard errors as of independent samples"),
    ]
    against = report.Row("DDIM", measured=tuple(map(cell, (0.7, 0.5, 0.9, 1.2))))
    worst = "by 0.700 with attention, 16.5 standard errors as of independent samples"
    assert verdicts(against)[2] == ("no", worst)
    # Where the parts of both samples are known, their difference is: 0.1, with an error of 0.04.
    # Of four parts, that is as much as chance makes of nothing.
    for parts, said in ((20, ("yes", "by 0.100, 2.5 standard errors")), (4, NOT_TOLD)):
        part = 0.02 / math.sqrt(parts - 1)
        first, second = ([fid - part, fid + part] * (parts // 2) for fid in (0.9, 1.0))
        cells = [cell(0.9, first), cell(1.0, reversed(second)), cell(5), cell(6)]
        assert verdicts(report.Row("DDIM", measured=tuple(cells)))[0] == said
    luck = "; the model trained twice differs by 0.050 ± 0.042"
    assert [margin for _, margin in verdicts(row, again)] == [m + luck for _, m in verdicts(row)]
    assert all(again.title not in it.verdicts for it in judged("table-1", [row, again]))
    other = cell(0.85)
    other.result["protocol"]["features"]["mark"] = "another"
    unlike = replace(again, measured=(other, None, None, None))
    assert verdicts(row, unlike) == verdicts(row)
    close = report.Row("DDIM", measured=tuple(map(cell, (0.9, 0.95, 0.7, 0.5))))
    assert verdicts(close, again)[0] == NOT_TOLD


def test_of_few_parts_it_takes_more_standard_errors_to_tell_apart():
    for parts in range(2, 20):
        limit = compare.Difference(1, 1, True, parts).limit
        assert limit == pytest.approx(scipy.stats.t.ppf(0.975, parts - 1), abs=0.005)
    assert compare.Difference(1, 1, True, 20).limit == compare.Difference(1, 1, False).limit == 2
