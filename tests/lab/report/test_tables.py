"""The tables: each figure from a file, each command its own."""

import argparse
import shlex
from dataclasses import replace

import pytest

from ddpm_core import checkpoints
from lab.commands import evaluate
from lab.measure import results
from lab.report import tables
from lab.report.measurements import Figure, Measurement, as_measured
from tests.support.figures import store
from tests.support.toys import result_of, save_tiny_classifier

CELLS = [cell for make in tables.TABLES.values() for cell in make(None).cells]


@pytest.fixture(scope="module")
def models():
    return {name: checkpoints.load(name) for name in {m.model for m in CELLS}}


@pytest.mark.parametrize("kind", ["fid", "classes", "neighbours", "bound"])
def test_a_command_asks_for_what_its_figure_is_of(kind, models):
    cells = [cell for cell in CELLS if cell.kind == kind]
    assert len(cells) > 10
    for m in cells:
        parser = argparse.ArgumentParser()
        evaluate.add(parser.add_subparsers())
        a = parser.parse_args(shlex.split(m.command)[3:])
        evaluate.check(a)
        assert (a.mode, a.model, a.save) == (kind, m.model, True)
        parsed = evaluate.asked(a, models[m.model]).for_model(models[m.model])
        if kind == "bound":
            assert (parsed.n, parsed.variance, parsed.seed) == (m.request.n, m.request.variance, 0)
            continue
        if kind == "fid":
            assert (a.reference, a.as_reported) == (m.reference, m.own_way)
        expected = as_measured(m.request, m.result)
        assert expected.dtype == (m.result["protocol"]["dtype"] if m.result else "auto")
        assert parsed == expected


def row_of(home, model) -> tables.Row:
    return next(row for row in tables.of_models(home).rows if row.title == model)


def result_for(m: Measurement, **figures) -> dict:
    protocol = result_of(m, 0.0)["protocol"] | {"space": f"{m.model.partition('-')[0]}-judge"}
    protocol |= {"compared_with": 2000, "quantile": 0.01}
    protocol |= {"evaluations": 100, "variance": "beta", "seed": 0, "timesteps": 1000}
    return {"kind": m.kind, "protocol": protocol} | figures


def test_figures_beside_fid_are_those_of_the_files(tmp_path):
    model = "mnist-conditional"
    (tmp_path / model).mkdir()
    row = row_of(tmp_path, model)
    assert all(m.figure is None for m in row.measured)
    share, near, bits, *_ = row.measured
    results.save(tmp_path / model, result_for(share, accuracy=0.93, error=0.008, distance=8.8))
    results.save(tmp_path / model, result_for(near, memorised=0.02))
    losses = [0.4, None, 0.2, 0.1]
    results.save(tmp_path / model, result_for(bits, bits=1.5, error=0.01, losses=losses))
    row = row_of(tmp_path, model)
    share, near, bits, *quarters = (m.figure for m in row.measured)
    assert (share, bits) == (Figure(0.93, 0.008, percent=True), Figure(1.5, 0.01))
    # For the samples sqrt(0.02 * 0.98 / 1000); for the limit sqrt(0.01 * 0.99 / 2000), twice.
    assert near.value == 0.02
    assert near.error == pytest.approx((0.0044272**2 + 0.0044497**2) ** 0.5, rel=1e-4)
    assert [m.value for m in quarters] == losses


def test_what_was_measured_otherwise_is_another_figure(tmp_path):
    model = "mnist-linear"
    (tmp_path / model).mkdir()
    row = row_of(tmp_path, model)
    share, near, bits, *_ = row.measured
    assert share is None  # it knows no classes
    other = result_for(replace(near, request=replace(near.request, steps=50)), memorised=0.5)
    results.save(tmp_path / model, other)
    pixels = result_for(near, memorised=0.5)
    pixels["protocol"]["space"] = "pixels"
    results.save(tmp_path / model, pixels)
    for change in ({"evaluations": 1000}, {"variance": "posterior"}, {"seed": 1}, {"n": 7}):
        result = result_for(bits, bits=9.0, error=None, losses=[1] * 4)
        result["protocol"] |= change
        results.save(tmp_path / model, result)
    assert all(m.result is None for m in tables.of_models(tmp_path).cells)


def test_the_reports_figures_are_those_of_its_tables():
    """Typed once more, model by model: (train, test) of Table 1, then of Table 2."""
    expected = {
        "cosine, attention": ((1.766, 2.385), (14.565, 14.508)),
        "linear, no attention": ((2.286, 2.803), (0.114, 0.128)),
        "cosine, no attention": ((2.105, 2.724), (49.393, 49.058)),
        "linear, attention": ((2.849, 3.490), (0.165, 0.153)),
    }
    for number, table in enumerate((tables.table_1(), tables.table_2())):
        rows = {row.title: row.reported for row in table.rows if row.reported}
        assert list(rows) == ["Train-FID, report", "Test-FID, report"]
        by_model = dict(zip(table.columns, zip(*rows.values(), strict=True), strict=True))
        assert by_model == {model: figures[number] for model, figures in expected.items()}


def test_a_figure_of_other_weights_or_by_another_judge_is_not_shown(home):
    save_tiny_classifier(home / "mnist-judge")
    first, second, *_ = tables.table_1(home).rows[1].measured
    judge_mark, mark = (results.mark_of(home / name) for name in ("mnist-judge", first.model))
    for fid, net in ((1.0, "a"), (2.0, judge_mark), (3.0, "b")):
        result = result_of(first, fid, mark=mark)
        result["protocol"]["features"]["mark"] = net
        results.save(home / first.model, result)
    store(home, second, 2.5, mark="0" * 16)
    cells = tables.table_1(home).rows[1].measured
    assert [m.figure and m.figure.value for m in cells] == [2.0, None, None, None]
