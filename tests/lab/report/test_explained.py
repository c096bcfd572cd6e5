"""What is said of the gap in the report's second table follows its figures."""

from dataclasses import replace

import pytest

from lab.report import report
from lab.report.explained import explained
from tests.support.toys import result_of

IN_ITS_WAY = (24.0, 82.0, 25.0)
TITLES = ("as it should be", "x̂0 not clipped", "x̂0 not clipped and ᾱ off by one")


def rows(home, clipped=None, unclipped=None, both=None, digits=(), plain=()):
    """By the report's own measure: linear and cosine, of each way to sample; cosine digits; and
    cosine without attention."""
    wanted = dict(zip(TITLES, (clipped, unclipped, both), strict=True))
    others = {1: digits, 3: plain}
    return [
        with_figures(
            row,
            dict(zip((2, 4), wanted[row.title] or (), strict=False))
            | {
                column: figures[TITLES.index(row.title)]
                for column, figures in others.items()
                if TITLES.index(row.title) < len(figures)
            },
        )
        if row.title in TITLES
        else row
        for row in report.own_way(home).rows
    ]


def costs(home, *figures):
    """Of the cosine model of digits: as it should be, not clipped, and off by one too."""
    wanted = dict(zip(TITLES, figures, strict=False))
    return [
        with_figures(row, {1: wanted[row.title]} if row.title in wanted else {})
        for row in report.costs(home).rows
    ]


def second(home, *figures):
    """Of the second table, by its judge: linear, cosine with attention and perhaps without,
    clipped; and not clipped."""
    return [
        with_figures(row, dict(zip((0, 3, 2), figures[not of.clip], strict=False)))
        if row.measured
        and (of := row.measured[0].request).steps == 1000
        and row.measured[0].reference == "test"
        and len(figures) == 2
        else row
        for row in report.table_2(home).rows
    ]


def told(*tables):
    return " ".join(explained(*tables))


def concludes(text):
    return text.startswith(("In part: by the report's own measure", "Yes: by the report's own mea"))


def with_both(found):
    """The row with both errors."""
    (row,) = [row for row in found if row.title == TITLES[2]]
    return row


def with_figures(row, figures):
    cells = [
        replace(m, result=result_of(m, figures[k], 0.02, floor=9.5)) if k in figures else m
        for k, m in enumerate(row.measured)
    ]
    return replace(row, measured=tuple(cells))


def test_without_figures_nothing_is_said(tmp_path):
    assert told(rows(tmp_path), costs(tmp_path), []) == ""
    assert told(rows(tmp_path, (12.0, 11.0)), costs(tmp_path, 0.6), second(tmp_path)) == ""


@pytest.mark.parametrize(
    ("figures", "said", "unsaid"),
    [
        (
            [(12.0, 11.0), (30.0, 150.0), (31.0, 140.0)],
            [
                "has 5.0 times (150.0 to 30.0; real images 9.5).",
                "So by that measure not clipping is enough to make the cosine model fail.",
                "Clipped, the two have 12.0 and 11.0. That makes the linear figure 2.5 times what",
                "it was, the cosine one 14 times. A likely reason, not measured by itself",
                "It fails with ᾱ off by one as well, as its code has both",
                ": 140.0 to 31.0.",
            ],
            "explain",
        ),
        (
            [None, (30.0, 150.0), (31.0, 20.0)],
            [
                "So the cosine model fails there; what both have if clipped is not measured yet.",
                "it has 20.0 to 31.0: so the two together, in networks trained without them, do",
            ],
            "is enough",
        ),
        ([None, (30.0, 150.0)], ["the cosine model fails there; what both"], "off by one"),
        # Clipped it fails as well: it is not the clipping.
        (
            [(12.0, 90.0), (30.0, 150.0)],
            ["and clipped as well. Clipped, the two have 12.0 and 90.0."],
            "is enough",
        ),
        # With both errors the linear one fails as much.
        ([(12.0, 11.0), (30.0, 150.0), (90.0, 150.0)], ["150.0 to 90.0: so the two"], "It fails"),
        (
            [(12.0, 11.0), (30.0, 60.0)],
            ["does not explain it. Clipped, the two have 12.0"],
            "enough",
        ),
        ([(12.0, 11.0), (30.0, 60.0), (30.0, 99.0)], ["does not explain it"], "off by one"),
        ([(40.0, 60.0), (12.0, 50.0)], ["and clipped it has no less. Clipped, the"], "enough"),
    ],
)
def test_what_is_said_of_the_gap_follows_the_figures(tmp_path, figures, said, unsaid):
    text = told(rows(tmp_path, *figures), costs(tmp_path), [])
    assert text.startswith("The report's cosine model with attention has 113 times")
    for words in said:
        assert words in text
    assert unsaid not in text


@pytest.mark.parametrize(
    ("both", "said"),
    [
        (0.7, "it is 0.700, close to what clipping gives. One error hides the other."),
        (6.0, "it is 6.000, still 10 times that."),
        (45.0, "With its ᾱ off by one as well it is 45.000: that does not save it."),
        (39.97, "With its ᾱ off by one as well it is 39.970: that does not save it."),
    ],
)
def test_what_the_second_error_does_to_digits_is_told_by_its_figure(tmp_path, both, said):
    text = told(rows(tmp_path), costs(tmp_path, 0.6, 40.0, both), [])
    assert text.startswith(
        "On digits not clipping takes the distance of the cosine model from 0.600 to"
    )
    assert "40.000 (100 steps, by the judge of digits), 67 times as much, yet" in text
    assert text.endswith(said)
    assert "off by one" not in told(rows(tmp_path), costs(tmp_path, 0.6, 40.0), [])
    # Where not clipping costs little there is nothing to wonder at.
    assert told(rows(tmp_path), costs(tmp_path, 0.6, 1.7, both), []) == ""


def test_figures_by_two_feature_nets_are_not_put_side_by_side(tmp_path):
    found = costs(tmp_path, 0.6, 40.0)
    found[1].measured[1].result["protocol"]["features"]["mark"] = "another"
    assert told(rows(tmp_path), found, []) == ""


def test_figures_of_two_precisions_make_no_quotient(tmp_path):
    found = rows(tmp_path, (12.0, 11.0), (30.0, 150.0))
    for cell in found[1].measured:
        if cell.result:
            cell.result["protocol"]["dtype"] = "float32"
    text = told(found, costs(tmp_path), [])
    assert "what both have if clipped is not measured yet" in text and "12.0" not in text


@pytest.mark.parametrize(
    ("both", "digits", "concluded"),
    [(140.0, 0.7, True), (20.0, 0.7, False), (140.0, 6.0, False), (140.0, None, False)],
)
def test_both_are_as_in_the_report_only_if_both_are(tmp_path, both, digits, concluded):
    found = rows(tmp_path, (12.0, 11.0), (30.0, 150.0), (31.0, both), IN_ITS_WAY)
    known = [0.6, 40.0] + ([] if digits is None else [digits])
    assert concludes(told(found, costs(tmp_path, *known), [])) == concluded


@pytest.mark.parametrize(
    ("digits", "said", "concluded"),
    [
        (IN_ITS_WAY, "has 24.0 clipped, 82.0 not clipped and 25.0 with both errors", True),
        ((24.0, 82.0, 80.0), "and 80.0 with both errors (real images 9.5): there it is not", False),
        ((24.0, 30.0, 25.0), "there it is not so.", False),
        ((24.0, 82.0), "of digits were its best. Its ᾱ", False),
    ],
)
def test_digits_by_the_reports_own_measure_have_a_say(tmp_path, digits, said, concluded):
    found = rows(tmp_path, (12.0, 11.0), (30.0, 150.0), (31.0, 140.0), digits)
    text = told(found, costs(tmp_path, 0.6, 40.0, 0.7), [])
    assert said in text and concludes(text) == concluded
    assert ("over all 1,000 steps, the cosine model of digits" in text) == (len(digits) > 2)
    # Where clipping alone is known to matter there is nothing to confirm.
    assert "has 24.0" not in told(found, costs(tmp_path, 0.6, 40.0), [])


@pytest.mark.parametrize(
    ("plain", "said", "unsaid", "concluded"),
    [
        (
            (14.0, 120.0, 300.0),
            [
                "has 383 times the Test-FID of its linear one, from which its schedule alone sets",
                "ours has 14.0 beside the linear one's 12.0 clipped, 120.0 beside the linear one's "
                "30.0 not clipped, 300.0 beside the linear one's 31.0 with both errors.",
                "With both errors it fails. Of the two cosine models it is the worse, as in the",
            ],
            "not fail",
            True,
        ),
        (
            (14.0, 120.0, 130.0),
            ["it is the better, not the worse as in the report."],
            "not f",
            True,
        ),
        # Neither can be told from the other: nothing is said of their order.
        ((14.0, 120.0, 140.01), ["With both errors it fails. On digits"], "two cosine", True),
        ((14.0, 120.0, 40.0), ["With both errors it does not fail. Of the"], "it fails.", False),
        ((14.0, 120.0), ["120.0 beside the linear one's 30.0 not clipped. On"], "errors it", True),
        ((14.0,), [], "without attention has", True),
    ],
)
def test_the_worst_model_has_a_say(tmp_path, plain, said, unsaid, concluded):
    found = rows(tmp_path, (12.0, 11.0), (30.0, 150.0), (31.0, 140.0), IN_ITS_WAY, plain)
    text = told(found, costs(tmp_path, 0.6, 40.0, 0.7), [])
    for words in said:
        assert words in text
    assert unsaid not in text
    assert concludes(text) == concluded


def test_what_may_be_chance_is_called_neither_failure_nor_none(tmp_path):
    found = rows(tmp_path, unclipped=(30.0, 150.0), both=(31.0, 140.0), plain=(14.0, 120.0, 300.0))
    with_both(found).measured[3].result["spread"] = None
    text = told(found, costs(tmp_path), [])
    assert "with both errors. Whether that is chance cannot be told." in text


HERE = "times the linear one's figure here, and"
NOT_IT, THE_SAME = "that size is not explained.", "about as much."


@pytest.mark.parametrize(
    ("both", "plain", "sizes"),
    [
        ((31.0, 140.0), None, [f"with attention has 4.5 {HERE} 113 times there: {NOT_IT}"]),
        ((10.0, 400.0), None, [f"with attention has 40 {HERE} 113 times there: {THE_SAME}"]),
        ((1.0, 400.0), None, [f"with attention has 400 {HERE} 113 times there: {NOT_IT}"]),
        (
            (31.0, 140.0),
            300.0,
            [f"4.5 {HERE} 113 times there: {NOT_IT} The one without has 9.7 {HERE}"]
            + ["383 times there: nor is that explained."],
        ),
        (
            (10.0, 400.0),
            300.0,
            [f"there: {THE_SAME} The one without has 30 {HERE} 383 times there: {NOT_IT}"],
        ),
        ((10.0, 400.0), 3000.0, [f"The one without has 300 {HERE} 383 times there: {THE_SAME}"]),
        (
            (1.0, 400.0),
            300.0,
            [NOT_IT, f"The one without has 300 {HERE} 383 times there: {THE_SAME}"],
        ),
    ],
)
def test_how_much_of_the_gap_it_is_comes_first(tmp_path, both, plain, sizes):
    ways = (14.0, 120.0, plain) if plain else ()
    found = rows(tmp_path, (12.0, 11.0), (30.0, 150.0), both, IN_ITS_WAY, ways)
    first, *rest = explained(found, costs(tmp_path, 0.6, 40.0, 0.7), [])
    assert len(rest) == 2 + bool(plain)
    assert all(words in first for words in sizes)
    assert ("The one without" in first) == bool(plain)
    assert first.startswith("In part: " if "explained" in first else "Yes: ")
    assert "explained" not in " ".join(rest)
    # A figure that cannot be told from chance has no say.
    if plain:
        with_both(found).measured[3].result["spread"] = None
        assert "The one without" not in explained(found, costs(tmp_path, 0.6, 40.0, 0.7), [])[0]


@pytest.mark.parametrize(
    ("clipped", "unclipped", "kind"),
    [
        ((0.9, 1.5), (1.1, 2.2), "worse, but not 3 times the linear one's."),
        ((0.9, 1.5), (6.0, 9.0), "worse, but not 3 times the linear one's."),
        ((0.9, 1.5), (1.1, 9.0), "by that measure it fails."),
        ((0.9, 8.5), (1.1, 9.0), "worse."),
        ((0.9, 1.5), (1.1, 1.4), "no worse."),
        ((0.9, 1.5), (1.1, 1.51), "no worse."),
    ],
)
def test_the_judge_has_a_say(tmp_path, clipped, unclipped, kind):
    text = told(rows(tmp_path), costs(tmp_path), second(tmp_path, clipped, unclipped))
    assert text.startswith("By the judge of photographs, over 1,000 steps, not clipping takes")
    assert f"to {unclipped[0]:.2f} and the cosine one with attention from {clipped[1]:.2f}" in text
    assert f"to {unclipped[1]:.2f}: {kind}" in text
    assert "The one without" not in text


@pytest.mark.parametrize(
    ("clipped", "unclipped", "kind"),
    [
        (0.9, 3.2, "worse, but not 3 times the linear one's."),
        (0.9, 3.4, "by that measure it fails."),
        (0.9, 0.8, "no worse."),
        (None, 3.4, None),
        (0.9, None, None),
    ],
)
def test_the_judge_speaks_of_the_worst_model_too(tmp_path, clipped, unclipped, kind):
    ways = [
        (*pair, plain) if plain else pair
        for pair, plain in zip(((0.9, 1.5), (1.1, 2.2)), (clipped, unclipped), strict=True)
    ]
    text = told(rows(tmp_path), costs(tmp_path), second(tmp_path, *ways))
    assert "from 1.50 to 2.20: worse, but not 3 times the linear one's." in text
    if kind:
        assert text.endswith(f" The one without goes from 0.90 to {unclipped:.2f}: {kind}")
    else:
        assert "The one without" not in text


def by_both(home, judged, owned):
    """Costs, and by the report's own measure in as few steps: of each, for not clipping and for
    both errors, linear, cosine with attention and without."""
    measured = []
    for table, figures, steps in (
        (report.costs(home), judged, ""),
        (report.own_way(home), owned, report.IN_FEW),
    ):
        wanted = {title + steps: it for title, it in zip(TITLES[1:], figures, strict=True)}
        measured.append(
            [
                with_figures(row, dict(zip((2, 4, 3), wanted.get(row.title, ()), strict=False)))
                for row in table.rows
            ]
        )
    return measured


NOISE_TO_THE_JUDGE = (3.8, 35.2, 38.7), (4.5, 7.5, 5.7)
FLAT_TO_THE_REPORT = (36.3, 22.1, 21.3), (36.0, 205.4, 221.8)


@pytest.mark.parametrize(
    ("judged", "owned", "seen", "look"),
    [
        (
            NOISE_TO_THE_JUDGE,
            FLAT_TO_THE_REPORT,
            ("the judge sees both fail, the other neither.", "sees neither fail, the other both."),
            True,
        ),
        (
            NOISE_TO_THE_JUDGE,
            FLAT_TO_THE_REPORT[::-1],
            ("sees both fail, the other both.", "sees neither fail, the other neither."),
            False,
        ),
        # Each sees another one fail.
        (
            ((3.8, 35.2, 5.0), (4.5, 7.5, 25.7)),
            ((36.3, 22.1, 221.3), (36.0, 39.0, 221.8)),
            (
                "the judge sees the one with attention fail, the other the one without.",
                "the judge sees the one without fail, the other the one without.",
            ),
            True,
        ),
    ],
)
def test_two_measures_of_the_same_samples_are_held_against_each_other(
    tmp_path, judged, owned, seen, look
):
    ours, theirs = by_both(tmp_path, judged, owned)
    text = told(theirs, ours, [])
    assert text.startswith("In 100 steps the same samples are measured both ways, by the judge of")
    assert "photographs all 2,048, by the report's own measure the first 512; to fail is" in text
    assert "more than 3 times the linear one's figure." in text
    a, b, c = (f"{it:.1f}" for it in judged[0])
    assert "Not clipped the cosine models, with attention and without, have by the judge" in text
    assert f"judge {b} and {c} beside the linear one's {a}, by the other {owned[0][1]}" in text
    unclipped, both = text[text.index("Not clipped") :].split(" With both errors ")
    assert unclipped.endswith(seen[0])
    assert seen[1] in both
    assert ("Where they disagree, look: Figure 5" in text) == look


def test_what_may_be_chance_is_held_against_nothing(tmp_path):
    ours, theirs = by_both(tmp_path, NOISE_TO_THE_JUDGE, FLAT_TO_THE_REPORT)
    for row in theirs:
        for cell in row.measured:
            if cell and cell.result:
                cell.result["spread"] = None
    text = told(theirs, ours, [])
    # By the report's own measure what is not clipped fails in no case.
    assert "the judge sees both fail, the other neither. With both errors" in text
    assert "221.8 beside the linear one's 36.0: whether that is chance cannot be told." in text


def test_samples_of_two_precisions_are_not_the_same(tmp_path):
    ours, theirs = by_both(tmp_path, NOISE_TO_THE_JUDGE, FLAT_TO_THE_REPORT)
    for row in theirs:
        for cell in row.measured:
            if cell and cell.result:
                cell.result["protocol"]["dtype"] = "float32"
    assert "both ways" not in told(theirs, ours, [])


def test_rows_that_are_not_there_say_nothing(tmp_path):
    ours, theirs = by_both(tmp_path, NOISE_TO_THE_JUDGE, FLAT_TO_THE_REPORT)
    assert "both ways" in told(theirs, ours, [])
    assert told(theirs[:4], ours, []) == told(theirs, [], []) == ""


@pytest.mark.parametrize("lacking", [0, 1])
def test_one_measure_alone_is_held_against_nothing(tmp_path, lacking):
    known = [NOISE_TO_THE_JUDGE, FLAT_TO_THE_REPORT]
    known[lacking] = (known[lacking][0], known[lacking][1][:2])
    ours, theirs = by_both(tmp_path, *known)
    assert "both ways" not in told(theirs, ours, [])


def test_a_failure_that_may_be_chance_is_not_denied(tmp_path):
    found = second(tmp_path, (0.9, 1.5), (1.1, 9.0))
    for row in found:
        if row.measured and not row.measured[0].request.clip and row.measured[3].result:
            row.measured[3].result["spread"] = None
    text = told(rows(tmp_path), costs(tmp_path), found)
    assert "from 1.50 to 9.00: whether that is chance cannot be told." in text
