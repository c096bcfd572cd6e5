"""The Results tab: three conclusions over their figures, and the report's tables beside ours.

All figures are read from the folders of the checkpoints. Those that the tab has no room for stand
on a page of their own, the one that ``python -m lab reproduce`` makes.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path

import gradio as gr
from starlette.responses import HTMLResponse
from starlette.routing import Route

from ddpm_core.animation import read_note
from lab.measure.metrics import REAL_DISTANCE
from lab.report import reproduce, tables
from lab.report.measurements import Measurement, Stored, difference, written

from ..events import QUIET
from ..runs import races
from ..sharing import permalinks, race_links
from ..widgets.result_tables import result_tables
from ..widgets.tradeoff.tradeoff import tradeoff

FAILED = "Its stored results cannot be read; the server has made a note of it."
SETS = {"photographs": "cifar10-conditional", "digits": "mnist-conditional"}
# The same noises with and without clipping, as `python -m ddpm_core sample` draws them; the note
# in each file names its run.
PICTURES = {
    "clipped": ("as it should be", "clipped.png"),
    "not clipped": ("x̂0 not clipped", "not-clipped.png"),
}
# People wrote these; tests/ui/test_results.py names the stored figure behind each number. A text
# about a chart has the place in it that it is about; first stands what a visitor sees first.
CONCLUSIONS = (
    {
        "figure": "steps",
        "texts": {
            "photographs": "Twenty steps are nearly enough: the judge distance of photographs by "
            "DDIM falls from 0.357 in 10 steps to 0.267 in 20, and in 50 only to 0.264.",
            "digits": "Ten steps are enough: the judge distance of digits by DDIM falls from 0.142 "
            "in 5 steps to 0.118 in 10, and in 20 only to 0.117.",
        },
        "at": {"photographs": tables.FEW_STEPS.index(20), "digits": tables.FEW_STEPS.index(10)},
    },
    {
        "figure": "scales",
        "texts": {
            "digits": "Guidance costs variety: from scale 1 to 2, right digits rise from 96.3 % to "
            "100.0 %, but those of a class differ less from each other (by 8.36 on average, not "
            "8.78).",
            "photographs": "Guidance costs variety: from scale 1 to 2, right photographs rise from "
            "71.6 % to 96.0 %, but those of a class differ less from each other (by 14.80 on "
            "average, not 15.18).",
        },
        "at": {"digits": tables.SCALES.index(2), "photographs": tables.SCALES.index(2)},
    },
    {
        "figure": "clipping",
        "text": "One missing line of code turns digits into noise: without clipping, the judge "
        "distance of a cosine model’s digits, in 100 steps of DDPM, grows from 0.65 to 40.26.",
    },
)


def build(tab: gr.Tab) -> None:
    """Lay the tab out; its figures are read whenever it is opened."""
    shown = result_tables.ResultTables(label="Results", elem_id="results-board")
    tab.select(figures, None, shown, **QUIET)


def route() -> Route:
    """The route of the page of all measurements, which is made at the first request."""
    page = cache(reproduce.stored)
    return Route("/measurements", lambda request: HTMLResponse(page()))


def figures(home: Path | None = None) -> dict:
    """The value of the tab's component, from the results that are stored now."""
    stored = Stored(home)
    charts = {"steps": _steps, "scales": _scales}
    return {
        "kind": "results",
        "conclusions": CONCLUSIONS,
        "charts": {
            figure: {images: _guarded(partial(chart, stored, images)) for images in SETS}
            for figure, chart in charts.items()
        },
        "pictures": _guarded(lambda: {"shown": _pictures(stored)}),
        "link": _link(),
        "tables": [
            {"title": "Table 1, digits"}
            | _guarded(lambda: _table(tables.table_1(stored), tables.TABLE_1)),
            {"title": "Table 2, photographs"}
            | _guarded(lambda: _table(tables.table_2(stored), tables.TABLE_2)),
        ],
    }


def _guarded(make: Callable[[], dict]) -> dict:
    try:
        return make()
    except Exception:  # a damaged file must not hide the others
        logging.exception("stored results cannot be read")
        return {"error": FAILED}


# --- the figures of the conclusions ---


def _steps(stored: Stored, images: str) -> dict:
    table = tables.few_steps(stored, SETS[images])
    results = [m.result for row in table.rows for m in row.measured if m and m.result]
    return {
        "columns": tables.FEW_STEPS[: len(table.columns)],
        "rows": [
            {
                "title": row.title,
                "points": [m and m.figure and asdict(m.figure) for m in row.measured],
            }
            for row in table.rows
        ],
        "floor": min((r["floor"] for r in results if r["floor"]), default=None),
    }


def _scales(stored: Stored, images: str) -> dict:
    model = SETS[images]
    rows = [row.measured for row in tables.over_scale(stored).rows if row.title.startswith(model)]
    points = [
        {"scale": scale, "accuracy": accuracy.figure.value, "distance": distance.figure.value}
        for scale, accuracy, distance in zip(tables.SCALES, *rows, strict=True)
        if accuracy.result
    ]
    reference = REAL_DISTANCE[model.partition("-")[0]]
    return tradeoff(points, wanted_scales=tables.SCALES, reference=reference)


def _pictures(stored: Stored) -> list[dict]:
    costs, shown = tables.costs(stored), []
    for title, (name, file) in PICTURES.items():
        (measured,) = [row.measured for row in costs.rows if row.title == name]
        cell = _cell(measured[costs.columns.index("mnist-cosine")])
        content = base64.b64encode(_file(file).read_bytes()).decode()
        source = f"data:image/png;base64,{content}"
        shown.append({"title": title, "source": source, "cell": cell})
    return shown


def _link() -> str:
    """A link that runs both pictures side by side, step by step."""
    _, key = permalinks.from_note(read_note(_file(PICTURES["clipped"][1])))
    race = races.RaceKey("break", key.model, key.request, error="no-clip")
    return f"?{race_links.query(race, tab='reverse')}"


def _file(name: str) -> Path:
    return Path(result_tables.__file__).with_name(name)


# --- the report's tables ---


def _table(table: tables.Table, reported: dict) -> dict:
    """The report's test figures, and ours by the same sampler in as many steps."""
    rows = [{"title": "report, FID", "cells": [f"{fid:.3f}" for fid in reported["test"]]}]
    for title, clip in (("ours", True), ("ours, not clipped", False)):
        request = replace(tables.ANCESTRAL, clip=clip)
        for row in table.rows:
            first = row.measured[0] if row.measured else None
            if first and (first.request, first.reference) == (request, "test"):
                rows.append({"title": title, "cells": _marked(row.measured, reported["test"])})
    return {"columns": table.columns, "rows": rows}


def _marked(measured: tuple[Measurement, ...], reported: tuple[float, ...]) -> list[dict]:
    """Our cells, each marked: is it better or worse than the first, as the report's is?"""
    first, *others = measured
    cells = [_cell(first)]
    for other, theirs in zip(others, reported[1:], strict=True):
        apart = first.result and other.result and difference(first.result, other.result)
        if not apart or apart.gap <= 2 * apart.error:
            mark = "?"
        else:
            is_worse = other.result["fid"] > first.result["fid"]
            mark = "✓" if is_worse == (theirs > reported[0]) else "✗"
        cells.append(_cell(other) | {"mark": mark})
    return cells


def _cell(m: Measurement) -> dict:
    """One of our figures, and one line about how it was measured."""
    if m.result is None:
        return {"figure": "–", "about": f"Not measured yet: {m.command}"}
    about, (figure, error) = m.result["protocol"], written(m.figure)
    spread = f" ± {error}" if error else ""
    walk = f"{tables.SAMPLERS[m.request.sampler]}, {m.request.steps:,} steps"
    real = about["reference"]
    return {
        "figure": figure,
        "about": f"{m.model}: {figure}{spread}, n = {about['n']:,}, against {real['images']:,} "
        f"{real['split']} images, features of {about['features']['name']}; {walk}, x̂0 "
        f"{'clipped' if m.request.clip else 'not clipped'}",
    }
