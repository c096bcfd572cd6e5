"""The report's page: figures that are the stored ones, and words where there are none."""

import json
import re
from dataclasses import replace

import pytest

from ddpm_core.animation import read_note
from lab.report import tables
from lab.report.reproduce import PARTS
from tests.lab.report.conftest import make, page_of, words_of
from tests.support.figures import store
from tests.support.toys import save_tiny_checkpoint


def note_of(settings, picture) -> dict:
    return json.loads(read_note(settings.out / picture.file))


def test_every_part_is_on_the_page_and_needs_nothing_else(settings):
    report = make(settings)
    assert [part.name for part in report.parts] == list(PARTS)
    page = page_of(report)
    assert [section.get("id") for section in page.iter("section")] == list(PARTS)
    assert [link.get("href") for link in page.iter("a")] == [f"#{name}" for name in PARTS]
    for part in report.parts:
        assert part.report, part.name
        for picture in part.pictures:
            assert note_of(settings, picture)["weights"]
    sources = [img.get("src") for img in page.iter("img")]
    assert len(sources) == sum(len(part.pictures) for part in report.parts) == 6
    assert all(src.startswith("data:image/png;base64,") for src in sources)
    text = report.page.read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|https?://(?!www\.w3\.org/2000/svg)|url\(|@import", text)


def test_its_figures_are_those_stored_and_those_of_the_report(settings, home):
    fids = {}
    for row in tables.table_1(home).rows:
        for measurement in filter(None, row.measured):
            fids[measurement] = 1 + len(fids) / 7
            store(home, measurement, fids[measurement], spread=0.0117, floor=0.25)
    report = make(settings, "table-1")
    (table,) = page_of(report).iter("table")
    cells = [words_of(cell) for cell in table.iter("td")]
    expected = []
    for row in tables.table_1(home).rows:
        expected += [f"{figure:.3f}" for figure in row.reported]
        figures = [fids[replace(m, result=None)] if m else None for m in row.measured]
        expected += [f"{figure:.3f} ± 0.012floor 0.250" if figure else "" for figure in figures]
    assert cells == expected
    assert not any(part.notes for part in report.parts)
    protocols = [words_of(item) for item in page_of(report).iter("li")][1:]
    assert len(protocols) == 22
    assert all("± 0.0117 (standard error by the jackknife); floor 0.2500" in p for p in protocols)


@pytest.mark.parametrize("text", ["{", "{}"])
def test_a_damaged_result_takes_its_table_and_no_other_part(settings, home, text):
    store(home, tables.table_1(home).rows[1].measured[0], 1.0).write_text(text)
    table, figure = make(settings, "table-1", "figure-8").parts
    assert len(table.notes) == 1 and table.table is None
    assert ".json" in table.notes[0] and str(home) not in table.notes[0]
    assert figure.pictures


def test_a_cell_that_nobody_measured_says_so_and_how_to(settings, home, denoised):
    report = make(settings, "table-1")
    page = page_of(report)
    cells = [words_of(cell) for cell in page.iter("td") if cell.get("class") == "lacking"]
    assert cells == ["not measured yet"] * 22
    assert "evaluate --fid --save --model mnist-linear" in words_of(next(page.iter("pre")))
    assert not denoised


def test_each_part_lives_without_any_checkpoint(settings, tmp_path):
    report = make(replace(settings, home=tmp_path / "nowhere"))
    assert all(part.notes and not part.pictures for part in report.parts)
    text = words_of(page_of(report))
    assert "No checkpoint 'cifar10-cosine-attn'; shipped: none" in text


def test_a_picture_that_cannot_be_had_is_told_and_the_others_are_shown(settings, home, classifiers):
    save_tiny_checkpoint(home / "cifar10-linear", classes=0)
    save_tiny_checkpoint(home / "cifar10-conditional", classes=10)
    # Tiny ones are of MNIST: their classifiers are there.
    part = make(settings, "figure-7").parts[0]
    guidances = [note_of(settings, picture)["guidance"] for picture in part.pictures]
    assert guidances == ["classifier", "classifier", "classifier-noisy", "cfg"]
    assert not part.notes
    del classifiers["mnist-classifier"]
    part = make(settings, "figure-7").parts[0]
    assert len(part.notes) == 1
    assert "ifar10-linear has no classifier to go with it" in part.notes[0]
    guidances = [note_of(settings, picture)["guidance"] for picture in part.pictures]
    assert guidances == ["classifier-noisy", "cfg"]
