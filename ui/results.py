"""The Results tab: our figures beside the report's, read from what lies with the checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import gradio as gr

from ddpm_core import checkpoints
from ddpm_core.errors import CheckpointError
from lab.measure import evaluation, inspection, watch
from lab.report import beside, compare, report
from lab.report.claims import UNMEASURED, judged
from lab.report.explained import QUESTION, explained
from lab.report.report import Measurement

from . import board, keep
from .events import QUIET

NAME = "results"
FAILED = "Its stored results cannot be read; the server has made a note of it."
FEW_STEPS = {"few-steps": report.FEW_MODELS[0], "few-steps-cifar10": report.FEW_MODELS[1]}


def build(opened: gr.Tab, home: Path | None = None) -> board.Board:
    """Lay the tab out; its figures are read whenever it is opened.

    Args:
        opened: the tab itself.
        home: the folder of the checkpoints; the shipped ones unless given.
    """
    shown = board.Board(label="Results", elem_id=f"{NAME}-board")
    # That it arrived here is for the other tabs to know, which then write where one goes next.
    told = f'() => {{ ({keep.REMEMBER})("?tab={NAME}"); window.hasArrived = true; return []; }}'
    opened.select(lambda: figures(home), None, shown, js=told, **QUIET)
    return shown


def figures(home: Path | None = None) -> dict:
    """All of the board's figures, as they are stored now."""
    tables = [
        _guarded("table-1", lambda: _table(report.table_1(home))),
        _guarded("table-2", lambda: _second(report.table_2(home), home)),
        _guarded("costs", lambda: _costs(report.costs(home))),
        _guarded("own-way", lambda: _table(report.own_way(home))),
        *(_guarded(name, partial(_few_steps, name, home)) for name in FEW_STEPS),
        _guarded("beside", lambda: _beside(beside.of_models(home))),
        _guarded("guidance", lambda: _beside(beside.over_scale(home))),
    ]
    return board.board(tables, _curves(home))


def _guarded(name: str, make: Callable[[], dict]) -> dict:
    try:
        return make()
    except Exception:  # a damaged file must not take the other tables along
        logging.exception("the results of %s cannot be read", name)
        return {"name": name, "title": name.replace("-", " ").capitalize(), "error": FAILED}


def _table(table: report.Table) -> dict:
    rows, usual = [], compare.usual_dtype(m for row in table.rows for m in row.measured)
    for row in table.rows:
        if row.reported:
            rows.append({"title": row.title, "reported": [f"{fid:.3f}" for fid in row.reported]})
        else:
            rows.append({"title": row.title, "cells": _cells(row.measured, usual)})
    corner = "FID" if table.name == "own-way" else "judge distance"
    return _named(table) | {"corner": corner, "rows": rows, "claims": _claims(table)}


def _second(table: report.Table, home: Path | None) -> dict:
    """Table 2, with what is known of its gap."""
    answer = explained(report.own_way(home).rows, report.costs(home).rows, table.rows)
    return _table(table) | {"question": QUESTION, "answer": list(answer)}


def _claims(table: report.Table) -> list[dict]:
    """What our rows say to the report's findings; none before a row says anything."""
    titles = {row.title for row in table.rows if row.measured}
    claims = []
    for claim in judged(table.name, table.rows):
        said = [
            {"row": title, "verdict": verdict, "margin": claim.margins.get(title, "")}
            for title, verdict in claim.verdicts.items()
            if title in titles and verdict != UNMEASURED
        ]
        if said:
            claims.append({"text": claim.text, "said": said})
    return claims


def _costs(table: report.Table) -> dict:
    found = list(zip(*(row.measured for row in table.rows), strict=True))
    usual = compare.usual_dtype(m for column in found for m in column)
    columns = [_cells(column, usual) for column in found]
    for (usual, *others), (_, *cells) in zip(found, columns, strict=True):
        for wrong, cell in zip(others, cells, strict=True):
            if usual and wrong and usual.result and wrong.result:
                cell |= _cost(usual.result, wrong.result)
    rows = zip(table.rows, zip(*columns, strict=True), strict=True)
    return _named(table) | {
        "corner": "judge distance",
        "rows": [{"title": row.title, "cells": list(cells)} for row, cells in rows],
    }


def _cost(usual: dict, wrong: dict) -> dict:
    if not compare.comparable([usual, wrong]):
        return {}
    apart, gap = compare.difference(usual, wrong), wrong["fid"] - usual["fid"]
    decimals = compare.decimals(gap, apart and apart.error)
    error = f"± {apart.error:.{decimals}f}" if apart else ""
    return {"cost": f"{gap:+.{decimals}f}".replace("-", "−"), "cost_error": error}


def _few_steps(name: str, home: Path | None) -> dict:
    series = report.few_steps(home, FEW_STEPS[name])
    points = [one.points for one in series]
    usual = compare.usual_dtype(m for some in points for m in some)
    columns = [_cells(column, usual) for column in zip(*points, strict=True)]
    first = points[0][0]
    results = [m.result for some in points for m in some if m and m.result is not None]
    floors = {round(r["floor"], 4) for r in results if r["floor"] is not None}
    return {
        "name": name,
        "title": f"Judge distance in few steps: {first.model}",
        "about": f"All classes, n\u00a0=\u00a0{first.request.n:,}, against the test "
        "set. The floor is what real images get at the same n.",
        "corner": "steps",
        "columns": [str(steps) for steps in report.FEW_STEPS],
        "rows": [
            {"title": one.title, "cells": list(cells)}
            for one, cells in zip(series, zip(*columns, strict=True), strict=True)
        ],
        "plot": True,
        "floors": sorted(floors),
    }


def _beside(table: beside.Table) -> dict:
    rows = [
        {"title": row.title, "cells": [it and _other(it) for it in row.wanted]}
        for row in table.rows
    ]
    return _named(table) | {"corner": table.corner, "rows": rows}


def _other(wanted: beside.Wanted) -> dict | None:
    """A cell of a figure that is no distance."""
    cell = {"model": wanted.model, "command": wanted.command}
    if wanted.result is None:
        return cell
    it = wanted.take(wanted.result)
    if it.value is None:
        return None
    scale, unit = (100, "\u00a0%") if it.percent else (1, "")
    value, error = it.value * scale, None if it.error is None else it.error * scale
    decimals = compare.decimals(value, error)
    if it.percent:
        decimals = min(2, decimals)  # of none in a thousand four would pretend to know more
    return cell | {
        "value": it.value,
        "error": it.error,
        "figure": f"{value:.{decimals}f}{unit}",
        "spread": "" if error is None else f"± {error:.{decimals}f}",
        "words": inspection.words(wanted.result),
        "took": "",
    }


def _named(table: report.Table | beside.Table) -> dict:
    return {
        "name": table.name,
        "title": table.title,
        "about": table.about,
        "columns": list(table.columns),
    }


def _cells(measured: Sequence[Measurement | None], usual: str | None) -> list[dict | None]:
    """Cells that compare with each other, in a table of networks of one precision for the most."""
    lowest = compare.best(measured)
    return [m and _cell(m, usual) | {"best": m is lowest} for m in measured]


def _cell(measurement: Measurement, usual: str | None) -> dict:
    cell = {"model": measurement.model, "command": measurement.command}
    result = measurement.result
    if result is None:
        return cell
    fid, spread, dtype = result["fid"], result["spread"], result["protocol"]["dtype"]
    decimals = compare.decimals(fid, spread)
    return cell | {
        "value": fid,
        "error": spread,
        "figure": f"{fid:.{decimals}f}",
        "spread": "" if spread is None else f"± {spread:.{decimals}f}",
        "dtype": "" if dtype == usual else dtype,
        "words": evaluation.words(result),
        "took": f"{result['seconds']:,.0f} s on {result['hardware']}",
    }


def _curves(home: Path | None) -> list[dict]:
    found = []
    shipped = checkpoints.available(home)
    for model in [*report.MODELS, *(it for it in shipped if it not in report.MODELS)]:
        try:
            history = report.curves(model, home)
            rows = [
                [row["images"], row.get("train"), row.get("validation"), row.get("fid")]
                for row in history
            ]
            distance = watch.name(history)
            words, command = report.trained(model, home)
        except (CheckpointError, LookupError, TypeError, ValueError):
            continue  # not trained yet, or nothing that could be drawn
        if rows:
            told = {"distance": distance, "words": words, "command": command}
            found.append({"model": model, "rows": rows} | told)
    return found
