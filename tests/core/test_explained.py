"""What is said of the gap in the report's second table follows its figures."""

from dataclasses import replace

import pytest

from ddpm_core.experiments import report
from ddpm_core.experiments.explained import explained
from tests.core.toys import result_of


def rows(home, clipped=None, unclipped=None):
    """Table 2 with the Test-FIDs of its pair (linear, cosine) over all steps."""
    found = []
    for row in report.table_2(home).rows:
        figures = unclipped if "not clipped" in row.title else clipped
        if "Test-FID, DDPM" in row.title and figures:
            row = with_figures(row, {0: figures[0], 3: figures[1]})
        found.append(row)
    return found


def costs(home, *figures):
    """Of the cosine model of digits: as it should be, not clipped, and off by one too."""
    titles = ("as it should be", "x̂0 not clipped", "x̂0 not clipped and ᾱ off by one")
    wanted = dict(zip(titles, figures, strict=False))
    return [
        with_figures(row, {1: wanted[row.title]} if row.title in wanted else {})
        for row in report.costs(home).rows
    ]


def with_figures(row, figures):
    cells = [
        replace(m, result=result_of(m, figures[k], 0.02)) if k in figures else m
        for k, m in enumerate(row.measured)
    ]
    return replace(row, measured=tuple(cells))


def test_without_figures_nothing_is_said(tmp_path):
    assert explained(rows(tmp_path), costs(tmp_path)) == ""
    assert explained(rows(tmp_path, (0.9, 1.5)), costs(tmp_path, 0.6)) == ""


@pytest.mark.parametrize(
    ("unclipped", "said", "unsaid"),
    [
        ((1.0, 20.0), "is enough to make a gap of that kind", "does not explain"),
        ((1.0, 2.0), "does not explain it", "is enough"),
        ((8.0, 20.0), "does not explain it", "is enough"),  # both suffer: no wider gap
    ],
)
def test_the_gap_is_explained_if_it_widens_without_clipping(tmp_path, unclipped, said, unsaid):
    text = explained(rows(tmp_path, (0.9, 1.8), unclipped), costs(tmp_path))
    assert "has 113 times the Test-FID" in text  # 14.508 / 0.128
    assert "2.0 times (1.800 to 0.900) where x̂0 is clipped" in text
    assert f"({unclipped[1]:.3f} to {unclipped[0]:.3f}) where it is not" in text
    assert said in text and unsaid not in text


@pytest.mark.parametrize(
    ("both", "said"),
    [
        (0.7, "it is 0.700, no more than with clipping. One error hides the other."),
        (6.0, "it is 6.000, still 10 times that. One error hides the other."),
        (45.0, "With its ᾱ off by one as well it is 45.000: that does not save it."),
        (39.97, "With its ᾱ off by one as well it is 39.970: that does not save it."),
    ],
)
def test_what_the_second_error_does_to_digits_is_told_by_its_figure(tmp_path, both, said):
    text = explained(rows(tmp_path), costs(tmp_path, 0.6, 40.0, both))
    assert text.startswith("Not clipping makes the FID of the cosine model of digits 67 times")
    assert text.endswith(said)
    assert "off by one" not in explained(rows(tmp_path), costs(tmp_path, 0.6, 40.0))


def test_figures_by_two_feature_nets_are_not_put_side_by_side(tmp_path):
    found = costs(tmp_path, 0.6, 40.0)
    found[1].measured[1].result["protocol"]["features"]["mark"] = "another"
    assert explained(rows(tmp_path), found) == ""
