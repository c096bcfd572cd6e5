"""The tables of what is measured beside FID: each figure from a file, each command its own."""

import argparse
import shlex
from dataclasses import asdict, replace

import pytest

from ddpm_core import checkpoints
from ddpm_core.commands import options
from lab.commands import evaluate
from lab.measure import results
from lab.measure.shards import NOT_IN_KEY
from lab.report import beside, report


def parsed(command: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.add(parser.add_subparsers())
    return parser.parse_args(shlex.split(command)[3:])


def shipped() -> list[beside.Wanted]:
    tables = (beside.of_models(), beside.over_scale())
    return [it for table in tables for row in table.rows for it in row.measured if it]


def result_for(it: beside.Wanted, **figures) -> dict:
    asked = {k: v for k, v in asdict(it.request).items() if k not in NOT_IN_KEY}
    about = {"model": it.model, "weights": "EMA", "weights_mark": "0" * 16, "dtype": "bfloat16"}
    about |= {"n": it.request.n, "first": 0, "request": asked}
    about |= {"space": f"{it.model.partition('-')[0]}-judge", "space_mark": "1" * 16}
    about |= {"compared_with": 2000, "quantile": 0.01}
    about |= {"evaluations": 100, "variance": "beta", "seed": 0, "timesteps": 1000}
    about |= {"reference": {"dataset": "mnist", "split": "test", "images": 9, "source": None}}
    return {"kind": it.kind, "protocol": about} | figures


@pytest.mark.parametrize("it", shipped(), ids=lambda it: f"{it.model} {it.kind}")
def test_a_command_asks_for_what_its_figure_is_of(it):
    a = parsed(it.command)
    assert (a.mode, a.model, a.save) == (it.kind, it.model, True)
    model = checkpoints.load(it.model)
    asked = options.request(a, model).for_model(model)
    if it.kind == "bound":
        assert (asked.n, asked.variance, asked.seed) == (it.request.n, "beta", 0)
        evaluate._check(a)
    else:
        assert asked == report.as_measured(it.request, it.result)


def test_the_command_of_every_fid_asks_for_it():
    tables = (report.table_1(), report.table_2(), report.costs(), report.own_way())
    cells = [m for table in tables for row in table.rows for m in row.measured if m]
    present = [m for m in cells if (checkpoints.HOME / m.model).is_dir()]
    assert len(present) > 60
    models = {name: checkpoints.load(name) for name in {m.model for m in present}}
    for m in present:
        a, model = parsed(m.command), models[m.model]
        assert (a.mode, a.reference, a.as_reported) == ("fid", m.reference, m.own_way)
        again = report.as_measured(m.request, m.result)
        assert again.dtype == (m.result["protocol"]["dtype"] if m.result else "auto")
        assert options.request(a, model).for_model(model) == again


def test_figures_are_those_of_the_files(tmp_path):
    model = "mnist-conditional"
    (tmp_path / model).mkdir()
    (row,) = beside.of_models(tmp_path).rows
    assert all(it.result is None for it in row.measured)
    share, near, bits, *_ = row.measured
    results.save(tmp_path / model, result_for(share, accuracy=0.93, error=0.008, distance=8.8))
    results.save(tmp_path / model, result_for(near, memorised=0.02))
    losses = [0.4, None, 0.2, 0.1]
    results.save(tmp_path / model, result_for(bits, bits=1.5, error=0.01, losses=losses))
    (row,) = beside.of_models(tmp_path).rows
    share, near, bits, *quarters = (it.take(it.result) for it in row.measured)
    assert share == beside.Figure(0.93, 0.008, percent=True)
    # Of the samples sqrt(0.02 * 0.98 / 1000); of the limit sqrt(0.01 * 0.99 / 2000), twice.
    assert near.value == 0.02
    assert near.error == pytest.approx((0.0044272**2 + 0.0044497**2) ** 0.5, rel=1e-4)
    assert bits == beside.Figure(1.5, 0.01)
    assert [it.value for it in quarters] == losses


def test_what_was_measured_otherwise_is_another_figure(tmp_path):
    model = "mnist-linear"
    (tmp_path / model).mkdir()
    (row,) = beside.of_models(tmp_path).rows
    told, near, bits, *_ = row.measured
    assert told is None  # it knows no classes
    other = result_for(replace(near, request=replace(near.request, steps=50)), memorised=0.5)
    results.save(tmp_path / model, other)
    pixels = result_for(near, memorised=0.5)
    pixels["protocol"]["space"] = "pixels"
    results.save(tmp_path / model, pixels)
    for change in ({"evaluations": 1000}, {"variance": "posterior"}, {"seed": 1}, {"n": 7}):
        strange = result_for(bits, bits=9.0, error=None, losses=[1] * 4)
        strange["protocol"] |= change
        results.save(tmp_path / model, strange)
    (row,) = beside.of_models(tmp_path).rows
    assert all(it is None or it.result is None for it in row.measured)


def test_guidance_has_a_share_and_a_distance_at_every_scale(tmp_path):
    rows = beside.over_scale(tmp_path).rows
    assert [row.title.partition(", ")[2] for row in rows] == ["wanted class", "distance"] * 2
    third = rows[0].measured[2]
    folder = tmp_path / third.model
    results.save(folder, result_for(third, accuracy=0.96, error=0.006, distance=8.84))
    share, apart = (row.measured[2] for row in beside.over_scale(tmp_path).rows[:2])
    assert share.take(share.result) == beside.Figure(0.96, 0.006, percent=True)
    assert apart.take(apart.result) == beside.Figure(8.84)
    others = [it for row in beside.over_scale(tmp_path).rows for it in row.measured]
    assert sum(it.result is not None for it in others) == 2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_of_all_or_none_no_error_is_told(share):
    wanted = beside.over_scale().rows[0].measured[2]
    found = wanted.take(result_for(wanted, accuracy=share, error=0.0, distance=8.0))
    assert found == beside.Figure(share, None, percent=True)
