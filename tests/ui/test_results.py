"""The Results tab's value: figures as the files have them, and nothing that no file has."""

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ddpm_core.animation import read_note
from lab.report import tables
from lab.report.measurements import difference
from lab.report.tables import TABLE_1
from tests.support.figures import cell_at, store
from ui.runs.races import RaceKey
from ui.sharing import permalinks
from ui.sharing.race_links import parse
from ui.tabs import results

# Table, row and column of each measured figure that a conclusion names, in its order.
RESTS_ON = {
    "steps of photographs": [
        ("few-steps-cifar10", "DDIM", "10 steps"),
        ("few-steps-cifar10", "DDIM", "20 steps"),
        ("few-steps-cifar10", "DDIM", "50 steps"),
    ],
    "steps of digits": [
        ("few-steps", "DDIM", "5 steps"),
        ("few-steps", "DDIM", "10 steps"),
        ("few-steps", "DDIM", "20 steps"),
    ],
    "scales of digits": [
        ("guidance", "mnist-conditional, wanted class", "1"),
        ("guidance", "mnist-conditional, wanted class", "2"),
        ("guidance", "mnist-conditional, distance", "2"),
        ("guidance", "mnist-conditional, distance", "1"),
    ],
    "scales of photographs": [
        ("guidance", "cifar10-conditional, wanted class", "1"),
        ("guidance", "cifar10-conditional, wanted class", "2"),
        ("guidance", "cifar10-conditional, distance", "2"),
        ("guidance", "cifar10-conditional, distance", "1"),
    ],
    "clipping": [
        ("costs", "as it should be", "mnist-cosine"),
        ("costs", "x̂0 not clipped", "mnist-cosine"),
    ],
}


# --- the conclusions ---


TEXTS = {
    f"{conclusion['figure']} of {images}" if images else conclusion["figure"]: text
    for conclusion in results.CONCLUSIONS
    for images, text in conclusion.get("texts", {"": conclusion.get("text")}).items()
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_conclusion_names_the_figures_that_are_stored(name):
    quoted = re.findall(r"\d+\.\d+", TEXTS[name])
    cells = [cell_at(*place) for place in RESTS_ON[name]]
    for text, cell in zip(quoted, cells, strict=True):
        value = cell.figure.value * (100 if cell.figure.percent else 1)
        assert text == f"{value:.{len(text.partition('.')[2])}f}"


def test_what_the_conclusions_say_of_their_figures_holds():
    for images in results.SETS:
        few, enough, many = (cell_at(*place) for place in RESTS_ON[f"steps of {images}"])
        gain = difference(few.result, enough.result)
        assert gain.gap > 2 * gain.error
        assert abs(difference(enough.result, many.result).gap) < gain.gap / 5
        right, more, close, far = (cell_at(*place) for place in RESTS_ON[f"scales of {images}"])
        assert more.figure.value - right.figure.value > 2 * right.figure.error
        assert close.figure.value < 0.98 * far.figure.value
    clipped, not_clipped = (cell_at(*place) for place in RESTS_ON["clipping"])
    diff = difference(clipped.result, not_clipped.result)
    assert diff.gap > 2 * diff.error


def test_both_pictures_are_one_run_with_and_without_clipping():
    files = [Path(results._file(file)) for _, file in results.PICTURES.values()]
    _, clipped = permalinks.from_note(read_note(files[0]))
    _, broken = permalinks.from_note(read_note(files[1]))
    assert broken == replace(clipped, request=replace(clipped.request, clip=False))
    cell = cell_at(*RESTS_ON["clipping"][0])
    assert cell.model == clipped.model
    a, b = cell.request, clipped.request
    assert (a.sampler, a.steps, a.label) == (b.sampler, b.steps, b.label)


def test_the_pictures_lead_to_their_race():
    query = results._link().removeprefix("?")
    pairs = dict(permalinks.parse_qsl(query))
    assert (pairs["tab"], pairs["view"], pairs["error"]) == ("reverse", "break", "no-clip")
    _, key = permalinks.from_note(read_note(results._file("clipped.png")))
    race = parse(pairs, RaceKey("break", "", key.request))
    assert (race.model, race.request) == (key.model, key.request)


# --- the tables ---


def test_ours_stand_below_the_reports_with_a_mark_by_the_rule(tmp_path):
    rows = [row for row in tables.table_1(tmp_path).rows if row.title.startswith("Test")]
    (row,) = (r for r in rows if r.measured and r.measured[0].request == tables.ANCESTRAL)
    # The report's second is worse, its third and fourth are better than its first.
    for measurement, fid in zip(row.measured, (2.0, 3.0, 2.5, 1.8), strict=True):
        store(tmp_path, measurement, fid, 0.1)
    table = results.figures(tmp_path)["tables"][0]
    rows = {row["title"]: row["cells"] for row in table["rows"]}
    assert list(rows) == ["report, FID", "ours"]
    assert rows["report, FID"] == [f"{fid:.3f}" for fid in TABLE_1["test"]]
    assert [cell["figure"] for cell in rows["ours"]] == ["2.00", "3.00", "2.50", "1.80"]
    assert [cell.get("mark") for cell in rows["ours"]] == [None, "✓", "✗", "?"]


# --- the charts ---


def test_charts_have_the_points_that_are_stored_and_no_others(tmp_path):
    measurement = tables.few_steps(tmp_path, "mnist-conditional").rows[1].measured[2]
    store(tmp_path, measurement, 0.5, 0.01)
    charts = results.figures(tmp_path)["charts"]
    assert charts["steps"]["digits"]["floor"] == 0.11
    points = {row["title"]: row["points"] for row in charts["steps"]["digits"]["rows"]}
    assert points["DDIM"][2]["value"] == 0.5 and points["DDIM"][2]["error"] == 0.01
    assert sum(map(bool, sum(points.values(), []))) == 1
    assert charts["scales"]["photographs"]["points"] == []
    shipped = results.figures()["charts"]
    for images, model in results.SETS.items():
        assert [p["accuracy"] for p in shipped["scales"][images]["points"]] == [
            cell_at("guidance", f"{model}, wanted class", f"{scale:g}").figure.value
            for scale in tables.SCALES
        ]


def test_a_damaged_file_takes_nothing_else_along(tmp_path, caplog):
    path = tmp_path / "cifar10-linear-attn" / "results" / "fid-0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        value = results.figures(tmp_path)
    assert ["error" in table for table in value["tables"]] == [False, True]
    assert str(tmp_path) not in json.dumps(value) and str(path) in caplog.text
