"""The Results tab's value: figures as the files have them, and nothing that no file has."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict

import gradio as gr
import pytest

from ddpm_core.errors import CheckpointError
from lab.measure import results as stored
from lab.measure.protocol import words
from lab.report import tables
from lab.report.findings import findings
from tests.support.figures import store, write_training
from tests.support.toys import result_of
from ui.tabs import results


def wanted(home):
    """All measurements of FIDs, as the tables have them."""
    makers = (tables.table_1, tables.table_2, tables.costs, tables.own_way)
    for table in (make(home) for make in makers):
        yield from (m for row in table.rows for m in row.measured if m is not None)
    for model in tables.FEW_MODELS:
        for row in tables.few_steps(home, model).rows:
            yield from filter(None, row.measured)


def table_of(value, name):
    return next(table for table in value["tables"] if table["name"] == name)


def cells_of(value):
    """Those of FIDs."""
    return [
        cell
        for table in value["tables"]
        if table["name"] not in ("beside", "guidance")
        for row in table["rows"]
        for cell in row.get("cells", ())
        if cell is not None
    ]


@pytest.fixture
def full(tmp_path):
    """A home where everything is measured, to figures that all differ."""
    for number, m in enumerate(wanted(tmp_path)):
        store(tmp_path, m, 1 + number / 7, 0.012345)
    return tmp_path


# --- figures ---


def test_where_nothing_is_stored_no_cell_has_a_figure(tmp_path):
    value = results.figures(tmp_path)
    assert value["measured"] == 0
    assert value["curves"] == []
    cells = cells_of(value)
    assert len(cells) == len(list(wanted(tmp_path)))
    for cell, m in zip(cells, wanted(tmp_path), strict=False):
        assert cell.keys() == {"model", "command"}
        assert cell["command"].startswith("python -m lab evaluate --fid --save")
    assert table_of(value, "few-steps")["floors"] == []


def test_every_figure_is_that_of_a_file(full):
    value = results.figures(full)
    assert value["measured"] == len(cells_of(value)) < value["wanted"]
    files = [json.loads(p.read_text()) for p in full.glob("*/results/*.json")]
    by_words = {words(it): it for it in files}
    seen = set()
    for cell in cells_of(value):
        it = by_words[cell["words"]]
        assert (cell["value"], cell["error"]) == (it["fid"], it["spread"])
        assert abs(float(cell["figure"]) - it["fid"]) <= 0.5e-3
        assert cell["spread"] == "± 0.012"
        assert cell["model"] == it["protocol"]["model"]
        assert cell["took"] == "1,234 s on a processor, 1 thread(s)"
        seen.add((it["protocol"]["model"], cell["words"]))
    assert len({w for _, w in seen}) == len(by_words)


def test_the_cells_stand_where_their_protocol_says(full):
    for name, table in (
        ("table-1", tables.table_1(full)),
        ("table-2", tables.table_2(full)),
        ("costs", tables.costs(full)),
        ("own-way", tables.own_way(full)),
    ):
        shown = table_of(results.figures(full), name)
        assert (shown["title"], shown["columns"]) == (table.title, list(table.columns))
        for row, line in zip(table.rows, shown["rows"], strict=True):
            assert line["title"] == row.title
            if row.reported:
                assert [float(text) for text in line["reported"]] == list(row.reported)
                continue
            assert [c and c["value"] for c in line["cells"]] == [
                m and m.result["fid"] for m in row.measured
            ]
            assert [c and c["command"] for c in line["cells"]] == [
                m and m.command for m in row.measured
            ]


def test_of_two_precisions_the_one_that_compares_is_shown(tmp_path):
    """And of a figure that stands alone the one that most of its model's figures are of."""
    table = tables.table_1(tmp_path)
    row, alone = table.rows[1], next(row for row in table.rows if "sampled again" in row.title)
    for m in filter(None, (*row.measured, *alone.measured)):
        for dtype, fid in (("float32", 1.0), ("bfloat16", 2.0)):
            if dtype == "bfloat16" or m.model == row.measured[0].model:
                result = result_of(m, fid)
                result["protocol"]["dtype"] = dtype
                stored.save(tmp_path / m.model, result)
    few = tables.few_steps(tmp_path, "mnist-linear").rows[0].measured[0]
    stored.save(tmp_path / few.model, result_of(few, 3.0))
    shown = {it["title"]: it for it in table_of(results.figures(tmp_path), "table-1")["rows"]}
    for title in (row.title, alone.title):
        cell = shown[title]["cells"][0]
        assert cell["value"] == 2.0 and cell["command"].endswith("--dtype bfloat16")


@pytest.mark.parametrize(
    ("fid", "spread", "figure", "written"),
    [
        (1.23456, 0.0234, "1.235", "± 0.023"),
        (48.123, 1.234, "48.1", "± 1.2"),
        (1.23456, None, "1.235", ""),
        (3.0, 0.0, "3.000", "± 0.000"),
    ],
)
def test_a_figure_shows_no_more_digits_than_its_spread_allows(
    tmp_path, fid, spread, figure, written
):
    store(tmp_path, tables.table_1(tmp_path).rows[1].measured[0], fid, spread)
    cell = table_of(results.figures(tmp_path), "table-1")["rows"][1]["cells"][0]
    assert (cell["figure"], cell["spread"]) == (figure, written)


def test_costs_are_differences_from_the_run_without_an_error(tmp_path):
    column = [row.measured[1] for row in tables.costs(tmp_path).rows]
    for m, fid in zip(column, (2.0, 3.5, 1.25), strict=False):
        store(tmp_path, m, fid, 0.011)
    shown = [row["cells"][1] for row in table_of(results.figures(tmp_path), "costs")["rows"]]
    assert [c.get("cost") if c else "-" for c in shown] == [
        None,
        "+1.500",
        "−0.750",
        "-",
        None,
        None,
    ]
    # Of two figures with 0.011 each.
    assert [shown[row]["cost_error"] for row in (1, 2)] == ["± 0.016"] * 2


@pytest.mark.parametrize(("name", "model"), results.FEW_STEPS.items())
def test_the_few_step_table_has_its_floor_from_the_files(full, name, model):
    shown = table_of(results.figures(full), name)
    assert model in shown["title"]
    assert shown["floors"] == [0.11]
    assert shown["columns"] == [str(steps) for steps in tables.FEW_STEPS]
    for row, own in zip(shown["rows"], tables.few_steps(full, model).rows, strict=True):
        assert row["title"] == own.title
        assert [c and c["value"] for c in row["cells"]] == [
            m and m.result["fid"] for m in own.measured
        ]
        assert (own.measured[-1] is None) == (own.title != "DDPM")


def test_a_damaged_file_takes_no_other_table_along(tmp_path, caplog):
    store(tmp_path, tables.few_steps(tmp_path).rows[0].measured[0], 3.0)
    path = tmp_path / "cifar10-linear-attn" / "results" / "fid-0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        value = results.figures(tmp_path)
    assert [t["name"] for t in value["tables"] if "error" in t] == ["table-2", "beside"]
    assert str(tmp_path) not in json.dumps(value)
    assert str(path) in caplog.text
    assert value["measured"] == 1


def test_what_people_wrote_of_a_table_comes_with_it(full):
    for table in results.figures(full)["tables"]:
        assert (table["question"], table["answer"]) == findings()[table["name"]]


# --- curves ---


def test_curves_are_those_of_the_record_and_a_missing_model_is_left_out(tmp_path):
    history = [
        {"images": 64_000, "train": 0.2, "validation": 0.1},
        {"images": 128_000, "train": 0.1, "validation": 0.05, "fid": 4.5, "fid_by": "a net"},
    ]
    write_training(tmp_path, "mnist-cosine", history)
    write_training(tmp_path, "mnist-judge", history)  # no diffusion model
    write_training(tmp_path, "cifar10-linear", [])
    (tmp_path / "mnist-linear").mkdir()
    (tmp_path / "mnist-linear" / "training.json").write_text("[]", encoding="utf-8")
    (curve,) = results.figures(tmp_path)["curves"]
    assert curve == {
        "model": "mnist-cosine",
        "rows": [[64_000, 0.2, 0.1, None], [128_000, 0.1, 0.05, 4.5]],
        "distance": "Fréchet distance",
        "words": "128,000 images seen; weights: EMA, decay 0.9995; Fréchet distance: 512 samples "
        "(dpm_solver_pp, 20 steps, seed 0, x̂0 clipped; of the averaged weights) against the first "
        "1,000 images held out of training, by a net; its spread was not measured",
        "command": "python -m ddpm_core train --recipe mnist-cosine",
    }


@pytest.mark.parametrize("text", ["", '{"history": 3}'])
def test_a_record_that_cannot_be_read_is_told(tmp_path, text):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "training.json").write_text(text, encoding="utf-8")
    for ask in (tables.curves, tables.trained):
        with pytest.raises(CheckpointError, match="training.json holds no training record"):
            ask("m", tmp_path)


# --- the tab ---


def test_the_page_carries_no_figures_until_the_tab_is_opened(full):
    with gr.Blocks(analytics_enabled=False) as page, gr.Tabs(), gr.Tab("Results") as tab:
        board = results.build(tab, full)
    assert board.value == {"kind": "idle"}
    (event,) = page.fns.values()
    assert event.targets == [(tab._id, "select")]
    assert event.api_visibility == "private"
    assert event.fn()["measured"] == len(cells_of(event.fn())) > 0


def test_what_is_measured_beside_fid_stands_in_tables_of_its_own(tmp_path):
    model = "mnist-conditional"
    (tmp_path / model).mkdir()
    shown, *_ = table_of(results.figures(tmp_path), "beside")["rows"]
    assert all(cell.keys() == {"model", "command"} for cell in shown["cells"])
    about = {"model": model, "weights": "EMA", "weights_mark": "0" * 16, "n": 1000, "first": 0}
    about |= {"request": {}, "dtype": "bfloat16", "reference": {"split": "test"}}
    about["reference"] |= {"dataset": "mnist", "images": 10_000, "source": None}
    about |= {
        "evaluations": 100,
        "variance": "beta",
        "seed": 0,
        "timesteps": 1000,
        "told": "nothing",
    }
    figures = {"bits": 1.41234, "error": 0.012, "losses": [0.1234567, 0.2, 0.3, None]}
    figures |= {"prior": 0, "steps": 1, "decoder": 0.4, "quarters": [1, 0, 0, 0]}
    stored.save(tmp_path / model, {"kind": "bound", "protocol": about} | figures)
    value = results.figures(tmp_path)
    shown, *_ = table_of(value, "beside")["rows"]
    share, near, bits, *quarters = shown["cells"]
    assert "value" not in share and "value" not in near
    assert (bits["figure"], bits["spread"], bits["took"]) == ("1.412", "± 0.012", "")
    assert bits["words"].startswith("1.4123 ± 0.0120 bits per dimension")
    assert [q and q["figure"] for q in quarters] == ["0.1235", "0.2000", "0.3000", None]
    assert value["measured"] == 4


@pytest.mark.parametrize(
    ("accuracy", "error", "told"),
    [(0.9631, 0.00596, ("96.31\u00a0%", "± 0.60")), (0.0, 0.0, ("0.00\u00a0%", ""))],
)
def test_a_share_is_told_in_hundredths(tmp_path, accuracy, error, told):
    (tmp_path / "mnist-conditional").mkdir()
    wanted = tables.over_scale(tmp_path).rows[0].measured[2]
    about = {"model": wanted.model, "weights": "EMA", "weights_mark": "0" * 16, "n": 1000}
    about |= {"first": 0, "request": asdict(wanted.request), "dtype": "bfloat16"}
    about |= {"space": "mnist-judge", "space_mark": "1" * 16}
    found = {"kind": "classes", "accuracy": accuracy, "error": error, "distance": 8.8412}
    stored.save(tmp_path / wanted.model, found | {"protocol": about})
    share, apart = (
        row["cells"][2] for row in table_of(results.figures(tmp_path), "guidance")["rows"][:2]
    )
    assert (share["figure"], share["spread"]) == told
    assert (apart["figure"], apart["spread"]) == ("8.841", "")
    assert apart["words"] == share["words"]
