"""A request survives its link, and the copied Python and command line say the same."""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ddpm_core import InvalidInput, Request
from ddpm_core.commands import options
from ddpm_core.commands import sample as command
from ddpm_core.request import unused
from ui.runs.runs import Key, Studio
from ui.sharing import files, permalinks
from ui.widgets.download.download import Choice

shares = dict.fromkeys(["eta", "rescale", "share"], st.floats(0, 1))
choices = {spec.name: spec.metadata["known"] for spec in fields(Request)}
requests = st.builds(
    Request,
    **{name: st.sampled_from([*known]) for name, known in choices.items() if known} | shares,
    n=st.integers(1, 64),
    first=st.integers(0, 1000),
    label=st.one_of(st.sampled_from(["all", "none"]), st.integers(0, 9)),
    steps=st.integers(1, 1000),
    seed=st.integers(0, 2**53 - 1),
    clip=st.booleans(),
    guidance_scale=st.none() | st.floats(-100, 1000),
    t_low=st.integers(0, 400),
    t_high=st.none() | st.integers(400, 999),
    mix=st.none() | st.integers(0, 9),
    toward=st.none() | st.integers(0, 2**53 - 1),
    along=st.none() | st.floats(0, 1),
)
keys = st.builds(
    Key,
    model=st.just("m"),
    request=requests,
    beside=st.lists(requests, max_size=2).map(tuple),
    branch_at=st.none() | st.integers(0, 50),
)


@given(keys)
def test_a_link_restores_its_run(key):
    pairs = parse_qsl(permalinks.query(key, tab="sample"), keep_blank_values=True)
    assert (dict(pairs)["model"], dict(pairs)["tab"]) == ("m", "sample")
    assert permalinks.parse(pairs, Key("other", Request())) == key


@given(keys)
def test_the_copied_python_makes_the_same_requests(key):
    source = permalinks.python(key)
    line = next(line for line in source.splitlines() if line.startswith("request = "))
    request = eval(line.removeprefix("request = "), {"Request": Request})
    assert request == key.request
    if not key.beside or key.branch_at is not None:
        return
    line = next(line for line in source.splitlines() if line.startswith("both = "))
    names = {"film": lambda model, requests: requests, "model": None, "replace": replace}
    result = eval(line.removeprefix("both = "), names | {"request": request})
    assert result == key.requests


ONE = Request(n=1, label=3, steps=3, dtype="float32")
RUNS = [
    Key("mnist-conditional", replace(ONE, n=2)),
    Key("mnist-conditional", ONE, (replace(ONE, guidance="cfg", guidance_scale=3.0),)),
    Key("mnist-conditional", ONE, (replace(ONE, label=5),), 2),
    Key("mnist-conditional", replace(ONE, n=4, toward=7)),
    Key("mnist-conditional", replace(ONE, n=4, toward=7), (replace(ONE, n=4, toward=7, label=5),)),
    Key("mnist-conditional", replace(ONE, toward=7, along=0.5)),
]


@pytest.mark.parametrize(
    "key", RUNS, ids=["alone", "beside", "branch", "walk", "two walks", "halfway"]
)
def test_the_copied_python_makes_the_same_pictures_and_the_same_film(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(permalinks.python(key), names)
    studio = Studio()
    *_, end = studio.stream(studio.arm(("someone", "sample")), key)
    np.testing.assert_array_equal(names["images"], end.film.images())
    studio.keep(end)
    taken = files.kept(studio, "sample", Choice(panes=("x",), run=end.id))
    with Image.open(tmp_path / "mnist-conditional.gif") as film:
        assert film.n_frames == taken.frames


def test_the_copied_python_knows_the_errors_of_the_report(tmp_path):
    key = Key("mnist-conditional", replace(ONE, fault="off-by-one"))
    command = [sys.executable, "-c", permalinks.python(key)]
    import_path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(command, cwd=tmp_path, env=os.environ | import_path, check=True)
    assert (tmp_path / "mnist-conditional.gif").stat().st_size > 0


MEANT = [{}, {"variance": "posterior", "clip": False}, {"variance": "beta", "clip": True}]


@given(keys, st.sampled_from(MEANT))
def test_the_copied_command_makes_the_same_requests(key, meant):
    model = SimpleNamespace(config=SimpleNamespace(sampling=meant), classes=[])
    words = shlex.split(permalinks.command_line(key, meant=meant))
    assert words[:2] == ["python", "-m"] and words[3] == "sample"
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    parsed = parser.parse_args(words[3:])
    request = options.request(parsed, model)
    result = [request, *options.beside(parsed, request)]
    # Without the fields that no row reads: the command line refuses them.
    defaults = {name: (permalinks.DEFAULTS | meant)[name] for name in unused(key.requests)}
    expected = [replace(request, **defaults) for request in key.requests]
    assert (parsed.model, result) == (key.model, expected)
    assert parsed.branch_at == key.branch_at


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("label=11", "class must be between 0 and 9"),
        ("steps=nan", "steps = 'nan'"),
        ("model=../../etc", "unknown model"),
    ],
)
def test_a_link_that_cannot_be_followed_says_why(query, message):
    default = Key("mnist-conditional", Request(n=16, steps=20))
    with pytest.raises(InvalidInput, match=re.escape(message)):
        Studio().settled(permalinks.parse(parse_qsl(query, keep_blank_values=True), default))


def note_of(key, **more) -> str:
    """What ``Run.describe`` writes for a run, without a model to run it."""
    rows = [
        {k: v for k, v in asdict(row).items() if v != getattr(key.request, k)} for row in key.beside
    ]
    note = {"model": key.model} | asdict(key.request) | ({"beside": rows} if rows else {})
    note |= {} if key.branch_at is None else {"branch_at": key.branch_at}
    return json.dumps(note | more | {"torch": "2.13.0"})


@given(keys, st.sampled_from(["sample", "guidance", "reverse"]))
def test_a_note_in_a_file_restores_its_run_on_its_tab(key, tab):
    assert permalinks.from_note(note_of(key, tab=tab, stopped_after=3)) == (tab, key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "names no run"),
        ('{"model": "m", "label": {"a": 1}}', "class"),
        (json.dumps({"model": "m", "beside": [{}] * 1000}), "1001 rows"),
    ],
    ids=lambda text: text[:30],
)
def test_a_note_of_something_else_is_refused_in_words(text, message):
    with pytest.raises(InvalidInput, match=message):
        permalinks.from_note(text)
