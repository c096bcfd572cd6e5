"""What a reshaping of the code must leave as it is: names, links, notes, results, API, pixels.

All of it is literal, as it was before; what is long lies in ``survives/``: there ``calls`` are
parameters in order, and those that are added have defaults.
Links and notes are given there by the fields in which they differ from ``Request()``.
``python -m tests.test_survives`` makes the pictures anew, by one thread of a processor in float32:
only other weights may call for that.
"""

import inspect
import json
from collections import Counter
from dataclasses import MISSING, fields
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl

import numpy as np
import pytest
import torch
from starlette.datastructures import QueryParams

import ddpm_core
from ddpm_core import Request, load, read_note, sample
from ddpm_core.__main__ import main
from ddpm_core.checkpoints import HOME
from lab.measure import results as stored
from lab.report import tables
from ui.page import build
from ui.runs.races import RaceKey
from ui.runs.runs import Key
from ui.sharing import forward_links
from ui.sharing.restore import Arrival
from ui.widgets.file_drop.file_drop import Dropped

HERE = Path(__file__).parent / "survives"


def read_json(name: str):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


NAMES = read_json("names.json")
CALLS, REQUEST, ENDPOINTS = NAMES["calls"], NAMES["request"], NAMES["endpoints"]
LINKS, NOTES = read_json("links.json"), read_json("notes.json")


@pytest.fixture(scope="module")
def page():
    return build()


# --- the names ---


@pytest.mark.parametrize("name", CALLS)
def test_a_public_name_is_called_as_before(name):
    parameters = list(inspect.signature(getattr(ddpm_core, name)).parameters.values())
    before = CALLS[name].split()
    assert [p.name for p in parameters[: len(before)]] == before
    assert all(p.default is not p.empty for p in parameters[len(before) :])


def test_every_public_name_is_there():
    others = "SAMPLERS CheckpointError DataError Denoiser InvalidInput Request".split()
    assert {*CALLS, *others} <= set(ddpm_core.__all__)
    assert all(hasattr(ddpm_core, name) for name in ddpm_core.__all__)
    assert {"ddpm", "ddim", "dpm_solver_pp"} <= set(ddpm_core.SAMPLERS)
    for name, parts in NAMES["parts"].items():
        assert [part for part in parts.split() if not hasattr(getattr(ddpm_core, name), part)] == []


def test_a_request_has_its_fields_and_their_defaults():
    defaults = {field.name: field.default for field in fields(Request)}
    assert list(defaults.items())[: len(REQUEST)] == list(REQUEST.items())
    assert MISSING not in defaults.values()


# --- links and notes ---


def place_and_run(means: dict) -> tuple:
    """The place and the run that a link or a note stands for."""
    means = dict(means)
    place = means.pop("place")
    if not means:
        return place, None  # what is recorded there
    request = Request(**means.pop("request"))
    if place.startswith("reverse "):
        return place, RaceKey(place.partition(" ")[2], request=request, **means)
    rows = tuple(Request(**row) for row in means.pop("beside", ()))
    return place, Key(request=request, beside=rows, **means)


def arrive(page, handler: str, *values) -> Arrival:
    """What the page makes of an address, or of a dropped file."""
    (function,) = {f.fn for f in page.fns.values() if getattr(f.fn, "__name__", "") == handler}
    return next(value for value in function(*values).values() if isinstance(value, Arrival))


def visitor(query: str = ""):
    return SimpleNamespace(session_hash="somebody", query_params=QueryParams(query), headers={})


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link["link"][-40:])
def test_a_link_leads_where_it_led(page, link):
    arrival = arrive(page, "open_page", visitor(link["link"]))
    assert (arrival.place, arrival.run, arrival.refused) == (*place_and_run(link["means"]), "")


def bar() -> np.ndarray:
    picture = np.zeros((28, 28, 1), np.uint8)
    picture[4:24, 13:15] = 255
    return picture


def test_a_link_of_the_forward_tab_leads_where_it_led():
    link = "tab=forward&model=mnist-linear&seed=9&label=none&picture=eNpjYBhA8P__qNyoHPFydAAAHU8n2Q"
    asked = forward_links.parse(parse_qsl(link), load("mnist-linear"))
    assert (asked.seed, asked.label, asked.digit) == (9, "none", None)
    np.testing.assert_array_equal(asked.picture, bar())
    link = "tab=forward&model=mnist-conditional&seed=9&label=3&digit=4"
    asked = forward_links.parse(parse_qsl(link), load("mnist-conditional"))
    assert (asked.seed, asked.label, asked.digit, asked.picture) == (9, "3", 4, None)


@pytest.mark.parametrize("dropped", NOTES, ids=lambda n: n.get("file", str(n["note"])[:40]))
def test_a_note_leads_where_it_led(page, dropped):
    note, means = json.dumps(dropped["note"]), dropped["means"]
    if "file" in dropped:
        assert json.loads(read_note(HERE / dropped["file"])) == dropped["note"]
    arrival = arrive(page, "open_file", Dropped("a file", note, 1), visitor())
    if means["place"] != "forward":
        assert (arrival.place, arrival.run) == place_and_run(means)
        return
    run = arrival.run
    assert (arrival.place, run.model.name, run.seed) == ("forward", means["model"], means["seed"])
    np.testing.assert_array_equal(run.picture, bar())


# --- stored results ---

STORED = {"fid": 126, "classes": 18, "bound": 16, "neighbours": 15}


def cell_counts(home: Path | None = None) -> dict[str, tuple[int, int]]:
    """For each table the number of measured cells, and of all cells."""
    counts = {}
    for name, make in tables.TABLES.items():
        figures = [cell.figure for cell in make(home).cells]
        # Images that were given no class have no share of right ones.
        figures = [figure for figure in figures if figure is None or figure.value is not None]
        counts[name] = sum(figure is not None for figure in figures), len(figures)
    return counts


def test_every_cell_of_the_tables_is_measured():
    counts = cell_counts()
    assert all(measured == cells for measured, cells in counts.values())
    assert sum(cells for _, cells in counts.values()) == 252


def test_every_stored_result_is_of_the_weights_that_lie_there(tmp_path):
    results = [result for folder in HOME.iterdir() for result in stored.current(folder)]
    assert Counter(result["kind"] for result in results) == STORED
    # Measured again, a figure replaces its predecessor.
    names = {path.name for path in HOME.glob("*/results/*.json")}
    assert {stored.save(tmp_path, result).name for result in results} == names


def test_a_field_that_a_stored_request_lacks_means_its_default(tmp_path):
    """Results that were stored before the field was there lack it."""
    for path in HOME.glob("*/results/*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        about = result["protocol"]
        if "request" in about:  # a bound samples nothing
            about["request"] = {k: v for k, v in about["request"].items() if v != REQUEST.get(k)}
        stored.save(tmp_path / path.parent.parent.name, result)
    assert cell_counts(tmp_path) == cell_counts()


# --- the public HTTP API ---


def test_the_page_publishes_the_same_functions(page):
    info = page.get_api_info()
    assert not info["unnamed_endpoints"] and info["named_endpoints"].keys() == ENDPOINTS.keys()
    for name, parameters in ENDPOINTS.items():
        published = info["named_endpoints"][name]["parameters"]
        pairs = [(p["parameter_name"], p["parameter_default"]) for p in published]
        assert pairs[: len(parameters)] == list(parameters.items())


# --- pixels ---

PICTURES = HERE / "pictures.npz"
RUNS = read_json("runs.json")


def pictures(name: str) -> np.ndarray:
    run = dict(RUNS[name])
    return sample(load(run.pop("model")), Request(**run))


@pytest.mark.parametrize("name", RUNS)
def test_a_run_makes_the_same_pictures(name):
    with np.load(PICTURES) as expected:
        difference = np.abs(pictures(name).astype(int) - expected[name])
    assert difference.max() <= 2  # processors round differently


# --- commands ---

COMMANDS = "sample race forward evaluate reproduce bench train train-classifier ship push".split()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_answers(name, capsys):
    with pytest.raises(SystemExit) as raised:
        main([name, "--help"])
    assert raised.value.code == 0 and "usage:" in capsys.readouterr().out


if __name__ == "__main__":
    torch.set_num_threads(1)
    np.savez_compressed(PICTURES, **{name: pictures(name) for name in RUNS})
