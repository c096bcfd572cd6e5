"""The Results tab: our figures beside the report's, read from what lies with the checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gradio as gr

from ddpm_core import checkpoints
from ddpm_core.errors import CheckpointError
from lab.measure import watch
from lab.measure.protocol import words
from lab.report import tables
from lab.report.findings import findings
from lab.report.tables import Measurement, decimals

from ..events import QUIET
from ..widgets.result_tables import result_tables

NAME = "results"
FAILED = "Its stored results cannot be read; the server has made a note of it."
FEW_STEPS = {"few-steps": tables.FEW_MODELS[0], "few-steps-cifar10": tables.FEW_MODELS[1]}


def build(opened: gr.Tab, home: Path | None = None) -> result_tables.ResultTables:
    """Lay the tab out; its figures are read whenever it is opened.

    Args:
        opened: the tab itself.
        home: the folder of the checkpoints; the shipped ones unless given.
    """
    shown = result_tables.ResultTables(label="Results", elem_id=f"{NAME}-board")
    opened.select(lambda: figures(home), None, shown, **QUIET)
    return shown


def figures(home: Path | None = None) -> dict:
    """All of the board's figures, as they are stored now."""
    stored = tables.Stored(home)
    shown = [
        _guarded("table-1", lambda: _table(tables.table_1(stored))),
        _guarded("table-2", lambda: _table(tables.table_2(stored))),
        _guarded("costs", lambda: _costs(tables.costs(stored))),
        _guarded("own-way", lambda: _table(tables.own_way(stored), "FID")),
        *(_guarded(name, partial(_few_steps, name, stored)) for name in FEW_STEPS),
        _guarded("beside", lambda: _table(tables.of_models(stored), "model")),
        _guarded("guidance", lambda: _table(tables.over_scale(stored), "s")),
    ]
    return result_tables.board(shown, _curves(home))


def _guarded(name: str, make: Callable[[], dict]) -> dict:
    try:
        return make()
    except Exception:  # a damaged file must not take the other tables along
        logging.exception("the results of %s cannot be read", name)
        return {"name": name, "title": name.replace("-", " ").capitalize(), "error": FAILED}


def _table(table: tables.Table, corner: str = "judge distance") -> dict:
    rows, usual = [], tables.usual_dtype(m for row in table.rows for m in row.measured)
    for row in table.rows:
        if row.reported:
            rows.append({"title": row.title, "reported": [f"{fid:.3f}" for fid in row.reported]})
        else:
            cells = [m and _cell(m, usual) for m in row.measured]
            rows.append({"title": row.title, "cells": cells})
    return _named(table, corner, rows)


def _costs(table: tables.Table) -> dict:
    shown = _table(table)
    usual, *others = (row.measured for row in table.rows)
    for row, line in zip(others, shown["rows"][1:], strict=True):
        for right, wrong, cell in zip(usual, row, line["cells"], strict=True):
            if right and wrong and right.result and wrong.result:
                cell |= _cost(right.result, wrong.result)
    return shown


def _cost(right: dict, wrong: dict) -> dict:
    if tables.basis(right) != tables.basis(wrong):
        return {}
    apart, gap = tables.difference(right, wrong), wrong["fid"] - right["fid"]
    digits = decimals(gap, apart and apart.error)
    error = f"± {apart.error:.{digits}f}" if apart else ""
    return {"cost": f"{gap:+.{digits}f}".replace("-", "−"), "cost_error": error}


def _few_steps(name: str, stored: tables.Stored) -> dict:
    table = tables.few_steps(stored, FEW_STEPS[name])
    results = [m.result for row in table.rows for m in row.measured if m and m.result is not None]
    floors = {round(r["floor"], 4) for r in results if r["floor"] is not None}
    columns = [str(steps) for steps in tables.FEW_STEPS]
    return _table(table, "steps") | {"columns": columns, "plot": True, "floors": sorted(floors)}


def _named(table: tables.Table, corner: str, rows: list[dict]) -> dict:
    question, answer = findings()[table.name]
    return {
        "name": table.name,
        "title": table.title,
        "about": table.about,
        "corner": corner,
        "columns": list(table.columns),
        "rows": rows,
        "question": question,
        "answer": answer,
    }


def _cell(measurement: Measurement, usual: str | None) -> dict | None:
    cell, found = {"model": measurement.model, "command": measurement.command}, measurement.figure
    if found is None:
        return cell
    if found.value is None:
        return None
    scale, unit = (100, "\u00a0%") if found.percent else (1, "")
    value, error = found.value * scale, None if found.error is None else found.error * scale
    digits = decimals(value, error)
    if found.percent:
        digits = min(2, digits)  # of none in a thousand four would pretend to know more
    result = measurement.result
    dtype, seconds = result["protocol"]["dtype"], result.get("seconds")
    return cell | {
        "value": found.value,
        "error": found.error,
        "figure": f"{value:.{digits}f}{unit}",
        "spread": "" if error is None else f"± {error:.{digits}f}",
        "dtype": dtype if measurement.kind == "fid" and dtype != usual else "",
        "words": words(result),
        "took": "" if seconds is None else f"{seconds:,.0f} s on {result['hardware']}",
    }


def _curves(home: Path | None) -> list[dict]:
    found = []
    shipped = checkpoints.available(home)
    for model in [*tables.MODELS, *(it for it in shipped if it not in tables.MODELS)]:
        try:
            history = tables.curves(model, home)
            rows = [
                [row["images"], row.get("train"), row.get("validation"), row.get("fid")]
                for row in history
            ]
            distance = watch.name(history)
            about, command = tables.trained(model, home)
        except (CheckpointError, LookupError, TypeError, ValueError):
            continue  # not trained yet, or nothing that could be drawn
        if rows:
            told = {"distance": distance, "words": about, "command": command}
            found.append({"model": model, "rows": rows} | told)
    return found
